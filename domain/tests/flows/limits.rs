//! How often an address may ask for a login link.

use std::time::Duration;

use guestlist_domain::flows::{LoginError, SendLogin, request_login_unlimited};
use guestlist_domain::{Limit, LoginRequestId};

use crate::support::{House, at, at_once, hours, mins, place, secs};

#[test]
fn the_sixth_asking_in_an_hour_is_too_many_and_says_how_long_to_wait() {
    let t = House::new();
    t.came_in("known");
    for who in ["known", "unknown"] {
        for _ in 0..5 {
            t.log_in(who).unwrap();
            t.wait(mins(4));
        }

        let refused = t.log_in(who);

        assert!(matches!(refused, Err(LoginError::TooOften(wait)) if wait == mins(40)), "{who}");
    }
}

#[test]
fn a_refused_asking_costs_nothing() {
    let t = House::under(|policy| policy.login_limit = Limit { count: 1, per: mins(10) });
    t.log_in("ada").unwrap();
    t.wait(mins(9));
    t.log_in("ada").unwrap_err();
    assert_eq!(t.jobs::<SendLogin>().len(), 1);

    t.wait(mins(1));

    assert!(t.log_in("ada").is_ok(), "the hour is counted from what was granted");
}

#[test]
fn each_asking_frees_its_place_an_hour_later() {
    let t = House::new();
    for _ in 0..5 {
        t.log_in("ada").unwrap();
        t.wait(mins(10));
    }
    assert!(matches!(t.log_in("ada"), Err(LoginError::TooOften(wait)) if wait == mins(10)));
    t.wait(mins(10).saturating_sub(secs(1)));
    assert!(matches!(t.log_in("ada"), Err(LoginError::TooOften(wait)) if wait == secs(1)));

    t.wait(secs(1));

    t.log_in("ada").unwrap();
    assert!(matches!(t.log_in("ada"), Err(LoginError::TooOften(wait)) if wait == mins(10)));
}

#[test]
fn one_address_does_not_use_up_anothers() {
    let t = House::new();
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    assert!(t.log_in("ADA@example.com").is_err());
    assert!(t.log_in("bob").is_ok());
}

#[test]
fn two_askings_at_once_are_not_both_the_last_one() {
    let t = House::new();
    (0..4).for_each(|_| t.log_in("ada").unwrap());
    let other = t.clone();
    t.store.before_next_apply(move || other.log_in("ada").unwrap());

    let refused = t.log_in("ada");

    assert!(matches!(refused, Err(LoginError::TooOften(wait)) if wait == hours(1)));
    assert_eq!(t.jobs::<SendLogin>().len(), 5);
}

#[test]
fn whoever_has_started_the_program_has_no_limit() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    (0..5).for_each(|_| t.log_in("root").unwrap());

    let asked: LoginRequestId = at_once(request_login_unlimited(&t.ctx, &at("root"))).unwrap();

    let tables = t.store.tables();
    let row = tables.login_requests.iter().find(|request| request.id == asked).unwrap();
    assert_eq!((row.ordinal, &row.return_to), (6, &None));
}

#[test]
fn after_the_sweep_an_address_begins_again() {
    let t = House::new();
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    t.work();
    t.wait(hours(25));
    t.sweep();
    assert!(t.store.tables().login_requests.is_empty());

    (0..5).for_each(|_| t.log_in("ada").unwrap());
    assert!(t.log_in("ada").is_err());
}

/// Asks whenever it may, for so long; answers how often it could.
fn asks_patiently(t: &House, who: &str, length: Duration) -> usize {
    let end = t.now() + length;
    let mut asked = 0;
    while t.now() < end {
        match t.log_in(who) {
            Ok(()) => asked += 1,
            Err(LoginError::TooOften(wait)) => t.wait(wait),
            Err(error) => panic!("{error}"),
        }
    }
    asked
}

#[test]
fn whoever_uses_up_every_window_is_slowed_known_or_not() {
    let t = House::new();
    t.came_in("known");
    for who in ["known", "unknown"] {
        assert_eq!(asks_patiently(&t, who, hours(24)), 10, "{who}");
        assert_eq!(asks_patiently(&t, who, hours(24 * 9)), 90, "{who}");
    }
}

#[test]
fn the_wait_is_the_longer_of_both() {
    let t = House::new();
    for _ in 0..2 {
        (0..5).for_each(|_| t.log_in("ada").unwrap());
        t.wait(hours(1));
    }
    assert!(matches!(t.log_in("ada"), Err(LoginError::TooOften(wait)) if wait == hours(22)));
    t.sweep();
    t.wait(hours(22).saturating_sub(secs(1)));
    assert!(matches!(t.log_in("ada"), Err(LoginError::TooOften(wait)) if wait == secs(1)));
    t.wait(secs(1));
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    assert!(matches!(t.log_in("ada"), Err(LoginError::TooOften(wait)) if wait == hours(1)));
}

#[test]
fn askings_count_for_as_long_as_a_long_limit_says() {
    let t = House::under(|policy| policy.login_limit = Limit { count: 1, per: hours(24) });
    for _ in 0..2 {
        t.log_in("ada").unwrap();
        t.wait(hours(25));
        t.sweep();
    }
    let wait = hours(24 * 24 - 50);
    assert!(matches!(t.log_in("ada"), Err(LoginError::TooOften(left)) if left == wait));
}

#[test]
fn whoever_comes_in_begins_anew() {
    let t = House::new();
    t.came_in("ada");
    for _ in 0..30 {
        (0..2).for_each(|_| t.log_in("ada").unwrap());
        t.work_for(secs(2));
        t.press(&t.link("ada")).unwrap();
    }
    assert_eq!(asks_patiently(&t, "ada", hours(24)), 10);
    t.wait(hours(24));
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    t.work_for(secs(5));
    assert!(t.log_in("ada").is_err());
    t.press(&t.link("ada")).unwrap();
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    assert!(t.log_in("ada").is_err());
}

#[test]
fn whoever_comes_in_clears_nobody_elses_slate() {
    let t = House::new();
    t.came_in("ada");
    (0..5).for_each(|_| t.log_in("bob").unwrap());
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    t.work_for(secs(5));
    t.press(&t.link("ada")).unwrap();
    assert!(t.log_in("bob").is_err());
    assert!(t.log_in("ada").is_ok());
}

#[test]
fn a_link_that_lets_nobody_in_clears_nothing() {
    let t = House::new();
    t.came_in("ada");
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    t.work_for(secs(5));
    t.suspend("ada");
    t.press(&t.link("ada")).unwrap_err();
    t.reactivate("ada");
    assert!(t.log_in("ada").is_err());
}

#[test]
fn mail_that_waits_is_sent_though_somebody_came_in_meanwhile() {
    let t = House::new();
    t.came_in("ada");
    t.log_in("ada").unwrap();
    t.work();
    let before = t.inbox("ada").len();
    t.log_in("ada").unwrap();
    t.press(&t.link("ada")).unwrap();
    t.work_for(secs(5));
    assert_eq!(t.inbox("ada").len(), before + 1);
}

#[test]
fn the_second_link_leads_where_the_first_did() {
    let t = House::new();
    t.came_in("ada");
    t.log_in_towards("ada", place("/engines")).unwrap();
    t.log_in_towards("ada", place("/engines")).unwrap();
    t.work_for(secs(2));
    let links: Vec<_> = t.inbox("ada").into_iter().rev().take(2).map(|mail| mail.token).collect();
    for link in links {
        assert_eq!(t.press(&link).unwrap().return_to, Some(place("/engines")));
    }
}
