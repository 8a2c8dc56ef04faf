//! What was written by a process whose clock was ahead, before that was corrected.

use guestlist_domain::flows::{ResendError, SendInvitation, SendLoginLink};

use crate::support::{House, hours, secs};

/// Does something two hours ahead of everybody else.
fn ahead(t: &House, does: impl FnOnce(&House)) {
    t.wait(hours(2));
    does(t);
    t.clock.set_back(hours(2));
}

#[test]
fn a_login_link_that_was_asked_for_in_the_future_counts_for_no_limit() {
    let t = House::new();
    t.came_in("ada");
    ahead(&t, |t| (0..5).for_each(|_| t.log_in("ada").unwrap()));

    t.log_in("ada").unwrap();

    assert_eq!(t.jobs::<SendLoginLink>().last().unwrap().run_at, t.now());
    // From then on they are counted as ever.
    (0..4).for_each(|_| t.log_in("ada").unwrap());
    t.log_in("ada").unwrap_err();
}

#[test]
fn an_invitation_that_was_sent_again_in_the_future_can_be_sent_again_now() {
    let t = House::new();
    let ada = t.invited("ada");
    t.work();
    ahead(&t, |t| {
        t.resend(ada.id).unwrap();
        t.work();
    });

    t.resend(ada.id).unwrap();

    assert_eq!(t.job::<SendInvitation>().run_at, t.now());
    assert!(matches!(t.resend(ada.id), Err(ResendError::TooSoon(wait)) if wait == secs(30)));
}
