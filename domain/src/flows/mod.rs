//! What happens when somebody asks for something: one file each. Every flow reads, decides in
//! pure code, and hands over a change.

mod accept;
mod configured_admin;
mod deliver;
mod invite;
mod keys;
mod link;
mod login;
mod operate;
mod outcome;
mod provider;
mod reconcile;
mod resend;
mod revoke;
mod sessions;
mod subject;
mod sweep;
mod users;
mod visit;

pub use accept::{
    Browser, LoggedIn, RedeemError, RedeemLink, end_replaced_session, find_redemption, redeem_link,
    used_link_return_to,
};
pub use configured_admin::bootstrap_login_address;
pub use deliver::{DeliveryReport, SendInvitation};
pub use invite::{InviteError, NewInvitation, check_invite, invite};
pub use keys::{create_key, revoke_key};
pub use link::{ClaimedLink, authenticate_link, check_link, claim_link, release_link};
pub use login::{
    LoginReport, RequestLoginError, SendLoginLink, request_login, request_login_unlimited,
};
pub use operate::{
    JobOperationError, authorize_job_cancellation, authorize_job_retry, cancel_job, dismiss_job,
    pause_queue, resume_queue, retry_job,
};
pub use provider::{RevokeInvitation, RevokeSession};
pub use reconcile::{
    CheckIdentity, Reconcile, ReconcileError, ReconcileOptions, WebhookOutcome,
    handle_identity_webhook, reconcile, schedule_reconciliation,
};
pub use resend::{ResendError, resend};
pub use revoke::{RevokeError, revoke};
pub use sessions::{
    Credentials, EndAllError, SessionError, VerifiedSession, check_session, end_all_sessions,
    end_other_sessions, end_session, log_out,
};
pub use sweep::{Sweep, Swept, schedule_sweep};
pub use users::{
    AddUserError, ChangeUserError, ChangedUser, DeleteIdentity, NewUser, RemoveUserError,
    UserChange, add_user, change_user, privileged_invitations_by, remove_user,
};
pub use visit::record_visit;
