//! Whether the schema that this program needs is really there. Rows of the history of migrations
//! do not tell: PlanetScale copies those after a deploy, or not at all.

use apalis_sea_orm::entity::{attempt, job, queue, rate, worker};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QuerySelect, sea_query::Query};
use thiserror::Error;

use crate::connect::Database;
use crate::errors::{Class, class, sqlx_error};
use crate::{
    events, guards, idempotency, invitations, keys, logins, reconcile, sessions, tombstones, users,
};

/// Why the schema cannot be used.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// A table or column is missing.
    #[error(
        "the database lacks what this version needs ({0}): run `guestlist migrate up`; where that \
         finds nothing to do, the database is of before the first release and is to be made anew"
    )]
    Missing(String),
    /// The database could not be asked.
    #[error("the database is unavailable: {0}")]
    Unavailable(String),
}

impl Database {
    /// Asks every table for every column, and for no row.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        self.check::<users::entity::Entity>().await?;
        self.check::<users::address::Entity>().await?;
        self.check::<invitations::entity::Entity>().await?;
        self.check::<sessions::entity::Entity>().await?;
        self.check::<events::entity::Entity>().await?;
        self.check::<logins::request::Entity>().await?;
        self.check::<logins::link::Entity>().await?;
        self.check::<keys::entity::Entity>().await?;
        self.check::<tombstones::entity::Entity>().await?;
        self.check::<guards::entity::Entity>().await?;
        self.check::<reconcile::entity::Entity>().await?;
        self.check::<idempotency::entity::Entity>().await?;
        self.check::<job::Entity>().await?;
        self.check::<attempt::Entity>().await?;
        self.check::<queue::Entity>().await?;
        self.check::<rate::Entity>().await?;
        self.check::<worker::Entity>().await?;
        // The queue keeps its columns to itself.
        let stats = Query::select().expr(1).from("job_stats").limit(0).take();
        self.read().query_all(&stats).await.map(drop).map_err(|error| schema_error(&error))
    }

    async fn check<E: EntityTrait>(&self) -> Result<(), SchemaError> {
        let nothing = E::find().limit(0).all(self.read()).await;
        nothing.map(drop).map_err(|error| schema_error(&error))
    }
}

fn schema_error(error: &DbErr) -> SchemaError {
    let text = match sqlx_error(error) {
        Some(sqlx::Error::Database(error)) => error.message().to_owned(),
        _ => error.to_string(),
    };
    match class(error) {
        Class::Bug | Class::Conflict => SchemaError::Missing(text),
        Class::Again | Class::Away | Class::ReadOnly | Class::Down | Class::Lost => {
            SchemaError::Unavailable(text)
        }
    }
}
