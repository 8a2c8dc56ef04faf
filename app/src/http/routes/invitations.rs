//! Invitations.

use aide::axum::ApiRouter;
use aide::axum::routing::{get_with, post_with};

use crate::http::idempotency::Idempotent;
use crate::http::invitations::{
    create_invitation, get_invitation, list_invitation_events, list_invitations, resend_invitation,
    revoke_invitation,
};
use crate::http::openapi::Told;
use crate::http::paging::{All, Paged};
use crate::http::problem::Code;
use crate::http::state::App;
use crate::http::view::{EventView, InvitationView};

type Invitation = InvitationView<'static>;

/// The routes under `/v1`.
pub fn routes() -> ApiRouter<App> {
    ApiRouter::new()
        .api_route(
            "/invitations",
            post_with(Idempotent(create_invitation), |op| {
                op.told("create_invitation", "Invite somebody")
                    .description(
                        "Writes the user, the invitation and the job that sends the mail in one \
                         commit, and answers at once. The mail follows; see the invitation's \
                         `status` and its events.",
                    )
                    .answers::<202, Invitation>("The invitation, queued.")
                    .located::<202>()
                    .refuses(&[
                        Code::AlreadyInvited,
                        Code::AlreadyMember,
                        Code::UserDeleting,
                        Code::RoleNotGrantable,
                    ])
            })
            .get_with(list_invitations, |op| {
                op.told("list_invitations", "See invitations, the newest first")
                    .answers::<200, Paged<Invitation>>("A page.")
            }),
        )
        .api_route(
            "/invitations/{id}",
            get_with(get_invitation, |op| {
                op.told("get_invitation", "See an invitation")
                    .answers::<200, Invitation>("The invitation.")
            }),
        )
        .api_route(
            "/invitations/{id}/events",
            get_with(list_invitation_events, |op| {
                op.told("list_invitation_events", "See what became of an invitation")
                    .answers::<200, All<EventView<'static>>>("Its timeline, the oldest first.")
            }),
        )
        .api_route(
            "/invitations/{id}/resend",
            post_with(Idempotent(resend_invitation), |op| {
                op.told("resend_invitation", "Send it again, with a new link and a new end")
                    .answers::<202, Invitation>("The invitation, queued again.")
                    .refuses(&[
                        Code::InvitationClosed,
                        Code::AlreadyInvited,
                        Code::ResentTooSoon,
                        Code::RoleNotGrantable,
                    ])
            }),
        )
        .api_route(
            "/invitations/{id}/revoke",
            post_with(Idempotent(revoke_invitation), |op| {
                op.told("revoke_invitation", "Take it back, for good")
                    .description("Its link is refused from now on, here and at Stytch.")
                    .answers::<200, Invitation>("The invitation, revoked.")
                    .refuses(&[Code::InvitationClosed, Code::RoleNotGrantable])
            }),
        )
}
