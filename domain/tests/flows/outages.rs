//! Workers called nobody for a while: what waited says so once, and what is over by then is not
//! sent late.

use guestlist_domain::flows::{NewInvitation, SendInvitation};
use guestlist_domain::{EventKind, HeldBy, Invitation, InvitationStatus, Outage};
use serde_json::json;

use crate::support::{Call, House, JobState, errors, mins, secs};

/// The `held` events of an invitation: when, by what.
fn held(t: &House, invitation: &Invitation) -> Vec<(jiff::Timestamp, String)> {
    let timeline = t.timeline(invitation).into_iter();
    let held = timeline.filter(|event| event.kind == EventKind::Held);
    held.map(|event| (event.at, event.detail["by"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn what_waited_out_an_outage_tells_so_before_its_call() {
    let t = House::new();
    let from = t.now();
    t.wait(mins(10));
    let ada = t.invited("ada");
    let due = t.now();
    t.wait(mins(20));
    t.has_waited_out(HeldBy::ProviderDown, from);

    t.work();

    assert_eq!(t.story(&ada), ["requested", "held", "attempted", "sent"]);
    let told = &t.timeline(&ada)[1];
    assert_eq!(told.at, due, "it waited since it was due");
    assert_eq!(told.detail, json!({ "by": "provider_down", "until": format!("{:.3}", t.now()) }));
}

#[test]
fn what_was_due_before_the_outage_waited_since_it_began() {
    let t = House::new();
    let ada = t.invited("ada");
    t.wait(secs(1));
    let from = t.now();
    t.wait(mins(1));
    t.has_waited_out(HeldBy::Misconfigured, from);
    t.wait(secs(1));

    t.work();

    assert_eq!(held(&t, &ada), [(from, "misconfigured".into())]);
}

#[test]
fn an_outage_is_told_once() {
    let t = House::new();
    let from = t.now();
    let ada = t.invited("ada");
    t.wait(mins(20));
    t.has_waited_out(HeldBy::ProviderDown, from);
    t.stytch.refuses(Call::SendInvite, 2, &errors::internal());
    t.stytch.refuses(Call::SendInvite, 2, &errors::rate_limited(None));

    t.work_for(mins(1));

    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    assert_eq!(held(&t, &ada), [(from, "provider_down".into()), held(&t, &ada)[1].clone()]);
    assert_eq!(held(&t, &ada)[1].1, "rate_limit");
}

#[test]
fn whoever_was_not_due_before_its_end_has_not_waited() {
    let t = House::new();
    let from = t.now();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::rate_limited(Some(mins(1))));
    t.work();
    t.wait(secs(30));
    t.has_waited_out(HeldBy::ProviderDown, from);
    let bob = t.invited("bob");

    t.work_for(mins(2));

    assert_eq!(t.story(&ada), ["requested", "held", "attempted", "sent"]);
    assert_eq!(t.story(&bob), ["requested", "attempted", "sent"]);
}

#[test]
fn an_outage_that_began_with_its_own_call_is_told_already() {
    let t = House::new();
    let ada = t.invited("ada");
    t.stytch.refuses(Call::SendInvite, 1, &errors::misconfigured());
    t.work();
    let from = t.now();
    t.wait(mins(5));
    t.has_waited_out(HeldBy::Misconfigured, from);

    t.work();

    assert_eq!(held(&t, &ada), [(from, "misconfigured".into())]);
    assert_eq!(t.again(&ada).held_by, None);
}

#[test]
fn an_outage_that_is_not_over_is_not_told() {
    let t = House::new();
    let ada = t.invited("ada");
    let from = t.now();
    t.wait(mins(1));
    *t.outage.lock().unwrap() =
        Some(Outage { from, to: t.now() + secs(1), by: HeldBy::ProviderDown });

    t.work();

    assert_eq!(t.story(&ada), ["requested", "attempted", "sent"]);
}

#[test]
fn what_expired_during_an_outage_is_not_sent_late() {
    let t = House::new();
    let short = NewInvitation { expires_in_minutes: Some(10), ..House::asking("ada") };
    let ada = t.invite_as(short).unwrap();
    let from = t.now();
    t.wait(mins(10));
    t.has_waited_out(HeldBy::ProviderDown, from);

    t.work();
    t.sweep();

    assert_eq!(t.stytch.was_asked(Call::SendInvite), 0);
    assert_eq!(t.job::<SendInvitation>().state, JobState::Done);
    assert_eq!(t.again(&ada).status, InvitationStatus::Expired);
    assert_eq!(t.story(&ada), ["requested", "expired"]);
}

#[test]
fn a_revoked_invitation_tells_of_no_outage() {
    let t = House::new();
    let ada = t.invited("ada");
    let from = t.now();
    t.wait(mins(10));
    t.has_waited_out(HeldBy::ProviderDown, from);
    let in_flight = t.begin();
    t.revoke(ada.id).unwrap();

    t.settle(&in_flight).unwrap();

    assert_eq!(t.story(&ada), ["requested", "revoked", "attempted"]);
}
