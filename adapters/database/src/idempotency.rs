//! Responses to requests with an `Idempotency-Key`, so that a repeated request is executed once.
//!
//! The HTTP layer calls [`acquire`] before a request, and [`complete`] or [`release`] after it.

use std::time::Duration;

use guestlist_domain::CLOCK_TOLERANCE;
use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, sea_query::Expr,
};

use crate::connect::Database;
use crate::error::{ErrorClass, StoreResult, classify, store_error};
use crate::retry::{Retry, retry};
use crate::tables::columns::{RowReader, micros};
use crate::tables::idempotency_keys::{ActiveModel, Column, DONE, Entity, Model, RUNNING};

/// How long a response is replayed.
pub const RETENTION: Duration = Duration::from_hours(24);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResponse {
    pub status: u16,
    /// Names and values, in their order.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// The right to execute a request. It expires, so that a crash does not block the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLease {
    key_hash: [u8; 32],
    until: i64,
}

/// The state of a key when a request arrives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyState {
    /// The key is new, or was released or expired: the request is to be executed.
    Acquired(KeyLease),
    /// The request was executed: this is its response.
    Completed(StoredResponse),
    /// An earlier request with the key is still being executed.
    InUse,
    /// The key was used for a different request.
    Mismatch,
}

/// Acquires a key for a request, or returns its state.
pub async fn acquire(
    database: &Database,
    key_hash: [u8; 32],
    request_hash: [u8; 32],
    now: Timestamp,
    lease: Duration,
) -> StoreResult<KeyState> {
    let request = Request { key_hash, content_hash: request_hash, now, until: micros(now + lease) };
    let mut repeated = false;
    // The row that an INSERT conflicts with may be deleted before it is read.
    for _ in 0..3 {
        if request.insert(database, &mut repeated).await.map_err(store_error)? {
            return Ok(request.acquired());
        }
        let row = Entity::find_by_id(key_hash.to_vec()).one(database.write()).await;
        match row.map_err(store_error)? {
            // Inserted by an earlier attempt, whose result is unknown.
            Some(model) if repeated && request.inserted(&model) => return Ok(request.acquired()),
            Some(model) => return request.with_existing(database, model).await,
            None => {}
        }
    }
    Ok(KeyState::InUse)
}

/// Stores the response, unless the lease has expired and another request holds the key.
pub async fn complete(
    database: &Database,
    lease: KeyLease,
    response: &StoredResponse,
) -> StoreResult<()> {
    let headers = serde_json::json!(response.headers).to_string();
    let status = i16::try_from(response.status).unwrap_or(i16::MAX);
    let update = Entity::update_many()
        .col_expr(Column::State, Expr::value(DONE))
        .col_expr(Column::Status, Expr::value(status))
        .col_expr(Column::Headers, Expr::value(headers))
        .col_expr(Column::Content, Expr::value(response.body.as_str()))
        .filter(holds_lease(lease));
    retry(|| update.clone().exec(database.write())).await.map(drop).map_err(store_error)
}

/// Releases the key: a repeated request is executed.
pub async fn release(database: &Database, lease: KeyLease) -> StoreResult<()> {
    let delete = Entity::delete_many().filter(holds_lease(lease));
    retry(|| delete.clone().exec(database.write())).await.map(drop).map_err(store_error)
}

fn holds_lease(lease: KeyLease) -> Condition {
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
    fn acquired(&self) -> KeyState {
        KeyState::Acquired(KeyLease { key_hash: self.key_hash, until: self.until })
    }

    /// Inserts the row. Returns false if there is one. Sets `repeated` after an attempt whose result
    /// is unknown, since the existing row may then be its own.
    async fn insert(&self, database: &Database, repeated: &mut bool) -> Result<bool, DbErr> {
        let mut retry = Retry::new();
        loop {
            match self.insert_once(database).await {
                Ok(()) => return Ok(true),
                Err(error) if classify(&error) == ErrorClass::UniqueViolation => return Ok(false),
                Err(error) if retry.wait(classify(&error)).await => *repeated = true,
                Err(error) => return Err(error),
            }
        }
    }

    fn inserted(&self, model: &Model) -> bool {
        let is_same = model.request_hash == self.content_hash && model.lease_until == self.until;
        is_same && model.state == RUNNING
    }

    async fn insert_once(&self, database: &Database) -> Result<(), DbErr> {
        let row = ActiveModel {
            key_hash: Set(self.key_hash.to_vec()),
            request_hash: Set(self.content_hash.to_vec()),
            state: Set(RUNNING.to_owned()),
            lease_until: Set(self.until),
            created_at: Set(micros(self.now)),
            ..ActiveModel::default()
        };
        Entity::insert(row).exec_without_returning(database.write()).await.map(drop)
    }

    async fn with_existing(&self, database: &Database, model: Model) -> StoreResult<KeyState> {
        let running = model.state == RUNNING;
        if model.created_at <= micros(self.now - RETENTION) {
            return self.take_over(database, &model).await;
        }
        if model.request_hash != self.content_hash {
            return Ok(KeyState::Mismatch);
        }
        match running {
            true if self.is_in_use(&model) => Ok(KeyState::InUse),
            true => self.take_over(database, &model).await,
            false => Ok(KeyState::Completed(stored_response(model)?)),
        }
    }

    /// Returns whether the lease of a running request is valid. A lease that was created in the
    /// future, by a process whose clock was ahead, is not: it would last too long.
    fn is_in_use(&self, model: &Model) -> bool {
        let latest = micros(self.now + CLOCK_TOLERANCE);
        micros(self.now) < model.lease_until && model.created_at <= latest
    }

    /// Takes over a key whose lease or retention has expired. Of two concurrent requests one gets it.
    async fn take_over(&self, database: &Database, model: &Model) -> StoreResult<KeyState> {
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
        Ok(if taken.rows_affected == 1 { self.acquired() } else { KeyState::InUse })
    }
}

fn stored_response(model: Model) -> StoreResult<StoredResponse> {
    let row = RowReader::new("idempotency_keys", model.created_at);
    let status = model.status.and_then(|status| status.try_into().ok());
    let headers = model.headers.as_deref().map(serde_json::from_str);
    Ok(StoredResponse {
        status: row.require("status", status)?,
        headers: row.require("headers", headers.and_then(Result::ok))?,
        body: row.require("content", model.content)?,
    })
}
