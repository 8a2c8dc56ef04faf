//! Use cases, one in each file. Every flow reads, decides in pure code, and applies a change; after a
//! conflict it starts over.

mod api_keys;
mod authenticate_link;
mod bootstrap_admin;
mod check_session;
mod end_sessions;
mod identity_webhook;
mod invitations;
mod invite;
mod queue;
mod reconcile;
mod record_visit;
mod redeem_link;
mod request_login;
mod users;

pub use self::api_keys::{create_key, revoke_key};
pub use self::authenticate_link::{
    ClaimedLink, RedeemError, authenticate_link, check_link, claim_link, release_link,
    used_link_return_to,
};
pub use self::bootstrap_admin::bootstrap_login_address;
pub(crate) use self::bootstrap_admin::bootstrap_permission;
pub use self::check_session::{Credentials, SessionError, VerifiedSession, check_session};
pub use self::end_sessions::{end_other_sessions, end_replaced_session, end_session, log_out};
pub use self::identity_webhook::{WebhookOutcome, handle_identity_webhook};
pub(crate) use self::invitations::resend_change;
pub use self::invitations::{InvitationError, resend, revoke};
pub(crate) use self::invite::expire_invitation;
pub use self::invite::{InviteError, NewInvitation, check_invite, invite};
pub use self::queue::{
    JobOperationError, authorize_job_cancellation, authorize_job_retry, cancel_job, dismiss_job,
    pause_queue, resume_queue, retry_job,
};
pub use self::reconcile::{ReconcileError, ReconcileOptions, reconcile};
pub(crate) use self::reconcile::{compare_and_repair, known_users, reconciliation_change, repair};
pub use self::record_visit::record_visit;
pub use self::redeem_link::{Browser, LoggedIn, RedeemLink, find_redemption, redeem_link};
pub use self::request_login::{RequestLoginError, request_login, request_login_unlimited};
pub use self::users::{
    ChangedUser, NewUser, UserChange, UserError, add_user, change_user, end_all_sessions,
    privileged_invitations_by, remove_user,
};
