//! Users, their sessions, and who did what.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use crate::http::audit::list_audit;
use crate::http::idempotency::Idempotent;
use crate::http::openapi::Told;
use crate::http::paging::Paged;
use crate::http::problem::Code;
use crate::http::sessions::{end_other_sessions, end_user_sessions, list_user_sessions};
use crate::http::state::App;
use crate::http::users::{add_user, change_user, delete_user, get_user, list_users};
use crate::http::view::{AuditView, ChangedUserView, Revoked, SessionView, UserView};

type User = UserView<'static>;
type Changed = ChangedUserView<'static>;

/// The routes under `/v1`.
pub fn routes() -> ApiRouter<App> {
    people()
        .api_route(
            "/users/{id}/sessions",
            get_with(list_user_sessions, |op| {
                op.told("list_user_sessions", "See where a user is logged in").answers::<200, Paged<
                    SessionView<'static>,
                >>(
                    "A page of live sessions.",
                )
            })
            .delete_with(end_user_sessions, |op| {
                op.told("end_user_sessions", "End all sessions of a user")
                    .answers_plainly::<204>(None, "They are refused from now on, everywhere.")
                    .refuses(&[Code::RoleNotGrantable])
            }),
        )
        .api_route(
            "/sessions/revoke-others",
            post_with(Idempotent(end_other_sessions), |op| {
                op.told("end_other_sessions", "End all my sessions but this one")
                    .answers::<200, Revoked>("How many there were.")
            }),
        )
        .api_route(
            "/audit",
            get_with(list_audit, |op| {
                op.told("list_audit", "See who did what to whom, and from where")
                    .description("For administrators, and keys without scopes.")
                    .answers::<200, Paged<AuditView<'static>>>("A page, the newest first.")
            }),
        )
}

fn people() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/users",
            post_with(Idempotent(add_user), |op| {
                op.told("add_user", "Add somebody without a mail")
                    .description("They may ask for a login link from now on.")
                    .answers::<201, User>("The user.")
                    .located::<201>()
                    .refuses(&[
                        Code::AlreadyInvited,
                        Code::AlreadyMember,
                        Code::UserDeleting,
                        Code::RoleNotGrantable,
                    ])
            })
            .get_with(list_users, |op| {
                op.told("list_users", "See users, the newest first")
                    .answers::<200, Paged<User>>("A page.")
            }),
        )
        .api_route(
            "/users/{id}",
            get_with(get_user, |op| {
                op.told("get_user", "See a user").answers::<200, User>("The user.")
            })
            .patch_with(change_user, |op| {
                op.told("change_user", "Change a user")
                    .description(
                        "Suspending and demoting end their sessions at once. What is not sent \
                         stays as it is; `metadata` is replaced as a whole. Suspending or \
                         demoting an administrator also revokes the open invitations with a role \
                         above `member` that they have sent.",
                    )
                    .answers::<200, Changed>("The user as they are now.")
                    .refuses(&[
                        Code::RoleNotGrantable,
                        Code::LastAdmin,
                        Code::UserInvited,
                        Code::UserDeleting,
                    ])
            })
            .delete_with(delete_user, |op| {
                op.told("delete_user", "Remove a user")
                    .description(
                        "Ends their sessions at once. The worker deletes them at Stytch, then \
                         here; until then they are `deleting`. The address can then be invited \
                         again. The open invitations with a role above `member` that they have \
                         sent are revoked.",
                    )
                    .answers::<202, Changed>("The user, `deleting`.")
                    .refuses(&[Code::LastAdmin, Code::RoleNotGrantable])
            }),
        )
}
