//! Maintains the worker's row in `job_workers`.

use std::{fs, net::SocketAddr, process};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict, Query},
};

use super::job_queue::JobQueue;
use crate::{entity::worker, sql::database_now};

/// Microseconds after which a worker that does not report is removed: 15 minutes.
const SILENCE_LIMIT: i64 = 15 * 60 * 1_000_000;
/// Microseconds after which a worker that does not report is not woken: the time of three reports.
const WAKE_LIMIT: i64 = 15 * 1_000_000;

impl JobQueue {
    /// Writes this worker's row: its options, the number of running jobs and the current time.
    pub async fn report(&self) -> Result<(), DbErr> {
        use worker::Column as C;
        let options = &self.options;
        let wake_address = options.wake_socket.as_ref().and_then(|socket| socket.local_addr().ok());
        // Jobs claimed ahead do not run yet.
        let running = self.leases.unfinished().min(options.concurrency);
        let running = i32::try_from(running).unwrap_or(i32::MAX);
        let now = || database_now(self.write.get_database_backend());
        let row = [
            (C::Id, options.worker.as_str().into()),
            (C::StartedAt, now()),
            (C::SeenAt, now()),
            (C::Queues, options.queues.join(",").into()),
            (C::Running, running.into()),
            (C::Concurrency, i32::try_from(options.concurrency).unwrap_or(i32::MAX).into()),
            (C::Host, host_name().into()),
            (C::Pid, i64::from(process::id()).into()),
            (C::WakeAddress, Expr::value(wake_address.map(|address| address.to_string()))),
            (C::Info, Expr::value((options.info)())),
        ];
        let changed = row.iter().filter(|(column, _)| !matches!(column, C::Id | C::StartedAt));
        let on_conflict = OnConflict::column(C::Id).values(changed.cloned()).to_owned();
        let (columns, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
        let insert = Query::insert()
            .into_table(worker::Entity)
            .columns(columns)
            .values_panic(values)
            .on_conflict(on_conflict)
            .to_owned();
        self.write.execute(&insert).await?;
        Ok(())
    }

    /// Deletes this worker's row.
    pub async fn deregister(&self) -> Result<(), DbErr> {
        worker::Entity::delete_by_id(self.options.worker.as_str()).exec(&self.write).await?;
        Ok(())
    }

    /// Deletes the rows of workers that have not reported for 15 minutes, by the database's clock,
    /// or that reported as far in the future, before that clock was set back.
    pub async fn remove_silent_workers(&self) -> Result<u64, DbErr> {
        let is_silent = || {
            let now = || database_now(self.write.get_database_backend());
            let seen_at = || Expr::col(worker::Column::SeenAt);
            let is_old = seen_at().lt(now().sub(SILENCE_LIMIT));
            is_old.or(seen_at().gt(now().add(SILENCE_LIMIT)))
        };
        let ids: Vec<String> = worker::Entity::find()
            .select_only()
            .column(worker::Column::Id)
            .filter(is_silent())
            .into_tuple()
            .all(&self.read)
            .await?;
        if ids.is_empty() {
            return Ok(0);
        }
        let deleted = worker::Entity::delete_many()
            .filter(worker::Column::Id.is_in(ids))
            .filter(is_silent())
            .exec(&self.write)
            .await?;
        Ok(deleted.rows_affected)
    }
}

/// Returns the names and addresses of the workers that this process can wake.
pub(crate) async fn wake_addresses<C: ConnectionTrait>(
    conn: &C,
) -> Result<Vec<(String, SocketAddr)>, DbErr> {
    use worker::Column as C;
    let reported_since = database_now(conn.get_database_backend()).sub(WAKE_LIMIT);
    let rows: Vec<(String, String, String)> = worker::Entity::find()
        .select_only()
        .columns([C::Id, C::Host, C::WakeAddress])
        .filter(C::WakeAddress.is_not_null())
        .filter(Expr::col(C::SeenAt).gt(reported_since))
        .into_tuple()
        .all(conn)
        .await?;
    let this_host = host_name();
    let address = |(name, host, address): (String, String, String)| {
        let address: SocketAddr = address.parse().ok()?;
        (!address.ip().is_loopback() || host == this_host).then_some((name, address))
    };
    Ok(rows.into_iter().filter_map(address).collect())
}

/// Returns the machine's host name, or an empty string if it is unknown.
fn host_name() -> String {
    let files = ["/proc/sys/kernel/hostname", "/etc/hostname"];
    let name = files.iter().find_map(|file| fs::read_to_string(file).ok());
    name.map(|name| name.trim().chars().take(190).collect()).unwrap_or_default()
}
