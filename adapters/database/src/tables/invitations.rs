//! Invitations.

use guestlist_domain::{
    DeliveryError, HeldBy, Invitation, InvitationId, InvitationStatus, Name, ReturnTo, Update,
    UserId,
};
use sea_orm::ActiveValue::NotSet;

use super::columns::{ActorColumns, RowUpdate, Versioned, changed_columns, truncate};
use super::prelude::*;
use crate::error::StoreResult;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub user_id: Uuid,
    pub email: String,
    /// The address while the invitation is open: its unique index allows one open invitation per
    /// address.
    pub open_email: Option<String>,
    pub name: Option<String>,
    pub role: String,
    pub metadata: String,
    pub return_to: Option<String>,
    pub invited_by_type: String,
    pub invited_by_id: Option<Uuid>,
    pub invited_by_name: Option<String>,
    pub batch_id: Option<Uuid>,
    pub status: String,
    pub held_by: Option<String>,
    pub delivery: i32,
    pub attempts: i32,
    pub next_attempt_at: Option<i64>,
    pub last_error_code: Option<String>,
    pub last_error_message: Option<String>,
    pub last_error_at: Option<i64>,
    pub in_doubt_since: Option<i64>,
    pub as_login: bool,
    pub created_at: i64,
    pub resent_at: Option<i64>,
    pub sent_at: Option<i64>,
    pub visited_at: Option<i64>,
    pub accepted_at: Option<i64>,
    pub expires_at: i64,
    pub version: i64,
}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Entity {
    const ID: Column = Column::Id;
    const VERSION: Column = Column::Version;
}

impl TryFrom<Columns<'_, Entity>> for Invitation {
    type Error = StoreError;

    fn try_from(mut columns: Columns<'_, Entity>) -> Result<Self, StoreError> {
        let id = columns.next()?;
        let row = RowReader::new("invitations", id);
        let user_id = UserId(columns.next()?);
        let email = row.email(columns.next()?)?;
        // `open_email`, which follows from the status.
        columns.skip(1);
        let name = columns.next::<Option<_>>()?.map(Name::stored);
        let role = row.role(columns.next()?)?;
        let metadata = row.metadata(columns.next()?)?;
        let return_to = columns.next::<Option<_>>()?.map(ReturnTo::checked);
        let invited_by = row.actor("invited_by_type", ActorColumns::read(&mut columns)?)?;
        // `batch_id`.
        columns.skip(1);
        Ok(Self {
            id: InvitationId(id),
            user_id,
            email,
            name,
            role,
            metadata,
            return_to,
            invited_by,
            status: row.require("status", InvitationStatus::parse(columns.next()?))?,
            held_by: held_by(&row, columns.next()?)?,
            delivery: columns.next()?,
            attempts: row.require("attempts", columns.next::<i32>()?.try_into().ok())?,
            next_attempt_at: row.optional_time("next_attempt_at", columns.next()?)?,
            last_error: last_error(&row, (columns.next()?, columns.next()?, columns.next()?))?,
            in_doubt_since: row.optional_time("in_doubt_since", columns.next()?)?,
            as_login: columns.next()?,
            created_at: row.time("created_at", columns.next()?)?,
            resent_at: row.optional_time("resent_at", columns.next()?)?,
            sent_at: row.optional_time("sent_at", columns.next()?)?,
            visited_at: row.optional_time("visited_at", columns.next()?)?,
            accepted_at: row.optional_time("accepted_at", columns.next()?)?,
            expires_at: row.time("expires_at", columns.next()?)?,
            version: columns.next()?,
        })
    }
}

fn held_by(row: &RowReader<Uuid>, word: Option<&str>) -> StoreResult<Option<HeldBy>> {
    word.map(|word| row.require("held_by", HeldBy::parse(word))).transpose()
}

fn last_error(
    row: &RowReader<Uuid>,
    columns: (Option<String>, Option<String>, Option<i64>),
) -> StoreResult<Option<DeliveryError>> {
    match columns {
        (None, None, None) => Ok(None),
        (Some(code), Some(message), Some(at)) => {
            Ok(Some(DeliveryError { code, message, at: row.time("last_error_at", at)? }))
        }
        _ => row.require("last_error_code", None),
    }
}

pub(crate) fn row(invitation: &Invitation) -> ActiveModel {
    let inviter = ActorColumns::from(&invitation.invited_by);
    let error = invitation.last_error.as_ref();
    let open = invitation.status.is_open();
    ActiveModel {
        id: Set(invitation.id.0),
        user_id: Set(invitation.user_id.0),
        email: Set(invitation.email.as_str().to_owned()),
        open_email: Set(open.then(|| invitation.email.as_str().to_owned())),
        name: Set(invitation.name.as_ref().map(|name| name.as_str().to_owned())),
        role: Set(invitation.role.to_string()),
        metadata: Set(invitation.metadata.to_json()),
        return_to: Set(invitation.return_to.as_ref().map(|url| url.as_str().to_owned())),
        invited_by_type: Set(inviter.kind),
        invited_by_id: Set(inviter.id),
        invited_by_name: Set(inviter.name),
        batch_id: NotSet,
        status: Set(invitation.status.to_string()),
        held_by: Set(invitation.held_by.map(|by| by.to_string())),
        delivery: Set(invitation.delivery),
        attempts: Set(i32::try_from(invitation.attempts).unwrap_or(i32::MAX)),
        next_attempt_at: Set(invitation.next_attempt_at.map(micros)),
        last_error_code: Set(error.map(|error| truncate(&error.code, 64))),
        last_error_message: Set(error.map(|error| truncate(&error.message, 4_000))),
        last_error_at: Set(error.map(|error| micros(error.at))),
        in_doubt_since: Set(invitation.in_doubt_since.map(micros)),
        as_login: Set(invitation.as_login),
        created_at: Set(micros(invitation.created_at)),
        resent_at: Set(invitation.resent_at.map(micros)),
        sent_at: Set(invitation.sent_at.map(micros)),
        visited_at: Set(invitation.visited_at.map(micros)),
        accepted_at: Set(invitation.accepted_at.map(micros)),
        expires_at: Set(micros(invitation.expires_at)),
        version: Set(invitation.version),
    }
}

pub(crate) fn update(Update { before, after }: &Update<Invitation>) -> RowUpdate<Column> {
    let written = ActiveModel { version: NotSet, ..row(after) };
    let set = changed_columns(row(before), written);
    RowUpdate { id: before.id.0, version: before.version, set }
}
