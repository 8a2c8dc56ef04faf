//! Limits of login requests per address.

use std::time::Duration;

use guestlist_domain::flows::{RequestLoginError, request_login_unlimited};
use guestlist_domain::jobs::SendLoginLink;
use guestlist_domain::{Limit, LoginRequestId};

use crate::support::{Link, Simulation, at, block_on, hours, mins, place, secs};

#[test]
fn the_sixth_request_in_an_hour_is_limited_with_a_wait() {
    let t = Simulation::new();
    t.logged_in("known");
    for name in ["known", "unknown"] {
        for _ in 0..5 {
            t.log_in(name).unwrap();
            t.wait(mins(4));
        }

        let refused = t.log_in(name);

        assert!(
            matches!(refused, Err(RequestLoginError::RateLimited(wait)) if wait == mins(40)),
            "{name}"
        );
    }
}

#[test]
fn a_refused_request_does_not_count() {
    let t =
        Simulation::with_policy(|policy| policy.login_limit = Limit { count: 1, per: mins(10) });
    t.log_in("ada").unwrap();
    t.wait(mins(9));
    t.log_in("ada").unwrap_err();
    assert_eq!(t.jobs::<SendLoginLink>().len(), 1);

    t.wait(mins(1));

    assert!(t.log_in("ada").is_ok(), "the hour is counted from what was granted");
}

#[test]
fn each_request_stops_counting_after_an_hour() {
    let t = Simulation::new();
    for _ in 0..5 {
        t.log_in("ada").unwrap();
        t.wait(mins(10));
    }
    assert!(
        matches!(t.log_in("ada"), Err(RequestLoginError::RateLimited(wait)) if wait == mins(10))
    );
    t.wait(mins(10).saturating_sub(secs(1)));
    assert!(
        matches!(t.log_in("ada"), Err(RequestLoginError::RateLimited(wait)) if wait == secs(1))
    );

    t.wait(secs(1));

    t.log_in("ada").unwrap();
    assert!(
        matches!(t.log_in("ada"), Err(RequestLoginError::RateLimited(wait)) if wait == mins(10))
    );
}

#[test]
fn limits_are_per_address() {
    let t = Simulation::new();
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    assert!(t.log_in("ADA@example.com").is_err());
    assert!(t.log_in("bob").is_ok());
}

#[test]
fn two_concurrent_requests_cannot_both_be_the_last_one() {
    let t = Simulation::new();
    (0..4).for_each(|_| t.log_in("ada").unwrap());
    let other = t.clone();
    t.store.run_before_next_apply(move || other.log_in("ada").unwrap());

    let refused = t.log_in("ada");

    assert!(matches!(refused, Err(RequestLoginError::RateLimited(wait)) if wait == hours(1)));
    assert_eq!(t.jobs::<SendLoginLink>().len(), 5);
}

#[test]
fn an_unlimited_request_ignores_the_limit() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    (0..5).for_each(|_| t.log_in("root").unwrap());

    let id: LoginRequestId = block_on(request_login_unlimited(&t.ctx, &at("root"), None)).unwrap();

    let tables = t.store.tables();
    let row = tables.login_requests.iter().find(|request| request.id == id).unwrap();
    assert_eq!((row.ordinal, &row.return_to), (6, &None));
}

#[test]
fn swept_requests_do_not_count() {
    let t = Simulation::new();
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    t.work();
    t.wait(hours(25));
    t.sweep();
    assert!(t.store.tables().login_requests.is_empty());

    (0..5).for_each(|_| t.log_in("ada").unwrap());
    assert!(t.log_in("ada").is_err());
}

/// Requests a link whenever the limit permits, for a time. Returns the number of requests.
fn request_when_permitted(t: &Simulation, name: &str, length: Duration) -> usize {
    let end = t.now() + length;
    let mut count = 0;
    while t.now() < end {
        match t.log_in(name) {
            Ok(()) => count += 1,
            Err(RequestLoginError::RateLimited(wait)) => t.wait(wait),
            Err(error) => panic!("{error}"),
        }
    }
    count
}

#[test]
fn an_address_at_its_limit_gets_one_link_per_link_lifetime_whether_known_or_not() {
    let t = Simulation::new();
    t.logged_in("known");
    for name in ["known", "unknown"] {
        // Five in the first hour and five in the second, then one per hour.
        assert_eq!(request_when_permitted(&t, name, hours(24)), 10 + 22, "{name}");
        assert_eq!(request_when_permitted(&t, name, hours(24 * 9)), 24 * 9, "{name}");
    }
}

#[test]
fn an_attacker_cannot_leave_the_owner_without_a_working_link() {
    let t = Simulation::new();
    t.logged_in("ada");
    let end = t.now() + hours(48);
    let mut refusals = 0;
    while t.now() < end {
        // The attacker uses up the limit.
        while t.log_in("ada").is_ok() {
            t.work_for(secs(2));
        }
        // The owner is refused, and has a working link.
        assert!(
            matches!(t.log_in("ada"), Err(RequestLoginError::RateLimited(wait)) if wait <= hours(1))
        );
        refusals += 1;
        assert_eq!(t.link_state("ada"), Link::Outstanding);
        assert!(t.redeem(&t.link("ada")).is_ok(), "at {}", t.now());
        t.wait(mins(61));
    }
    assert!(refusals > 40, "{refusals}");
}

#[test]
fn an_address_whose_last_link_expired_can_always_request_another() {
    let day = hours(24);
    for limit in [Limit { count: 1, per: day }, Limit { count: 5, per: hours(1) }] {
        let t = Simulation::with_policy(|policy| policy.login_limit = limit);
        t.logged_in("ada");
        for _ in 0..30 {
            while t.log_in("ada").is_ok() {}
            t.work_for(mins(1));
            t.wait(hours(1).saturating_sub(mins(1)));
            t.log_in("ada").unwrap();
            let mails = t.inbox("ada").len();
            t.work_for(mins(1));
            assert!(t.inbox("ada").len() > mails);
        }
    }
}

#[test]
fn below_the_limit_several_links_can_be_requested() {
    let t = Simulation::new();
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    let refused = t.log_in("ada");
    assert!(matches!(refused, Err(RequestLoginError::RateLimited(wait)) if wait == hours(1)));
}

#[test]
fn a_login_does_not_change_the_visible_limit() {
    let t = Simulation::new();
    t.logged_in("ada");
    for name in ["ada", "unknown"] {
        (0..5).for_each(|_| t.log_in(name).unwrap());
    }
    t.work_for(secs(5));
    let seen = |name: &str| match t.log_in(name) {
        Err(RequestLoginError::RateLimited(wait)) => wait,
        other => panic!("{name}: {other:?}"),
    };
    t.redeem(&t.link("ada")).unwrap();
    for _ in 0..5 {
        assert_eq!(seen("ada"), seen("unknown"));
        t.wait(mins(10));
    }
}

#[test]
fn requests_dated_ahead_by_a_wrong_clock_do_not_count() {
    let t = Simulation::new();
    t.logged_in("ada");
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    for request in &mut t.store.tables().login_requests {
        request.at += hours(48);
        request.send_at += hours(48);
    }
    assert!(t.log_in("ada").is_ok());
    let id: LoginRequestId = block_on(request_login_unlimited(&t.ctx, &at("ada"), None)).unwrap();
    let tables = t.store.tables();
    let row = tables.login_requests.iter().find(|request| request.id == id).unwrap();
    assert!(row.send_at <= t.now() + mins(1), "the mail is not put off by two days");
}

#[test]
fn an_unlimited_burst_delays_no_mail_for_long() {
    let t = Simulation::new();
    t.logged_in("ada");
    for _ in 0..1000 {
        block_on(request_login_unlimited(&t.ctx, &at("ada"), None)).unwrap();
    }
    let before = t.inbox("ada").len();
    t.work_for(mins(2));
    let mails = t.inbox("ada").len() - before;
    assert!((1..=31).contains(&mails), "{mails}");
}

#[test]
fn an_unlimited_flood_is_mailed_at_most_once_a_second() {
    let t = Simulation::new();
    t.logged_in("ada");
    let before = t.inbox("ada").len();
    for _ in 0..60 * 20 {
        block_on(request_login_unlimited(&t.ctx, &at("ada"), None)).unwrap();
        t.work();
        t.wait(Duration::from_millis(50));
    }
    let mails = t.inbox("ada").len() - before;
    assert!((20..=61).contains(&mails), "{mails} mails in a minute");
}

#[test]
fn a_delayed_mail_is_sent_despite_a_concurrent_login() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.log_in("ada").unwrap();
    t.work();
    let before = t.inbox("ada").len();
    t.log_in("ada").unwrap();
    t.redeem(&t.link("ada")).unwrap();
    t.work_for(secs(5));
    assert_eq!(t.inbox("ada").len(), before + 1);
}

#[test]
fn a_second_link_returns_to_the_same_target() {
    let t = Simulation::new();
    t.logged_in("ada");
    t.log_in_to("ada", place("/engines")).unwrap();
    t.log_in_to("ada", place("/engines")).unwrap();
    t.work_for(secs(2));
    let links: Vec<_> = t.inbox("ada").into_iter().rev().take(2).map(|mail| mail.token).collect();
    for link in links {
        assert_eq!(t.redeem(&link).unwrap().return_to, Some(place("/engines")));
    }
}
