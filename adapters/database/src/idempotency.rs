//! Answers kept for `Idempotency-Key`, so that a request that comes twice is done once. The HTTP
//! layer uses it around a request: begin, then finish or abandon.

use std::time::Duration;

use guestlist_domain::{CLOCK_TOLERANCE, StoreError};
use jiff::Timestamp;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};

use crate::connect::Database;
use crate::errors::{Class, class, store_error};
use crate::retry::{Tries, repeat};
use crate::values::{Row, micros};

type Answer<T> = Result<T, StoreError>;

/// For how long an answer is given again.
pub const KEPT: Duration = Duration::from_hours(24);

const RUNNING: &str = "running";
const DONE: &str = "done";

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency_keys")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key_hash: Vec<u8>,
        pub request_hash: Vec<u8>,
        pub state: String,
        pub lease_until: i64,
        pub status: Option<i16>,
        pub headers: Option<String>,
        pub content: Option<String>,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnswer {
    /// The HTTP status.
    pub status: u16,
    /// Names and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub content: String,
}

/// The right to answer a request. It ends by itself, so that a crash frees the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    key_hash: [u8; 32],
    until: i64,
}

/// How a request stands with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is the first, or those before it were abandoned: do it.
    Fresh(Lease),
    /// It was done: give this answer again.
    Replay(StoredAnswer),
    /// The first one is still being done.
    InUse,
    /// The key was used for another request.
    Mismatch,
}

/// The size of the row that [`check_room`] writes, in bytes: more than an ordinary transaction.
const ROOM: usize = 256 * 1024;

/// Writes and deletes a large row, to find out whether the disk has room again. No request has its
/// key, which is not a hash; a row that is left behind is old enough to be swept.
pub(crate) async fn check_room(database: &Database) -> Result<(), DbErr> {
    let key = vec![0; 32];
    let row = ActiveModel {
        key_hash: Set(key.clone()),
        request_hash: Set(key.clone()),
        state: Set(DONE.to_owned()),
        lease_until: Set(0),
        status: NotSet,
        headers: NotSet,
        content: Set(Some("x".repeat(ROOM))),
        created_at: Set(0),
    };
    match Entity::insert(row).exec_without_returning(database.write()).await {
        Err(error) if class(&error) != Class::Conflict => return Err(error),
        // Another process has just written it.
        _ => {}
    }
    Entity::delete_by_id(key).exec(database.write()).await.map(drop)
}

/// Claims a key for a request.
pub async fn begin(
    database: &Database,
    key_hash: [u8; 32],
    request_hash: [u8; 32],
    now: Timestamp,
    lease: Duration,
) -> Answer<Begun> {
    let request = Request { key_hash, content_hash: request_hash, now, until: micros(now + lease) };
    let mut repeated = false;
    // The row that is in the way may go away before it is read: then there is none.
    for _ in 0..3 {
        if request.insert(database, &mut repeated).await.map_err(store_error)? {
            return Ok(request.fresh());
        }
        let row = Entity::find_by_id(key_hash.to_vec()).one(database.write()).await;
        match row.map_err(store_error)? {
            // Inserted by an earlier try, whose answer was lost.
            Some(model) if repeated && request.wrote(&model) => return Ok(request.fresh()),
            Some(model) => return request.meet(database, model).await,
            None => {}
        }
    }
    Ok(Begun::InUse)
}

/// Keeps the answer, unless the lease ended and another request has the key.
pub async fn finish(database: &Database, lease: Lease, answer: &StoredAnswer) -> Answer<()> {
    let headers = serde_json::json!(answer.headers).to_string();
    let status = i16::try_from(answer.status).unwrap_or(i16::MAX);
    let update = Entity::update_many()
        .col_expr(Column::State, Expr::value(DONE))
        .col_expr(Column::Status, Expr::value(status))
        .col_expr(Column::Headers, Expr::value(headers))
        .col_expr(Column::Content, Expr::value(answer.content.as_str()))
        .filter(held(lease));
    repeat(|| update.clone().exec(database.write())).await.map(drop).map_err(store_error)
}

/// Frees the key: nothing was done.
pub async fn abandon(database: &Database, lease: Lease) -> Answer<()> {
    let delete = Entity::delete_many().filter(held(lease));
    repeat(|| delete.clone().exec(database.write())).await.map(drop).map_err(store_error)
}

fn held(lease: Lease) -> Condition {
    Condition::all()
        .add(Column::KeyHash.eq(lease.key_hash.to_vec()))
        .add(Column::State.eq(RUNNING))
        .add(Column::LeaseUntil.eq(lease.until))
}

struct Request {
    key_hash: [u8; 32],
    content_hash: [u8; 32],
    now: Timestamp,
    until: i64,
}

impl Request {
    fn fresh(&self) -> Begun {
        Begun::Fresh(Lease { key_hash: self.key_hash, until: self.until })
    }

    /// Inserts the row, or says that there is one. An insert whose connection was lost is `repeated`,
    /// so that the row may be its own.
    async fn insert(&self, database: &Database, repeated: &mut bool) -> Result<bool, DbErr> {
        let mut tries = Tries::new();
        loop {
            let error = match self.insert_once(database).await {
                Ok(()) => return Ok(true),
                Err(error) => error,
            };
            match class(&error) {
                Class::Conflict => return Ok(false),
                class if tries.again(class).await => *repeated = true,
                _ => return Err(error),
            }
        }
    }

    fn wrote(&self, model: &Model) -> bool {
        let is_same = model.request_hash == self.content_hash && model.lease_until == self.until;
        is_same && model.state == RUNNING
    }

    async fn insert_once(&self, database: &Database) -> Result<(), DbErr> {
        let row = ActiveModel {
            key_hash: Set(self.key_hash.to_vec()),
            request_hash: Set(self.content_hash.to_vec()),
            state: Set(RUNNING.to_owned()),
            lease_until: Set(self.until),
            status: NotSet,
            headers: NotSet,
            content: NotSet,
            created_at: Set(micros(self.now)),
        };
        Entity::insert(row).exec_without_returning(database.write()).await.map(drop)
    }

    /// There is a row of that key already.
    async fn meet(&self, database: &Database, model: Model) -> Answer<Begun> {
        let running = model.state == RUNNING;
        if model.created_at <= micros(self.now - KEPT) {
            return self.take_over(database, &model).await;
        }
        if model.request_hash != self.content_hash {
            return Ok(Begun::Mismatch);
        }
        match running {
            true if self.is_in_use(&model) => Ok(Begun::InUse),
            true => self.take_over(database, &model).await,
            false => Ok(Begun::Replay(answer(model)?)),
        }
    }

    /// Whether the lease of a running request lasts: not if it was given in the future, by a
    /// process whose clock was ahead, for then it would last for as long as that.
    fn is_in_use(&self, model: &Model) -> bool {
        let latest = micros(self.now + CLOCK_TOLERANCE);
        micros(self.now) < model.lease_until && model.created_at <= latest
    }

    /// Takes a key whose lease or time ended; of two that try, one gets it.
    async fn take_over(&self, database: &Database, model: &Model) -> Answer<Begun> {
        let taken = Entity::update_many()
            .col_expr(Column::RequestHash, Expr::value(self.content_hash.to_vec()))
            .col_expr(Column::State, Expr::value(RUNNING))
            .col_expr(Column::LeaseUntil, Expr::value(self.until))
            .col_expr(Column::CreatedAt, Expr::value(micros(self.now)))
            .filter(Column::KeyHash.eq(self.key_hash.to_vec()))
            .filter(Column::State.eq(model.state.as_str()))
            .filter(Column::LeaseUntil.eq(model.lease_until))
            .exec(database.write())
            .await
            .map_err(store_error)?;
        Ok(if taken.rows_affected == 1 { self.fresh() } else { Begun::InUse })
    }
}

fn answer(model: Model) -> Answer<StoredAnswer> {
    let row = Row::of("idempotency_keys", model.created_at);
    let status = model.status.and_then(|status| status.try_into().ok());
    let headers = model.headers.as_deref().map(serde_json::from_str);
    Ok(StoredAnswer {
        status: row.whole("status", status)?,
        headers: row.whole("headers", headers.and_then(Result::ok))?,
        content: row.whole("content", model.content)?,
    })
}
