//! Requests for login links.

use guestlist_domain::{LoginRequest, LoginRequestId, ReturnTo};

use super::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "login_requests")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: String,
    /// The request's number among those of its address.
    pub ordinal: i64,
    pub return_to: Option<String>,
    pub at: i64,
    pub send_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for LoginRequest {
    type Error = StoreError;

    fn try_from(model: Model) -> Result<Self, StoreError> {
        let row = RowReader::new("login_requests", model.id);
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

pub(crate) fn row(request: &LoginRequest) -> ActiveModel {
    ActiveModel {
        id: Set(request.id.0),
        email: Set(request.email.as_str().to_owned()),
        ordinal: Set(request.ordinal),
        return_to: Set(request.return_to.as_ref().map(|url| url.as_str().to_owned())),
        at: Set(micros(request.at)),
        send_at: Set(micros(request.send_at)),
    }
}
