//! Links that were used, claims of links, and requests for login links.

use guestlist_domain::{
    Change, Email, LoginRequest, LoginRequestId, ReturnTo, StoreError, TokenHash, UsedLink, UserId,
};
use jiff::Timestamp;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder,
    QuerySelect, Select,
};

use crate::apply::Refusal;
use crate::rows;
use crate::values::{Row, micros};

pub(crate) mod request {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "login_requests")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub email: String,
        pub ordinal: i64,
        pub return_to: Option<String>,
        pub at: i64,
        pub send_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod link {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "used_links")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub token_hash: Vec<u8>,
        pub user_id: Option<Uuid>,
        pub at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub(crate) mod claim {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "link_claims")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub token_hash: Vec<u8>,
        pub claimed_until: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

impl TryFrom<request::Model> for LoginRequest {
    type Error = StoreError;

    fn try_from(model: request::Model) -> Result<Self, StoreError> {
        let row = Row::of("login_requests", model.id);
        Ok(Self {
            id: LoginRequestId(model.id),
            email: row.email(&model.email)?,
            ordinal: model.ordinal,
            return_to: model.return_to.map(ReturnTo::checked),
            at: row.time("at", model.at)?,
            send_at: row.time("send_at", model.send_at)?,
        })
    }
}

impl TryFrom<link::Model> for UsedLink {
    type Error = StoreError;

    fn try_from(model: link::Model) -> Result<Self, StoreError> {
        // The hash is no secret's twin, but it names none either: the row is known by its time.
        let row = Row::of("used_links", model.at);
        Ok(Self {
            token_hash: TokenHash(row.hash("token_hash", &model.token_hash)?),
            user_id: model.user_id.map(UserId),
            at: row.time("at", model.at)?,
        })
    }
}

pub(crate) async fn write(tx: &DatabaseTransaction, changes: &[&Change]) -> Result<(), Refusal> {
    let mut links: Vec<_> = changes.iter().flat_map(|c| &c.used_links).collect();
    links.sort_by_key(|link| link.token_hash.0);
    rows::insert(tx, links.into_iter().map(link_row).collect()).await?;

    let mut requests: Vec<_> = changes.iter().flat_map(|c| &c.login_requests).collect();
    requests.sort_by_key(|request| request.id);
    rows::insert(tx, requests.into_iter().map(request_row).collect()).await?;
    Ok(())
}

fn link_row(link: &UsedLink) -> link::ActiveModel {
    link::ActiveModel {
        token_hash: Set(link.token_hash.0.to_vec()),
        user_id: Set(link.user_id.map(|id| id.0)),
        at: Set(micros(link.at)),
    }
}

fn request_row(request: &LoginRequest) -> request::ActiveModel {
    request::ActiveModel {
        id: Set(request.id.0),
        email: Set(request.email.as_str().to_owned()),
        ordinal: Set(request.ordinal),
        return_to: Set(request.return_to.as_ref().map(|place| place.as_str().to_owned())),
        at: Set(micros(request.at)),
        send_at: Set(micros(request.send_at)),
    }
}

pub(crate) fn used_link(token: TokenHash) -> Select<link::Entity> {
    link::Entity::find_by_id(token.0.to_vec())
}

pub(crate) fn request(id: LoginRequestId) -> Select<request::Entity> {
    request::Entity::find_by_id(id.0)
}

/// The last askings of an address.
pub(crate) fn requests(email: &Email, limit: u64) -> Select<request::Entity> {
    request::Entity::find()
        .filter(request::Column::Email.eq(email.as_str()))
        .order_by_desc(request::Column::Ordinal)
        .limit(limit)
}

/// A request of an address with a higher ordinal whose mail is due.
pub(crate) fn newer_due_request(
    email: &Email,
    ordinal: i64,
    now: Timestamp,
) -> Select<request::Entity> {
    use request::Column as C;
    request::Entity::find()
        .filter(C::Email.eq(email.as_str()))
        .filter(C::Ordinal.gt(ordinal))
        .filter(C::SendAt.lte(micros(now)))
        .limit(1)
}
