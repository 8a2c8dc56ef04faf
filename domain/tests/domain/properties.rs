//! Random sequences of requests, failures and work: invariants hold after each step, and every user can
//! be logged in or removed in the end.

mod invariants;
mod reachability;
mod scenario;
mod steps;
mod timelines;

use proptest::prelude::*;

use scenario::Scenario;
use steps::any_steps;

proptest! {
    #![proptest_config(ProptestConfig {
        // 256 cases; more by PROPTEST_CASES=10000.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn invariants_hold_after_each_step_and_users_can_always_log_in_or_be_removed(steps in any_steps()) {
        let mut scenario = Scenario::new();
        for step in &steps {
            scenario.step(step);
            invariants::hold(&scenario.simulation);
        }
        scenario.settle_everything();
        invariants::hold(&scenario.simulation);
        invariants::check_mail_spacing(&scenario);
        reachability::check_all_users(&scenario.simulation);
        invariants::check_no_secrets(&scenario.simulation);
    }
}
