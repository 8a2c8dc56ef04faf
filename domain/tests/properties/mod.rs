//! Whatever people, workers, Stytch and the database do, in whatever order: the rows make sense
//! after each step, and everybody has a way on.

mod acts;
mod invariants;
mod timelines;
mod town;
mod way_on;

use proptest::prelude::*;

use acts::any_acts;
use town::Town;

proptest! {
    #![proptest_config(ProptestConfig {
        // 256 cases; more by PROPTEST_CASES=10000.
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rows_make_sense_after_each_step_and_everybody_has_a_way_on(acts in any_acts()) {
        let mut town = Town::new();
        for act in &acts {
            town.step(act);
            invariants::hold(&town.house);
        }
        town.comes_to_rest();
        invariants::hold(&town.house);
        invariants::mails_keep_their_distance(&town);
        way_on::is_there_for_everybody(&town.house);
        invariants::nothing_personal_or_secret_lies_about(&town.house);
    }
}
