//! An invitation as a row. `open_email` is the address while it is open, and unique.

use guestlist_domain::{
    DeliveryError, HeldBy, Invitation, InvitationId, InvitationStatus, Name, ReturnTo, StoreError,
    UserId,
};
use jiff::Timestamp;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    sea_query::Expr,
};

use crate::rows::{Update, Versioned};
use crate::values::{ActorColumns, Row, cut, micros};

type Answer<T> = Result<T, StoreError>;

pub(crate) mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "invitations")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub user_id: Uuid,
        pub email: String,
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

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

impl Versioned for Entity {
    const ID: Column = Column::Id;
    const VERSION: Column = Column::Version;
}

impl TryFrom<Model> for Invitation {
    type Error = StoreError;

    fn try_from(model: Model) -> Answer<Self> {
        let row = Row::of("invitations", model.id);
        let inviter = ActorColumns {
            kind: model.invited_by_type,
            id: model.invited_by_id,
            name: model.invited_by_name,
        };
        let error = (model.last_error_code, model.last_error_message, model.last_error_at);
        Ok(Self {
            id: InvitationId(model.id),
            user_id: UserId(model.user_id),
            email: row.email(&model.email)?,
            name: model.name.map(Name::stored),
            role: row.role(&model.role)?,
            metadata: row.metadata(&model.metadata)?,
            return_to: model.return_to.map(ReturnTo::checked),
            invited_by: row.actor("invited_by_type", inviter)?,
            status: row.whole("status", InvitationStatus::parse(&model.status))?,
            delivery: model.delivery,
            attempts: row.whole("attempts", model.attempts.try_into().ok())?,
            next_attempt_at: row.maybe_time("next_attempt_at", model.next_attempt_at)?,
            held_by: held_by(&row, model.held_by.as_deref())?,
            last_error: last_error(&row, error)?,
            in_doubt_since: row.maybe_time("in_doubt_since", model.in_doubt_since)?,
            as_login: model.as_login,
            created_at: row.time("created_at", model.created_at)?,
            resent_at: row.maybe_time("resent_at", model.resent_at)?,
            sent_at: row.maybe_time("sent_at", model.sent_at)?,
            visited_at: row.maybe_time("visited_at", model.visited_at)?,
            accepted_at: row.maybe_time("accepted_at", model.accepted_at)?,
            expires_at: row.time("expires_at", model.expires_at)?,
            version: model.version,
        })
    }
}

fn held_by(row: &Row, word: Option<&str>) -> Answer<Option<HeldBy>> {
    word.map(|word| row.whole("held_by", HeldBy::parse(word))).transpose()
}

fn last_error(
    row: &Row,
    columns: (Option<String>, Option<String>, Option<i64>),
) -> Answer<Option<DeliveryError>> {
    match columns {
        (None, None, None) => Ok(None),
        (Some(code), Some(message), Some(at)) => {
            Ok(Some(DeliveryError { code, message, at: row.time("last_error_at", at)? }))
        }
        _ => row.whole("last_error_code", None),
    }
}

/// What may change in an invitation, as columns.
struct Mutable {
    open_email: Option<String>,
    name: Option<String>,
    metadata: String,
    return_to: Option<String>,
    attempts: i32,
    error_code: Option<String>,
    error_message: Option<String>,
    error_at: Option<i64>,
}

impl From<&Invitation> for Mutable {
    fn from(invitation: &Invitation) -> Self {
        let error = invitation.last_error.as_ref();
        let open = invitation.status.is_open();
        Self {
            open_email: open.then(|| invitation.email.as_str().to_owned()),
            name: invitation.name.as_ref().map(|name| name.as_str().to_owned()),
            metadata: invitation.metadata.to_json(),
            return_to: invitation.return_to.as_ref().map(|place| place.as_str().to_owned()),
            attempts: i32::try_from(invitation.attempts).unwrap_or(i32::MAX),
            error_code: error.map(|error| cut(&error.code, 64)),
            error_message: error.map(|error| cut(&error.message, 4_000)),
            error_at: error.map(|error| micros(error.at)),
        }
    }
}

pub(crate) fn row(invitation: &Invitation) -> ActiveModel {
    let inviter = ActorColumns::from(&invitation.invited_by);
    let mutable = Mutable::from(invitation);
    ActiveModel {
        id: Set(invitation.id.0),
        user_id: Set(invitation.user_id.0),
        email: Set(invitation.email.as_str().to_owned()),
        open_email: Set(mutable.open_email),
        name: Set(mutable.name),
        role: Set(invitation.role.to_string()),
        metadata: Set(mutable.metadata),
        return_to: Set(mutable.return_to),
        invited_by_type: Set(inviter.kind),
        invited_by_id: Set(inviter.id),
        invited_by_name: Set(inviter.name),
        batch_id: NotSet,
        status: Set(invitation.status.to_string()),
        held_by: Set(invitation.held_by.map(|by| by.to_string())),
        delivery: Set(invitation.delivery),
        attempts: Set(mutable.attempts),
        next_attempt_at: Set(invitation.next_attempt_at.map(micros)),
        last_error_code: Set(mutable.error_code),
        last_error_message: Set(mutable.error_message),
        last_error_at: Set(mutable.error_at),
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

/// Whose it is, where it went and who asked stay as they were.
pub(crate) fn update(invitation: &Invitation) -> Update<Column> {
    let mutable = Mutable::from(invitation);
    let time = |time: Option<Timestamp>| Expr::value(time.map(micros));
    let set = vec![
        (Column::OpenEmail, Expr::value(mutable.open_email)),
        (Column::Name, Expr::value(mutable.name)),
        (Column::Role, Expr::value(invitation.role.as_str())),
        (Column::Metadata, Expr::value(mutable.metadata)),
        (Column::ReturnTo, Expr::value(mutable.return_to)),
        (Column::Status, Expr::value(invitation.status.as_str())),
        (Column::Delivery, Expr::value(invitation.delivery)),
        (Column::Attempts, Expr::value(mutable.attempts)),
        (Column::NextAttemptAt, time(invitation.next_attempt_at)),
        (Column::HeldBy, Expr::value(invitation.held_by.map(HeldBy::as_str))),
        (Column::LastErrorCode, Expr::value(mutable.error_code)),
        (Column::LastErrorMessage, Expr::value(mutable.error_message)),
        (Column::LastErrorAt, Expr::value(mutable.error_at)),
        (Column::InDoubtSince, time(invitation.in_doubt_since)),
        (Column::AsLogin, Expr::value(invitation.as_login)),
        (Column::ResentAt, time(invitation.resent_at)),
        (Column::SentAt, time(invitation.sent_at)),
        (Column::VisitedAt, time(invitation.visited_at)),
        (Column::AcceptedAt, time(invitation.accepted_at)),
        (Column::ExpiresAt, Expr::value(micros(invitation.expires_at))),
    ];
    Update { id: invitation.id.0, version: invitation.version, set }
}
