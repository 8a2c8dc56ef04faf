//! Column types with the same meaning on every engine.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::{ColumnDef, IntoIden};

pub(crate) fn id(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).binary_len(16).not_null().to_owned()
}

/// ASCII text, compared byte by byte, as SQLite does by default.
pub(crate) fn ascii(engine: DbBackend, name: impl IntoIden, length: u32) -> ColumnDef {
    typed(engine, name, length, "ascii", "ascii_bin")
}

/// Unicode text, compared with case and accents. This collation, unlike those named `0900`, exists
/// on MySQL and MariaDB.
pub(crate) fn case_exact(engine: DbBackend, name: impl IntoIden, length: u32) -> ColumnDef {
    typed(engine, name, length, "utf8mb4", "utf8mb4_bin")
}

fn typed(
    engine: DbBackend,
    name: impl IntoIden,
    length: u32,
    charset: &str,
    collation: &str,
) -> ColumnDef {
    let column = &mut ColumnDef::new(name);
    match engine {
        DbBackend::MySql => {
            column.custom(format!("varchar({length}) CHARACTER SET {charset} COLLATE {collation}"))
        }
        _ => column.string_len(length),
    }
    .to_owned()
}
