//! One suite for every engine: SQLite in a temporary file always; MySQL and MariaDB when
//! `GUESTLIST_TEST_MYSQL_URL` and `GUESTLIST_TEST_MARIADB_URL` name servers on which databases may
//! be created.

#[cfg(test)]
mod engines;
#[cfg(test)]
mod harness;
mod hastening;

#[cfg(test)]
mod answers;
#[cfg(test)]
mod beginning;
#[cfg(test)]
mod board;
#[cfg(test)]
mod cancelling;
#[cfg(test)]
mod claiming;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod dismissing;
#[cfg(test)]
mod enqueueing;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod full_disks;
#[cfg(test)]
mod holding;
#[cfg(test)]
mod idling;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kinds;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod pausing;
#[cfg(test)]
mod periods;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod presence;
#[cfg(test)]
#[cfg(target_os = "linux")]
mod processes;
#[cfg(test)]
mod pruning;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod rescuing;
#[cfg(test)]
mod retrying;
#[cfg(test)]
mod settling;
#[cfg(test)]
mod staging;
#[cfg(test)]
mod statistics;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod worker;
