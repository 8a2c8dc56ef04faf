//! Opening a link, which consumes nothing: mail scanners open links too.

use guestlist_domain::{EventKind, Invitation, InvitationId, InvitationStatus};

use crate::support::{Simulation, days, secs};

/// Returns who opened the link, by the events of its visits.
fn visitors(t: &Simulation, invitation: &Invitation) -> Vec<String> {
    let events = t.timeline(invitation).into_iter();
    let visits = events.filter(|event| event.kind == EventKind::Visited);
    visits.map(|visit| visit.detail["by"].as_str().unwrap().to_owned()).collect()
}

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

#[test]
fn a_browser_that_follows_a_scanner_is_recorded_once() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.wait(secs(2));
    let scanned = t.now();
    t.visit(ada.id);
    t.visit(ada.id);
    t.wait(secs(60));
    t.visit_with(ada.id, Some("curl/8"));
    t.visit_with(ada.id, None);
    assert_eq!(visitors(&t, &ada), ["scanner"]);

    t.visit(ada.id);
    t.visit(ada.id);

    assert_eq!(visitors(&t, &ada), ["scanner", "browser"]);
    assert_eq!(t.again(&ada).visited_at, Some(scanned));
}

#[test]
fn a_scanner_that_follows_a_browser_is_not_recorded() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.wait(secs(60));
    t.visit(ada.id);
    t.visit_with(ada.id, Some("curl/8"));
    assert_eq!(visitors(&t, &ada), ["browser"]);
}

#[test]
fn a_browser_is_recorded_for_each_link() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.wait(secs(60));
    t.visit(ada.id);
    t.resend(ada.id).unwrap();
    t.work();
    t.wait(secs(1));
    t.visit_with(ada.id, None);
    t.wait(secs(60));
    t.visit(ada.id);
    assert_eq!(visitors(&t, &ada), ["browser", "scanner", "browser"]);
}

#[test]
fn a_client_without_a_name_is_unknown() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.wait(secs(60));
    t.visit_with(ada.id, None);
    assert_eq!(visitors(&t, &ada), ["unknown"]);
}
