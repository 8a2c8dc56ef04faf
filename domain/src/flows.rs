//! Use cases, one in each file. Every flow reads, decides in pure code, and applies a change; after a
//! conflict it starts over.

mod add_user;
mod api_keys;
mod authenticate_link;
mod bootstrap_admin;
mod change_user;
mod check_session;
mod end_sessions;
mod identity_webhook;
mod invite;
mod operate_delivery;
mod operate_jobs;
mod pause_queue;
mod privileged_invitations;
mod reconcile;
mod record_visit;
mod redeem_link;
mod remove_user;
mod request_login;
mod resend;
mod revoke;

pub use self::add_user::{AddUserError, NewUser, add_user};
pub use self::api_keys::{create_key, revoke_key};
pub use self::authenticate_link::{
    ClaimedLink, authenticate_link, check_link, claim_link, release_link,
};
pub use self::bootstrap_admin::bootstrap_login_address;
pub(crate) use self::bootstrap_admin::bootstrap_permission;
pub use self::change_user::{ChangeUserError, UserChange, change_user};
pub use self::check_session::{Credentials, SessionError, VerifiedSession, check_session};
pub use self::end_sessions::{
    EndAllError, end_all_sessions, end_other_sessions, end_session, log_out,
};
pub use self::identity_webhook::{WebhookOutcome, handle_identity_webhook};
pub(crate) use self::invite::expire_invitation;
pub use self::invite::{InviteError, NewInvitation, check_invite, invite};
pub use self::operate_jobs::{
    JobOperationError, authorize_job_cancellation, authorize_job_retry, cancel_job, dismiss_job,
    retry_job,
};
pub use self::pause_queue::{pause_queue, resume_queue};
pub use self::privileged_invitations::{ChangedUser, privileged_invitations_by};
pub use self::reconcile::{ReconcileError, ReconcileOptions, reconcile};
pub(crate) use self::reconcile::{compare, compare_and_repair, reconciliation_change, repair};
pub use self::record_visit::record_visit;
pub use self::redeem_link::{
    Browser, LoggedIn, RedeemError, RedeemLink, end_replaced_session, find_redemption, redeem_link,
    used_link_return_to,
};
pub use self::remove_user::{RemoveUserError, remove_user};
pub use self::request_login::{RequestLoginError, request_login, request_login_unlimited};
pub(crate) use self::resend::resend_change;
pub use self::resend::{ResendError, resend};
pub use self::revoke::{RevokeError, revoke};
pub use crate::jobs::{
    CheckIdentity, DeleteIdentity, DeliveryReport, LoginReport, Reconcile, RevokeInvitation,
    RevokeSession, SendInvitation, SendLoginLink, Sweep, Swept, schedule_reconciliation,
    schedule_sweep,
};
