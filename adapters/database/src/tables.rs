//! The tables: the row type of each, and its mapping to the domain type. Tables with few columns are
//! in this file.

pub(crate) mod api_keys;
pub(crate) mod columns;
pub(crate) mod events;
pub(crate) mod invitations;
pub(crate) mod login_requests;
pub(crate) mod reconciliations;
pub(crate) mod sessions;
pub(crate) mod users;

/// What every table uses.
mod prelude {
    pub(super) use guestlist_domain::StoreError;
    pub(super) use sea_orm::ActiveValue::Set;
    pub(super) use sea_orm::entity::prelude::*;

    pub(super) use super::columns::{Columns, Relation, RowReader, micros};
}

/// The address of each user: its primary key makes addresses unique, also where `users` is sharded
/// by id.
pub(crate) mod user_emails {
    use guestlist_domain::User;

    use super::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "user_emails")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub email: String,
        pub user_id: Uuid,
    }

    impl ActiveModelBehavior for ActiveModel {}

    pub(crate) fn row(user: &User) -> ActiveModel {
        ActiveModel { email: Set(user.email.as_str().to_owned()), user_id: Set(user.id.0) }
    }
}

/// Deleted users, by their id at the identity provider.
pub(crate) mod tombstones {
    use guestlist_domain::{Tombstone, UserId};

    use super::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tombstones")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub provider_user_id: String,
        pub user_id: Uuid,
        pub at: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl TryFrom<Columns<'_, Entity>> for Tombstone {
        type Error = StoreError;

        fn try_from(mut columns: Columns<'_, Entity>) -> Result<Self, StoreError> {
            let provider_user_id: String = columns.next()?;
            let row = RowReader::new("tombstones", &provider_user_id);
            let user_id = UserId(columns.next()?);
            let at = row.time("at", columns.next()?)?;
            Ok(Self { provider_user_id, user_id, at })
        }
    }

    pub(crate) fn row(tombstone: &Tombstone) -> ActiveModel {
        ActiveModel {
            provider_user_id: Set(tombstone.provider_user_id.clone()),
            user_id: Set(tombstone.user_id.0),
            at: Set(micros(tombstone.at)),
        }
    }
}

/// Hashes of the addresses of deleted users.
pub(crate) mod removed_addresses {
    use guestlist_domain::RemovedAddress;

    use super::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "removed_addresses")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hash: Vec<u8>,
    }

    impl ActiveModelBehavior for ActiveModel {}

    pub(crate) fn row(address: &RemovedAddress) -> ActiveModel {
        ActiveModel { hash: Set(address.0.to_vec()) }
    }
}

/// Links that were used, by the hash of their token.
pub(crate) mod used_links {
    use guestlist_domain::{TokenHash, UsedLink, UserId};

    use super::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "used_links")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub token_hash: Vec<u8>,
        pub user_id: Option<Uuid>,
        pub at: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}

    impl TryFrom<Columns<'_, Entity>> for UsedLink {
        type Error = StoreError;

        fn try_from(mut columns: Columns<'_, Entity>) -> Result<Self, StoreError> {
            let (token_hash, user_id, at) = (columns.next()?, columns.next()?, columns.next()?);
            // An error identifies the row by its time, so that no hash of a token is logged.
            let row = RowReader::new("used_links", at);
            Ok(Self {
                token_hash: TokenHash(row.hash("token_hash", token_hash)?),
                user_id: Option::map(user_id, UserId),
                at: row.time("at", at)?,
            })
        }
    }

    pub(crate) fn row(link: &UsedLink) -> ActiveModel {
        ActiveModel {
            token_hash: Set(link.token_hash.0.to_vec()),
            user_id: Set(link.user_id.map(|id| id.0)),
            at: Set(micros(link.at)),
        }
    }
}

/// Claims on links that are being authenticated, by the hash of their token.
pub(crate) mod link_claims {
    use super::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "link_claims")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub token_hash: Vec<u8>,
        pub claimed_until: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// Guards: counters that make two concurrent changes conflict which write no row in common.
pub(crate) mod guards {
    use super::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "guards")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub version: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}

    /// Returns the first row of a guard.
    pub(crate) fn first_row(name: &str) -> ActiveModel {
        ActiveModel { name: Set(name.to_owned()), version: Set(1) }
    }
}

/// Idempotency keys and the responses to their requests.
pub(crate) mod idempotency_keys {
    use super::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency_keys")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key_hash: Vec<u8>,
        pub request_hash: Vec<u8>,
        /// [`RUNNING`] or [`DONE`].
        pub state: String,
        pub lease_until: i64,
        pub status: Option<i16>,
        pub headers: Option<String>,
        pub content: Option<String>,
        pub created_at: i64,
    }

    impl ActiveModelBehavior for ActiveModel {}

    pub(crate) const RUNNING: &str = "running";
    pub(crate) const DONE: &str = "done";
}
