//! What the domain may rely on, written once and run for every engine.
//!
//! SQLite always runs. MySQL and MariaDB run where `GUESTLIST_TEST_MYSQL_URL` and
//! `GUESTLIST_TEST_MARIADB_URL` name a server whose user may create databases;
//! `GUESTLIST_TEST_REQUIRE_ALL=1` makes a missing one a failure.

#[path = "contract/bed.rs"]
mod bed;
#[path = "contract/samples.rs"]
mod samples;

#[path = "contract/conflicts.rs"]
mod conflicts;
#[path = "contract/groups.rs"]
mod groups;
#[path = "contract/idempotency.rs"]
mod idempotency;
#[path = "contract/lists.rs"]
mod lists;
#[path = "contract/migrations.rs"]
mod migrations;
#[path = "contract/opening.rs"]
mod opening;
#[path = "contract/outages.rs"]
mod outages;
#[path = "contract/queue.rs"]
mod queue;
#[path = "contract/reading.rs"]
mod reading;
#[path = "contract/sessions.rs"]
mod sessions;
#[path = "contract/sweeping.rs"]
mod sweeping;
