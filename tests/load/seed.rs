//! Fills a database with users, sessions, invitations and finished jobs.

use std::fmt::Write as _;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr};

/// The rows of one INSERT, which stays far below every engine's limit on a statement's length.
const ROWS_PER_INSERT: u64 = 1000;
/// The inserts of one transaction.
const INSERTS_PER_COMMIT: u64 = 20;
const DAY_MICROS: i64 = 86_400_000_000;

/// A table, its columns, and the values of one row.
type Table = (&'static str, &'static str, fn(&Row) -> String);

const TABLES: [Table; 6] = [
    (
        "users",
        "id, email, name, name_key, role, status, metadata, provider_user_id, created_at, version",
        |row| {
            let Row { number, email, at, .. } = row;
            format!(
                "{}, '{email}', 'Guest {number}', 'guest {number}', 'member', 'active', '{{}}', \
                 'user-seed-{number}', {at}, 1",
                row.id(0),
            )
        },
    ),
    ("user_emails", "email, user_id", |row| format!("'{}', {}", row.email, row.id(0))),
    (
        "invitations",
        "id, user_id, email, role, metadata, invited_by_type, status, delivery, attempts, as_login, \
         created_at, sent_at, accepted_at, expires_at, version",
        |row| {
            let (at, email) = (row.at, &row.email);
            format!(
                "{}, {}, '{email}', 'member', '{{}}', 'cli', 'accepted', 1, 1, 0, {at}, {at}, {at}, {}, 3",
                row.id(1),
                row.id(0),
                at + 6 * DAY_MICROS
            )
        },
    ),
    ("events", "id, kind, at, actor_type, user_id, invitation_id, detail", |row| {
        format!(
            "{}, 'requested', {}, 'cli', {}, {}, '{{}}'",
            row.id(2),
            row.at,
            row.id(0),
            row.id(1)
        )
    }),
    (
        "sessions",
        "id, user_id, provider_session_id, token_hash, started_at, expires_at, last_used_at",
        |row| {
            let at = row.at;
            format!(
                "{}, {}, 'session-seed-{}', {}, {at}, {}, {at}",
                row.id(3),
                row.id(0),
                row.number,
                row.hash(),
                at + 6 * DAY_MICROS
            )
        },
    ),
    (
        "jobs",
        "id, queue, kind, args, state, priority, run_at, attempts, max_attempts, fence, created_at, \
         started_at, finished_at",
        |row| {
            let at = row.at;
            format!(
                "{}, 'invitation', 'send-invite', '{{}}', 'done', 0, {at}, 1, 10, 1, {at}, {at}, {at}",
                row.id(4)
            )
        },
    ),
];

/// Inserts `count` rows into each table, the last of them created at `now`, in microseconds.
pub async fn seed(database: &DatabaseConnection, count: u64, now: i64) -> Result<(), DbErr> {
    let is_sqlite = database.get_database_backend() == DbBackend::Sqlite;
    if is_sqlite {
        database.execute_unprepared("PRAGMA synchronous = OFF").await?;
    }
    for (table, columns, values) in TABLES {
        let mut first = 0;
        while first < count {
            database.execute_unprepared("BEGIN").await?;
            for _ in 0..INSERTS_PER_COMMIT {
                let end = (first + ROWS_PER_INSERT).min(count);
                if first < end {
                    let rows = (first..end).map(|number| Row::new(number, count, now));
                    let sql =
                        insert(table, columns, &rows.map(|row| values(&row)).collect::<Vec<_>>());
                    database.execute_unprepared(&sql).await?;
                }
                first = end;
            }
            database.execute_unprepared("COMMIT").await?;
        }
    }
    if is_sqlite {
        database.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await?;
    }
    Ok(())
}

fn insert(table: &str, columns: &str, rows: &[String]) -> String {
    let mut sql = format!("INSERT INTO {table} ({columns}) VALUES ");
    for (index, row) in rows.iter().enumerate() {
        let _ = write!(sql, "{}({row})", if index == 0 { "" } else { ", " });
    }
    sql
}

struct Row {
    number: u64,
    email: String,
    at: i64,
}

impl Row {
    fn new(number: u64, count: u64, now: i64) -> Self {
        // The addresses are spread over the whole range of prefixes, like those of `address`.
        let prefix = number * (1 << 32) / count;
        let age = i64::try_from(count - number).unwrap_or(i64::MAX);
        Self { number, email: format!("{prefix:08x}-seed@example.com"), at: now - age * 1000 }
    }

    /// Returns the literal of a version 7 UUID with the time of this row; `table` makes it differ
    /// from the ids of other tables.
    fn id(&self, table: u8) -> String {
        format!("x'{:012x}7{table:03x}8{:015x}'", self.at / 1000, self.number)
    }

    /// Returns the literal of 32 bytes that are spread like a hash.
    fn hash(&self) -> String {
        let words = (0..4).map(|word| format!("{:016x}", spread(self.number * 4 + word)));
        format!("x'{}'", words.collect::<String>())
    }
}

/// The finalizer of `SplitMix64`, a bijection whose results look random.
fn spread(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// Returns a new address, which falls anywhere among the existing ones in the order of an index.
pub fn address(run: &str, number: u64) -> String {
    format!("{:08x}-{run}-{number}@example.com", spread(number) >> 32)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_version_7_and_ordered_by_time() {
        let ids = [0, 1, 99].map(|number| Row::new(number, 100, 1_700_000_000_000_000).id(3));
        assert!(ids.is_sorted());
        let id =
            uuid::Uuid::parse_str(ids[0].trim_start_matches("x'").trim_end_matches('\'')).unwrap();
        assert_eq!(id.get_version_num(), 7);
        assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn rows_differ_and_their_addresses_are_in_order() {
        let rows: Vec<_> = (0..1000).map(|number| Row::new(number, 1000, 0)).collect();
        assert!(rows.iter().map(|row| &row.email).is_sorted());
        let hashes: BTreeSet<_> = rows.iter().map(Row::hash).collect();
        assert_eq!(hashes.len(), 1000);
        assert_eq!(rows[0].hash().len(), 64 + 3);
    }

    #[test]
    fn an_insert_has_one_tuple_for_each_row() {
        let sql = insert("t", "a, b", &["1, 2".to_owned(), "3, 4".to_owned()]);
        assert_eq!(sql, "INSERT INTO t (a, b) VALUES (1, 2), (3, 4)");
    }
}
