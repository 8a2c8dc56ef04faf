//! How columns are kept, the same on both engines: ids and hashes as bytes, times as microseconds
//! UTC, text compared byte by byte.

use sea_orm::{DbBackend, DbErr};
use sea_orm_migration::SchemaManager;
use sea_orm_migration::prelude::{
    ColumnDef, Index, IndexCreateStatement, IndexOrder, Table, TableCreateStatement,
};

/// A UUID.
pub(crate) fn id(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(16).not_null().take()
}

/// A SHA-256.
pub(crate) fn hash(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).binary_len(32).not_null().take()
}

/// A time.
pub(crate) fn time(name: &'static str) -> ColumnDef {
    number(name)
}

pub(crate) fn number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().take()
}

pub(crate) fn small_number(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).integer().not_null().take()
}

/// Yes or no; no, where nothing is said.
pub(crate) fn flag(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).boolean().not_null().default(false).take()
}

/// Text of at most so many characters.
pub(crate) fn text(name: &'static str, length: u32) -> ColumnDef {
    ColumnDef::new(name).string_len(length).not_null().take()
}

/// Text of at most 64 KB.
pub(crate) fn long_text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).text().not_null().take()
}

/// Text of at most 16 MB.
pub(crate) fn very_long_text(name: &'static str) -> ColumnDef {
    ColumnDef::new(name).custom("mediumtext").not_null().take()
}

pub(crate) fn index(name: &str, columns: &[&'static str]) -> IndexCreateStatement {
    let mut index = Index::create().name(name).take();
    for column in columns {
        index.col(*column);
    }
    index
}

/// By columns, and where they are equal the newest first.
pub(crate) fn newest(name: &str, columns: &[&'static str]) -> IndexCreateStatement {
    index(name, columns).col(("id", IndexOrder::Desc)).take()
}

pub(crate) fn unique(name: &str, columns: &[&'static str]) -> IndexCreateStatement {
    index(name, columns).unique().take()
}

/// Makes a table and its indexes, by statements that can be run again; on MySQL by one.
pub(crate) async fn create(
    manager: &SchemaManager<'_>,
    table: &'static str,
    columns: Vec<ColumnDef>,
    indexes: Vec<IndexCreateStatement>,
) -> Result<(), DbErr> {
    let mut create = Table::create().table(table).if_not_exists().take();
    for mut column in columns {
        create.col(&mut column);
    }
    if manager.get_database_backend() == DbBackend::MySql {
        return manager.create_table(on_mysql(create, indexes)).await;
    }
    manager.create_table(create).await?;
    for mut index in indexes {
        manager.create_index(index.table(table).if_not_exists().take()).await?;
    }
    Ok(())
}

fn on_mysql(
    mut create: TableCreateStatement,
    indexes: Vec<IndexCreateStatement>,
) -> TableCreateStatement {
    for mut index in indexes {
        create.index(&mut index);
    }
    // Known to MySQL and MariaDB alike, and tells apart what differs by case or accent.
    create.character_set("utf8mb4").collate("utf8mb4_bin").take()
}

pub(crate) async fn drop(manager: &SchemaManager<'_>, table: &'static str) -> Result<(), DbErr> {
    manager.drop_table(Table::drop().table(table).if_exists().take()).await
}
