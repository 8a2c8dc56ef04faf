//! Problems of managing invitations, users and jobs.

use guestlist_domain::flows::{
    AddUserError, ChangeUserError, EndAllError, InviteError, JobOperationError, RemoveUserError,
    ResendError, RevokeError,
};
use guestlist_domain::{InvitationId, UserId};
use serde_json::json;

use super::{Code, Problem};

impl Problem {
    fn already_invited(id: InvitationId) -> Self {
        let detail = "The address has an open invitation. Resend it, or revoke it first.";
        Self::new(Code::AlreadyInvited, detail).with("invitation_id", json!(id))
    }

    fn already_member(user: UserId, is_suspended: bool) -> Self {
        let detail = if is_suspended {
            "The address belongs to a suspended user. Reactivate the user instead."
        } else {
            "The address belongs to a user already."
        };
        Self::new(Code::AlreadyMember, detail).with("user_id", json!(user))
    }

    fn address_of_deleted_user() -> Self {
        let detail = "The address belongs to a user who is being deleted. Try again once that is \
                      done.";
        Self::new(Code::UserDeleting, detail)
    }

    /// Creates the problem of an operation on a job that is allowed in these states only.
    pub fn job(error: JobOperationError, allowed_states: &str) -> Self {
        match error {
            JobOperationError::NotFound => Self::not_found("job"),
            JobOperationError::WrongState(state) => {
                let detail = format!("The job is {state}. Allowed states: {allowed_states}.");
                Self::new(Code::WrongState, detail).with("state", json!(state.as_str()))
            }
            JobOperationError::Superseded => Code::JobSuperseded.into(),
            JobOperationError::Forbidden => Code::RoleNotGrantable.into(),
            JobOperationError::Erasure => Code::ErasureNotCancellable.into(),
            JobOperationError::Store(error) => error.into(),
        }
    }
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::AlreadyInvited(id) => Self::already_invited(id),
            InviteError::AlreadyMember { user, is_suspended } => {
                Self::already_member(user, is_suspended)
            }
            InviteError::BeingRemoved => Self::address_of_deleted_user(),
            InviteError::Forbidden => Code::RoleNotGrantable.into(),
            InviteError::Store(error) => error.into(),
        }
    }
}

impl From<ResendError> for Problem {
    fn from(error: ResendError) -> Self {
        match error {
            ResendError::NotFound => Self::not_found("invitation"),
            ResendError::Closed => Code::InvitationClosed.into(),
            ResendError::Forbidden => Code::RoleNotGrantable.into(),
            ResendError::AlreadyInvited(id) => Self::already_invited(id),
            ResendError::TooSoon(wait) => Self::too_many(Code::ResentTooSoon, wait),
            ResendError::Store(error) => error.into(),
        }
    }
}

impl From<RevokeError> for Problem {
    fn from(error: RevokeError) -> Self {
        match error {
            RevokeError::NotFound => Self::not_found("invitation"),
            RevokeError::Closed => Code::InvitationClosed.into(),
            RevokeError::Forbidden => Code::RoleNotGrantable.into(),
            RevokeError::Store(error) => error.into(),
        }
    }
}

impl From<AddUserError> for Problem {
    fn from(error: AddUserError) -> Self {
        match error {
            AddUserError::AlreadyInvited(id) => Self::already_invited(id),
            AddUserError::AlreadyMember { user, is_suspended } => {
                Self::already_member(user, is_suspended)
            }
            AddUserError::BeingRemoved => Self::address_of_deleted_user(),
            AddUserError::Forbidden => Code::RoleNotGrantable.into(),
            AddUserError::Store(error) => error.into(),
        }
    }
}

impl From<ChangeUserError> for Problem {
    fn from(error: ChangeUserError) -> Self {
        match error {
            ChangeUserError::NotFound => Self::not_found("user"),
            ChangeUserError::OnlyInvited => Code::UserInvited.into(),
            ChangeUserError::BeingRemoved => Code::UserDeleting.into(),
            ChangeUserError::LastAdmin => Code::LastAdmin.into(),
            ChangeUserError::Forbidden => Code::RoleNotGrantable.into(),
            ChangeUserError::Store(error) => error.into(),
        }
    }
}

impl From<RemoveUserError> for Problem {
    fn from(error: RemoveUserError) -> Self {
        match error {
            RemoveUserError::NotFound => Self::not_found("user"),
            RemoveUserError::LastAdmin => Code::LastAdmin.into(),
            RemoveUserError::Forbidden => Code::RoleNotGrantable.into(),
            RemoveUserError::Store(error) => error.into(),
        }
    }
}

impl From<EndAllError> for Problem {
    fn from(error: EndAllError) -> Self {
        match error {
            EndAllError::NotFound => Self::not_found("user"),
            EndAllError::Forbidden => Code::RoleNotGrantable.into(),
            EndAllError::Store(error) => error.into(),
        }
    }
}
