//! Columns, indexes and tables that are the same on both engines: ids and hashes as bytes, times as
//! microseconds since the Unix epoch, text compared byte by byte.

use sea_orm::sea_query::{self as query, ColumnDef, Index, IndexCreateStatement, IndexOrder};
use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::SchemaManager;

pub(crate) fn uuid(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(16).not_null().take()
}

pub(crate) fn sha256(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(32).not_null().take()
}

/// A time in microseconds since the Unix epoch.
pub(crate) fn time(name: &'static str) -> ColumnDef {
    big_integer(name)
}

pub(crate) fn big_integer(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

pub(crate) fn integer(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().not_null().take()
}

/// A boolean that is false by default.
pub(crate) fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().default(false).take()
}

/// Text of at most `length` characters.
pub(crate) fn text(name: &'static str, length: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(length).not_null().take()
}

/// Text of at most 64 KiB.
pub(crate) fn long_text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

/// Text of at most 16 MiB.
pub(crate) fn medium_text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).custom("mediumtext").not_null().take()
}

pub(crate) fn index(name: &str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create().name(name).take();
    for column in columns {
        index.col(*column);
    }
    index
}

/// An index by the columns, and within equal values by descending id.
pub(crate) fn index_newest_first(name: &str, columns: &[&'static str]) -> IndexCreateStatement {
    index(name, columns).col(("id", IndexOrder::Desc)).take()
}

pub(crate) fn unique(name: &str, columns: &[&'static str]) -> IndexCreateStatement {
    index(name, columns).unique().take()
}

/// A table and its indexes.
pub(crate) struct Table {
    name: &'static str,
    columns: Vec<ColumnDef>,
    indexes: Vec<IndexCreateStatement>,
}

pub(crate) fn table(
    name: &'static str,
    columns: Vec<ColumnDef>,
    indexes: Vec<IndexCreateStatement>,
) -> Table {
    Table { name, columns, indexes }
}

impl Table {
    /// Creates the table and its indexes by statements that can be repeated; on MySQL by a single one.
    pub(crate) async fn create(self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let mut create = query::Table::create().table(self.name).if_not_exists().take();
        for mut column in self.columns {
            create.col(&mut column);
        }
        if manager.get_database_backend() == DbBackend::MySql {
            for mut index in self.indexes {
                create.index(&mut index);
            }
            // A collation of both MySQL and MariaDB that distinguishes case and accents.
            create.character_set("utf8mb4").collate("utf8mb4_bin");
            return manager.create_table(create).await;
        }
        manager.create_table(create).await?;
        for mut index in self.indexes {
            manager.create_index(index.table(self.name).if_not_exists().take()).await?;
        }
        Ok(())
    }

    pub(crate) async fn drop(self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        manager.drop_table(query::Table::drop().table(self.name).if_exists().take()).await
    }
}
