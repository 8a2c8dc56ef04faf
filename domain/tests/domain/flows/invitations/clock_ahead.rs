//! Rows written by a process whose clock was ahead.

use guestlist_domain::flows::InvitationError;
use guestlist_domain::jobs::{SendInvitation, SendLoginLink};

use crate::support::{Simulation, hours, secs};

/// Runs code with a clock two hours ahead.
fn ahead(t: &Simulation, does: impl FnOnce(&Simulation)) {
    t.wait(hours(2));
    does(t);
    t.clock.set_back(hours(2));
}

#[test]
fn a_login_request_dated_in_the_future_does_not_count_towards_the_limit() {
    let t = Simulation::new();
    t.logged_in("ada");
    ahead(&t, |t| (0..5).for_each(|_| t.log_in("ada").unwrap()));

    t.log_in("ada").unwrap();

    assert_eq!(t.jobs::<SendLoginLink>().last().unwrap().run_at, t.now());
    // Later requests count as usual.
    (0..4).for_each(|_| t.log_in("ada").unwrap());
    t.log_in("ada").unwrap_err();
}

#[test]
fn an_invitation_resent_in_the_future_can_be_resent_now() {
    let t = Simulation::new();
    let ada = t.invited("ada");
    t.work();
    ahead(&t, |t| {
        t.resend(ada.id).unwrap();
        t.work();
    });

    t.resend(ada.id).unwrap();

    assert_eq!(t.job::<SendInvitation>().run_at, t.now());
    assert!(matches!(t.resend(ada.id), Err(InvitationError::TooSoon(wait)) if wait == secs(30)));
}
