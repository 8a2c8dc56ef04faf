//! Opening a link, which consumes nothing: mail scanners open links too.

use guestlist_domain::{InvitationId, InvitationStatus};

use crate::support::{Simulation, days, secs};

#[test]
fn the_first_visit_is_recorded() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.wait(secs(60));
    let first = t.now();
    t.visit(ada.id);
    t.wait(secs(60));

    let seen = t.visit(ada.id).unwrap();

    assert_eq!((seen.visited_at, seen.status), (Some(first), InvitationStatus::Sent));
    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent", "visited"]);
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn a_visit_after_the_end_is_not_recorded() {
    let t = Simulation::new();
    let revoked = t.ended("ada", InvitationStatus::Revoked);
    assert_eq!(t.visit(revoked.id), Some(revoked.clone()));
    assert_eq!(t.again(&revoked).visited_at, None);

    let overdue = t.sent("bob");
    t.wait(days(7));
    t.visit(overdue.id);
    assert_eq!(t.again(&overdue).visited_at, None);
}

#[test]
fn a_new_links_first_visit_is_recorded() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.visit(ada.id);
    t.resend(ada.id).unwrap();
    assert_eq!(t.again(&ada).visited_at, None);

    t.visit(ada.id);

    assert_eq!(t.event_kinds(&ada)[3..], ["visited", "resent", "visited"]);
}

#[test]
fn an_unknown_invitations_visit_returns_nothing() {
    let t = Simulation::new();
    assert_eq!(t.visit(InvitationId(t.ctx.ids.next())), None);
}
