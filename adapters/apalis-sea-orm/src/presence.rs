//! A worker's row in `job_workers`: that it is there, and what it says of itself.

use std::{fs, process};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};

use crate::{Queue, entity::worker, time::database_now};

/// A worker that was not seen for so long is forgotten, in microseconds.
const SILENT: i64 = 15 * 60 * 1_000_000;

impl Queue {
    /// Says that this worker is there, and how busy.
    pub async fn report(&self) -> Result<(), DbErr> {
        use worker::Column as C;
        let options = &self.options;
        let running = i32::try_from(self.in_flight()).unwrap_or(i32::MAX);
        let now = || database_now(self.write.get_database_backend());
        let row = [
            (C::Id, options.worker.as_str().into()),
            (C::StartedAt, now()),
            (C::SeenAt, now()),
            (C::Queues, options.queues.join(",").into()),
            (C::Running, running.into()),
            (C::Concurrency, i32::try_from(options.concurrency).unwrap_or(i32::MAX).into()),
            (C::Host, host().into()),
            (C::Pid, i64::from(process::id()).into()),
            (C::Info, Expr::value((options.info)())),
        ];
        let changed = row.iter().filter(|(column, _)| !matches!(column, C::Id | C::StartedAt));
        let known = OnConflict::column(C::Id).values(changed.cloned()).to_owned();
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let insert = Query::insert()
            .into_table(worker::Entity)
            .columns(columns)
            .values_panic(values)
            .on_conflict(known)
            .to_owned();
        self.write.execute(&insert).await?;
        Ok(())
    }

    /// Says that this worker is gone.
    pub async fn sign_off(&self) -> Result<(), DbErr> {
        worker::Entity::delete_by_id(self.options.worker.as_str()).exec(&self.write).await?;
        Ok(())
    }

    /// Forgets workers that were not seen for a quarter of an hour, by the database's clock, and
    /// those seen as far in the future, before that clock was set back.
    pub async fn forget_silent(&self) -> Result<u64, DbErr> {
        let silent = || {
            let now = || database_now(self.write.get_database_backend());
            let seen_at = || Expr::col(worker::Column::SeenAt);
            seen_at().lt(now().sub(SILENT)).or(seen_at().gt(now().add(SILENT)))
        };
        let ids: Vec<String> = worker::Entity::find()
            .select_only()
            .column(worker::Column::Id)
            .filter(silent())
            .into_tuple()
            .all(&self.read)
            .await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let gone = worker::Entity::delete_many()
            .filter(worker::Column::Id.is_in(ids))
            .filter(silent())
            .exec(&self.write)
            .await?;
        Ok(gone.rows_affected)
    }
}

/// The machine's name, if it tells.
fn host() -> String {
    let told = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let name = told.iter().find_map(|file| fs::read_to_string(file).ok());
    name.map(|name| name.trim().chars().take(190).collect()).unwrap_or_default()
}
