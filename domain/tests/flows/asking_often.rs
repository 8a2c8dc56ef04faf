//! Somebody asks for a login link again and again while nothing can be sent: they wait for the
//! last.

use guestlist_domain::QueueName;
use guestlist_domain::flows::{RequestLoginError, SendLoginLink};

use crate::support::{Call, House, JobState, MailKind, errors, mins, secs};

/// Asks so often, a minute apart, while nobody can be called.
fn asks_during_an_outage(t: &House, who: &str, times: usize) {
    t.stytch.is_down(errors::unreachable());
    for _ in 0..times {
        t.log_in(who).unwrap();
        t.work_for(mins(1));
    }
    t.stytch.heals();
}

#[test]
fn four_askings_over_an_outage_bring_one_mail() {
    let t = House::new();
    t.came_in("ada");
    asks_during_an_outage(&t, "ada", 4);

    t.work_for(mins(30));

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
    assert!(t.jobs::<SendLoginLink>().iter().all(|row| row.state == JobState::Done));
    assert!(t.press(&t.link("ada")).is_ok());
}

#[test]
fn four_askings_that_waited_in_the_queue_bring_one_mail() {
    for who in ["ada", "unknown"] {
        let t = House::new();
        t.came_in("ada");
        t.pause(QueueName::Login).unwrap();
        for _ in 0..4 {
            t.log_in(who).unwrap();
            t.wait(mins(1));
        }
        t.resume(QueueName::Login).unwrap();

        t.work();

        assert_eq!(t.stytch.was_asked(Call::SendLogin), usize::from(who == "ada"));
        let askings = t.jobs::<SendLoginLink>();
        assert_eq!(askings.len(), 4, "{who}");
        assert!(askings.iter().all(|row| row.state == JobState::Done && row.attempts == 1));
    }
}

#[test]
fn what_an_outage_swallowed_counts_towards_the_limit_known_or_not() {
    let t = House::new();
    t.came_in("known");
    for who in ["known", "unknown"] {
        asks_during_an_outage(&t, who, 4);
        t.work_for(mins(6));

        t.log_in(who).unwrap();

        let refused = t.log_in(who);
        assert!(
            matches!(refused, Err(RequestLoginError::RateLimited(wait)) if wait == mins(50)),
            "{who}"
        );
    }
}

#[test]
fn four_askings_over_an_outage_send_an_invitation_again_once() {
    let t = House::new();
    let ada = t.sent("ada");
    t.pause(QueueName::Login).unwrap();
    for _ in 0..4 {
        t.log_in("ada").unwrap();
        t.wait(mins(1));
    }
    t.resume(QueueName::Login).unwrap();

    t.work_for(mins(1));

    assert_eq!(t.story(&ada)[3..], ["resent", "attempted", "sent"]);
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn of_the_askings_that_are_due_the_last_is_answered_though_another_is_due_soon() {
    let t = House::new();
    t.came_in("ada");
    (0..3).for_each(|_| t.log_in("ada").unwrap());
    t.wait(secs(1));

    t.work();
    assert_eq!(t.stytch.was_asked(Call::SendLogin), 1, "one mail a second");

    t.work_for(secs(1));
    assert_eq!(t.stytch.was_asked(Call::SendLogin), 2);
}

#[test]
fn an_asking_of_another_address_swallows_nobodys_mail() {
    let t = House::new();
    t.came_in("ada");
    t.came_in("bob");
    t.log_in("ada").unwrap();
    t.log_in("bob").unwrap();

    t.work();

    assert_eq!((t.inbox("ada").len(), t.inbox("bob").len()), (2, 2));
}
