//! How often an address may ask for a login link.

use std::time::Duration;

use guestlist_domain::flows::{RequestLoginError, SendLoginLink, request_login_unlimited};
use guestlist_domain::{Limit, LoginRequestId};

use crate::support::{House, Link, at, at_once, hours, mins, place, secs};

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

        assert!(
            matches!(refused, Err(RequestLoginError::RateLimited(wait)) if wait == mins(40)),
            "{who}"
        );
    }
}

#[test]
fn a_refused_asking_costs_nothing() {
    let t = House::under(|policy| policy.login_limit = Limit { count: 1, per: mins(10) });
    t.log_in("ada").unwrap();
    t.wait(mins(9));
    t.log_in("ada").unwrap_err();
    assert_eq!(t.jobs::<SendLoginLink>().len(), 1);

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

    assert!(matches!(refused, Err(RequestLoginError::RateLimited(wait)) if wait == hours(1)));
    assert_eq!(t.jobs::<SendLoginLink>().len(), 5);
}

#[test]
fn whoever_has_started_the_program_has_no_limit() {
    let t = House::under(|policy| policy.admin_emails = vec![at("root")]);
    (0..5).for_each(|_| t.log_in("root").unwrap());

    let asked: LoginRequestId =
        at_once(request_login_unlimited(&t.ctx, &at("root"), None)).unwrap();

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
            Err(RequestLoginError::RateLimited(wait)) => t.wait(wait),
            Err(error) => panic!("{error}"),
        }
    }
    asked
}

#[test]
fn an_address_whose_limit_is_used_up_gets_one_link_per_lifetime_of_a_link_known_or_not() {
    let t = House::new();
    t.came_in("known");
    for who in ["known", "unknown"] {
        // Five in the first hour and five in the second; then one an hour.
        assert_eq!(asks_patiently(&t, who, hours(24)), 10 + 22, "{who}");
        assert_eq!(asks_patiently(&t, who, hours(24 * 9)), 24 * 9, "{who}");
    }
}

#[test]
fn a_stranger_who_asks_all_the_time_never_leaves_the_owner_without_a_working_link() {
    let t = House::new();
    t.came_in("ada");
    let end = t.now() + hours(48);
    let mut refusals = 0;
    while t.now() < end {
        // The stranger uses up whatever there is.
        while t.log_in("ada").is_ok() {
            t.work_for(secs(2));
        }
        // So the owner is refused, and has a link that works.
        assert!(
            matches!(t.log_in("ada"), Err(RequestLoginError::RateLimited(wait)) if wait <= hours(1))
        );
        refusals += 1;
        assert_eq!(t.link_state("ada"), Link::Outstanding);
        assert!(t.press(&t.link("ada")).is_ok(), "at {}", t.now());
        t.wait(mins(61));
    }
    assert!(refusals > 40, "{refusals}");
}

#[test]
fn an_address_whose_last_link_has_expired_can_always_be_mailed_another() {
    let day = hours(24);
    for limit in [Limit { count: 1, per: day }, Limit { count: 5, per: hours(1) }] {
        let t = House::under(|policy| policy.login_limit = limit);
        t.came_in("ada");
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
fn a_limit_that_is_not_used_up_lets_more_than_one_link_out_while_the_last_works() {
    let t = House::new();
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    let refused = t.log_in("ada");
    assert!(matches!(refused, Err(RequestLoginError::RateLimited(wait)) if wait == hours(1)));
}

#[test]
fn logging_in_changes_nothing_of_what_a_stranger_sees() {
    let t = House::new();
    t.came_in("ada");
    for who in ["ada", "unknown"] {
        (0..5).for_each(|_| t.log_in(who).unwrap());
    }
    t.work_for(secs(5));
    let seen = |who: &str| match t.log_in(who) {
        Err(RequestLoginError::RateLimited(wait)) => wait,
        other => panic!("{who}: {other:?}"),
    };
    t.press(&t.link("ada")).unwrap();
    for _ in 0..5 {
        assert_eq!(seen("ada"), seen("unknown"));
        t.wait(mins(10));
    }
}

#[test]
fn requests_dated_ahead_by_a_wrong_clock_do_not_count() {
    let t = House::new();
    t.came_in("ada");
    (0..5).for_each(|_| t.log_in("ada").unwrap());
    for request in &mut t.store.tables().login_requests {
        request.at += hours(48);
        request.send_at += hours(48);
    }
    assert!(t.log_in("ada").is_ok());
    let asked: LoginRequestId = at_once(request_login_unlimited(&t.ctx, &at("ada"), None)).unwrap();
    let tables = t.store.tables();
    let row = tables.login_requests.iter().find(|request| request.id == asked).unwrap();
    assert!(row.send_at <= t.now() + mins(1), "the mail is not put off by two days");
}

#[test]
fn a_burst_without_a_limit_puts_off_the_mail_of_nobody_for_long() {
    let t = House::new();
    t.came_in("ada");
    for _ in 0..1000 {
        at_once(request_login_unlimited(&t.ctx, &at("ada"), None)).unwrap();
    }
    let before = t.inbox("ada").len();
    t.work_for(mins(2));
    let mails = t.inbox("ada").len() - before;
    assert!((1..=31).contains(&mails), "{mails}");
}

#[test]
fn a_flood_without_a_limit_is_mailed_once_a_second_at_most() {
    let t = House::new();
    t.came_in("ada");
    let before = t.inbox("ada").len();
    for _ in 0..60 * 20 {
        at_once(request_login_unlimited(&t.ctx, &at("ada"), None)).unwrap();
        t.work();
        t.wait(Duration::from_millis(50));
    }
    let mails = t.inbox("ada").len() - before;
    assert!((20..=61).contains(&mails), "{mails} mails in a minute");
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
