//! Outages: a delayed delivery records one, and an expired one is not sent.

use guestlist_domain::flows::NewInvitation;
use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{EventKind, HeldBy, Invitation, InvitationStatus, Outage};
use serde_json::json;

use crate::support::{Call, JobState, Simulation, errors, mins, secs};

/// Returns time and reason of an invitation's `held` events.
fn held(t: &Simulation, invitation: &Invitation) -> Vec<(jiff::Timestamp, String)> {
    let timeline = t.timeline(invitation).into_iter();
    let held = timeline.filter(|event| event.kind == EventKind::Held);
    held.map(|event| (event.at, event.detail["by"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn a_delivery_delayed_by_an_outage_records_the_hold() {
    let t = Simulation::new();
    let from = t.now();
    t.wait(mins(10));
    let ada = t.invited("ada");
    let due = t.now();
    t.wait(mins(20));
    t.record_outage(HeldBy::ProviderDown, from);

    t.work();

    assert_eq!(t.event_kinds(&ada), ["requested", "held", "attempted", "sent"]);
    let recorded = &t.timeline(&ada)[1];
    assert_eq!(recorded.at, due, "it waited since it was due");
    assert_eq!(
        recorded.detail,
        json!({ "by": "provider_down", "until": format!("{:.3}", t.now()) })
    );
}

#[test]
fn a_hold_starts_with_the_outage() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.wait(secs(1));
    let from = t.now();
    t.wait(mins(1));
    t.record_outage(HeldBy::Misconfigured, from);
    t.wait(secs(1));

    t.work();

    assert_eq!(held(&t, &ada), [(from, "misconfigured".into())]);
}

#[test]
fn an_outage_is_recorded_once() {
    let t = Simulation::new();
    let from = t.now();
    let ada = t.invited("ada");
    t.wait(mins(20));
    t.record_outage(HeldBy::ProviderDown, from);
    t.provider.refuses(Call::SendInvite, 2, &errors::internal());
    t.provider.refuses(Call::SendInvite, 2, &errors::rate_limited(None));

    t.work_for(mins(1));

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(held(&t, &ada), [(from, "provider_down".into()), held(&t, &ada)[1].clone()]);
    assert_eq!(held(&t, &ada)[1].1, "rate_limit");
}

#[test]
fn a_delivery_due_after_the_outage_records_no_hold() {
    let t = Simulation::new();
    let from = t.now();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::rate_limited(Some(mins(1))));
    t.work();
    t.wait(secs(30));
    t.record_outage(HeldBy::ProviderDown, from);
    let bob = t.invited("bob");

    t.work_for(mins(2));

    assert_eq!(t.event_kinds(&ada), ["requested", "held", "attempted", "sent"]);
    assert_eq!(t.event_kinds(&bob), ["requested", "attempted", "sent"]);
}

#[test]
fn an_outage_started_by_the_delivery_is_not_recorded_again() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.provider.refuses(Call::SendInvite, 1, &errors::misconfigured());
    t.work();
    let from = t.now();
    t.wait(mins(5));
    t.record_outage(HeldBy::Misconfigured, from);

    t.work();

    assert_eq!(held(&t, &ada), [(from, "misconfigured".into())]);
    assert_eq!(t.again(&ada).held_by, None);
}

#[test]
fn an_ongoing_outage_is_not_recorded() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let from = t.now();
    t.wait(mins(1));
    *t.outage.lock().unwrap() =
        Some(Outage { from, to: t.now() + secs(1), by: HeldBy::ProviderDown });

    t.work();

    assert_eq!(t.event_kinds(&ada), ["requested", "attempted", "sent"]);
}

#[test]
fn an_invitation_that_expired_during_an_outage_is_not_sent() {
    let t = Simulation::new();
    let short = NewInvitation { expires_in_minutes: Some(10), ..Simulation::invitation_of("ada") };
    let ada = t.invite_as(short).unwrap();
    let from = t.now();
    t.wait(mins(10));
    t.record_outage(HeldBy::ProviderDown, from);

    t.work();
    t.sweep();

    assert_eq!(t.provider.call_count(Call::SendInvite), 0);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
    assert_eq!(t.again(&ada).status, InvitationStatus::Expired);
    assert_eq!(t.event_kinds(&ada), ["requested", "expired"]);
}

#[test]
fn a_revoked_invitation_records_no_outage() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    let from = t.now();
    t.wait(mins(10));
    t.record_outage(HeldBy::ProviderDown, from);
    let in_flight = t.perform_next();
    t.revoke(ada.id).unwrap();

    t.settle(&in_flight).unwrap();

    assert_eq!(t.event_kinds(&ada), ["requested", "revoked", "attempted"]);
}
