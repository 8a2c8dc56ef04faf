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

pub use accept::{AcceptError, Browser, CameIn, Press, end_replaced, led_to, let_in, recorded};
pub use configured_admin::address_to_log_in;
pub use deliver::{DeliveryReport, SendInvite};
pub use invite::{InviteError, NewInvitation, could_invite, invite};
pub use keys::{create_key, revoke_key};
pub use link::{ClaimedLink, authenticate_link, check_link, claim_link, release_link};
pub use login::{LoginError, LoginReport, SendLogin, request_login, request_login_unlimited};
pub use operate::{
    OperateError, can_retry_job, can_withdraw_job, cancel_job, dismiss_job, pause_queue,
    resume_queue, retry_job,
};
pub use provider::{RevokeInvite, RevokeSession};
pub use reconcile::{
    CheckIdentity, Heard, Manner, Reconcile, ReconcileError, hear, reconcile,
    schedule_reconciliation,
};
pub use resend::{ResendError, resend};
pub use revoke::{RevokeError, revoke};
pub use sessions::{
    Admitted, Credentials, EndAllError, SessionError, check_session, end_all_sessions,
    end_other_sessions, end_session, log_out,
};
pub use sweep::{Sweep, Swept, schedule_sweep};
pub use users::{
    AddUserError, ChangeUserError, ChangedUser, DeleteUser, NewUser, RemoveUserError, UserChange,
    add_user, change_user, privileged_invitations_by, remove_user,
};
pub use visit::visit;
