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

impl TryFrom<Columns<'_, Entity>> for LoginRequest {
    type Error = StoreError;

    fn try_from(mut columns: Columns<'_, Entity>) -> Result<Self, StoreError> {
        let id = columns.next()?;
        let row = RowReader::new("login_requests", id);
        Ok(Self {
            id: LoginRequestId(id),
            email: row.email(columns.next()?)?,
            ordinal: columns.next()?,
            return_to: columns.next::<Option<_>>()?.map(ReturnTo::checked),
            at: row.time("at", columns.next()?)?,
            send_at: row.time("send_at", columns.next()?)?,
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
