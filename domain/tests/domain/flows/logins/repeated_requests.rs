//! Repeated login requests while nothing can be sent: only the last is answered.

use guestlist_domain::QueueName;
use guestlist_domain::flows::RequestLoginError;
use guestlist_domain::jobs::SendLoginLink;

use crate::support::{Call, JobState, MailKind, Simulation, errors, mins, secs};

/// Requests a link several times, a minute apart, during an outage.
fn asks_during_an_outage(t: &Simulation, name: &str, times: usize) {
    t.provider.fail_all(errors::unreachable());
    for _ in 0..times {
        t.log_in(name).unwrap();
        t.work_for(mins(1));
    }
    t.provider.recover();
}

#[test]
fn four_requests_during_an_outage_send_one_mail() {
    let t = Simulation::new();
    t.logged_in("ada");
    asks_during_an_outage(&t, "ada", 4);

    t.work_for(mins(30));

    assert_eq!(t.mail_kinds("ada"), [MailKind::Invitation, MailKind::Login]);
    assert!(t.jobs::<SendLoginLink>().iter().all(|row| row.state == JobState::Done));
    assert!(t.redeem(&t.link("ada")).is_ok());
}

#[test]
fn four_requests_in_a_paused_queue_send_one_mail() {
    for name in ["ada", "unknown"] {
        let t = Simulation::new();
        t.logged_in("ada");
        t.pause(QueueName::Login).unwrap();
        for _ in 0..4 {
            t.log_in(name).unwrap();
            t.wait(mins(1));
        }
        t.resume(QueueName::Login).unwrap();

        t.work();

        assert_eq!(t.provider.call_count(Call::SendLogin), usize::from(name == "ada"));
        let login_jobs = t.jobs::<SendLoginLink>();
        assert_eq!(login_jobs.len(), 4, "{name}");
        assert!(login_jobs.iter().all(|row| row.state == JobState::Done && row.attempts == 1));
    }
}

#[test]
fn requests_during_an_outage_count_towards_the_limit_of_known_and_unknown_addresses() {
    let t = Simulation::new();
    t.logged_in("known");
    for name in ["known", "unknown"] {
        asks_during_an_outage(&t, name, 4);
        t.work_for(mins(6));

        t.log_in(name).unwrap();

        let refused = t.log_in(name);
        assert!(
            matches!(refused, Err(RequestLoginError::RateLimited(wait)) if wait == mins(50)),
            "{name}"
        );
    }
}

#[test]
fn four_requests_during_an_outage_resend_an_invitation_once() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.pause(QueueName::Login).unwrap();
    for _ in 0..4 {
        t.log_in("ada").unwrap();
        t.wait(mins(1));
    }
    t.resume(QueueName::Login).unwrap();

    t.work_for(mins(1));

    assert_eq!(t.event_kinds(&ada)[3..], ["resent", "attempted", "sent"]);
    assert_eq!(t.inbox("ada").len(), 2);
}

#[test]
fn the_newest_due_request_is_answered_even_if_a_newer_one_is_due_soon() {
    let t = Simulation::new();
    t.logged_in("ada");
    (0..3).for_each(|_| t.log_in("ada").unwrap());
    t.wait(secs(1));

    t.work();
    assert_eq!(t.provider.call_count(Call::SendLogin), 1, "one mail a second");

    t.work_for(secs(1));
    assert_eq!(t.provider.call_count(Call::SendLogin), 2);
}

#[test]
fn a_request_for_another_address_suppresses_no_mail() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.logged_in("bob");
    t.log_in("ada").unwrap();
    t.log_in("bob").unwrap();

    t.work();

    assert_eq!((t.inbox("ada").len(), t.inbox("bob").len()), (2, 2));
}
