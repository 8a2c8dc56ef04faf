//! One suite for every engine: SQLite in a temporary file always; MySQL and MariaDB when
//! `GUESTLIST_TEST_MYSQL_URL` and `GUESTLIST_TEST_MARIADB_URL` name servers on which databases may
//! be created.

#[cfg(test)]
mod harness;

#[cfg(test)]
mod answers;
#[cfg(test)]
mod claiming;
#[cfg(test)]
mod enqueueing;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod rescuing;
#[cfg(test)]
mod settling;
#[cfg(test)]
mod staging;
#[cfg(test)]
mod stopping;
#[cfg(test)]
mod worker;
