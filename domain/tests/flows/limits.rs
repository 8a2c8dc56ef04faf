//! How often an address may ask for a login link.

use guestlist_domain::flows::{LoginError, SendLogin, request_login_unlimited};
use guestlist_domain::{Limit, LoginRequestId};

use crate::support::{House, at, at_once, hours, mins, secs};

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
