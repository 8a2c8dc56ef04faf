//! What people suffer from invitation services, and the tests that show that they don't from this
//! one. Each is named as its file and its function.
//!
//! | | |
//! |---|---|
//! | | **Inviting** |
//! | 1 | Somebody invited whom nobody mails, or mailed who is not invited: a tab closed too early |
//! | | `crashes::an_app_killed_under_load_leaves_no_user_or_invitation_without_its_job` |
//! | | `inviting::an_invitation_is_queued_with_its_user_its_event_and_its_job` |
//! | 2 | A row that can't be joined to its identity, since Stytch's id for it was thrown away |
//! | | `sending::the_user_keeps_the_identity_that_stytch_names` |
//! | 3 | The same person invited any number of times, by double clicks or in other letters |
//! | | `crowd::sixty_four_clients_inviting_at_once_each_get_the_right_answer` |
//! | | `bad_input::what_is_unusual_but_right_is_kept_as_it_is` |
//! | 4 | A yes before the row was written, and a process that dies when it can't be |
//! | | `invitations::what_cannot_be_written_is_not_promised_and_the_server_goes_on` |
//! | 5 | A page that tells of an error though it went well, or of nothing at all |
//! | | `people_pages::the_form_to_invite_says_what_became_of_it` |
//! | | `first_minutes::the_first_five_minutes_are_as_the_readme_says` |
//! | 6 | Nobody knows who has accepted; nothing expires, is taken back or sent again |
//! | | `lists::filters_leave_out_the_others` |
//! | | `invitations::an_invitation_past_its_end_expires_and_can_be_resent` |
//! | | `invitations::what_is_taken_back_is_so_at_stytch_too_and_the_address_is_free` |
//! | | `invitations::an_invitation_is_sent_again_with_a_new_link_and_a_new_end` |
//! | | `delivery::a_link_lasts_as_long_as_its_invitation` |
//! | 7 | The name that somebody was invited by never reaches Stytch |
//! | | `calls::an_invitation_is_asked_for` |
//! | 8 | Asking waits for Stytch, and what Stytch refuses or loses is gone |
//! | | `outages::asking_for_mail_never_waits_for_stytch` |
//! | | `delivery::stytch_failing_three_times_delays_the_invitation_and_each_attempt_is_on_record` |
//! | | `delivery::mail_asked_for_while_stytch_is_down_is_sent_when_it_is_back` |
//! | 9 | Two mails, because the caller asked again |
//! | | `idempotency::the_same_key_and_body_give_the_first_answer_again` |
//! | | `idempotency::a_burst_under_one_key_is_done_once` |
//! | 10 | A link to somewhere else than where this installation is |
//! | | `sending::stytch_is_told_where_the_link_leads` |
//! | | `links::links_name_their_invitation_only_where_that_is_asked_for` |
//! | | **People** |
//! | 11 | Whoever was removed lives on at Stytch, still logged in |
//! | | `removal::an_address_is_invited_removed_and_invited_again` |
//! | | `sessions::a_removed_user_is_refused_on_the_next_request` |
//! | 12 | Removing somebody twice is answered with nonsense |
//! | | `removal::removing_waits_for_stytch_and_the_address_with_it` |
//! | 13 | People who log in and are in no list, and nobody ever compares |
//! | | `links::whom_stytch_knows_but_nobody_invited_stays_out` |
//! | | `reconcile::what_was_changed_at_stytch_is_shown_then_repaired` |
//! | | `reconcile::the_worker_compares_by_itself` |
//! | 14 | Whoever types an address into the public form becomes a user |
//! | | `login::asking_for_a_link_makes_nobody_a_user` |
//! | 15 | Everybody may list, add, invite and remove everybody |
//! | | `access_table::who_is_nobody_is_asked_who_they_are` |
//! | | `access_table::members_operators_and_administrators_may_what_their_role_says` |
//! | | `access_table::a_key_opens_the_operations_of_its_scopes_and_no_others` |
//! | 16 | The last administrator, or whoever holds the mouse, removes themselves |
//! | | `people::somebody_is_always_left_to_administer` |
//! | | `people_pages::administrators_do_not_shut_themselves_out` |
//! | 17 | Nobody can tell who did what |
//! | | `audit::it_is_told_who_did_what_to_whom_and_from_where` |
//! | 18 | A list of everybody, all at once and in no order |
//! | | `lists::pages_show_every_row_once_newest_first` |
//! | | `lists::rows_that_come_meanwhile_move_no_page` |
//! | | **Links and sessions** |
//! | 19 | Who is a guest can be found out by asking for links |
//! | | `uniform::a_thousand_askings_tell_nobody_who_is_a_guest` |
//! | 20 | A mail scanner burns the link |
//! | | `links::opening_a_link_ten_times_consumes_nothing_and_pressing_twice_says_link_used` |
//! | 21 | A link without a token is handed on to Stytch all the same |
//! | | `links::a_link_that_carries_no_token_is_not_handed_on_to_stytch` |
//! | | `links::a_link_of_another_kind_is_not_handed_on_to_stytch` |
//! | 22 | Stytch's own errors are shown to people |
//! | | `links::nothing_that_stytch_says_of_a_link_is_handed_on` |
//! | 23 | Cookies that scripts can read, that go over plain HTTP, or that end with the browser |
//! | | `cookies::without_https_cookies_are_for_this_host_and_for_no_script` |
//! | | `cookies::with_https_they_are_secure_and_shared_with_siblings_where_asked_for` |
//! | 24 | A session in an address, and so in logs and histories |
//! | | `sessions::what_is_shown_in_an_address_admits_nobody` |
//! | 25 | A page of somebody else makes the browser act, or logs it in as them |
//! | | `origins::a_foreign_page_cannot_use_the_cookies_of_a_person` |
//! | | `origins::forms_are_taken_from_our_own_pages_only` |
//! | | `origins::a_foreign_page_logs_nobody_in` |
//! | 26 | A copied token goes on for a week after logging out |
//! | | `sessions::who_logs_out_is_refused_on_the_next_request_everywhere` |
//! | 27 | A session planted before somebody logs in is theirs afterwards |
//! | | `sessions::coming_in_gives_a_new_session_and_ends_the_one_that_the_browser_held` |
//! | 28 | When Stytch is away, or says to wait, everybody is logged out |
//! | | `outages::while_stytch_is_down_people_who_are_logged_in_stay_so` |
//! | 29 | A stale cookie sends the browser in circles |
//! | | `way_back::a_stale_cookie_leads_to_the_login_page_and_not_in_circles` |
//! | | **Running it** |
//! | 30 | One connection, made once: a database that was away is away for good |
//! | | `databases::a_database_that_is_away_for_twenty_seconds_loses_nothing` |
//! | | `lost_connections::a_database_that_comes_back_is_used_again` |
//! | | `lost_connections::a_database_that_stays_away_is_unavailable` |
//! | 31 | A password sent to a database that nobody has verified |
//! | | `opening::what_cannot_be_opened_says_why` |
//! | 32 | Trying it means editing it, or setting what nothing reads |
//! | | `walk::the_first_five_minutes_work_with_dev` |
//! | | `readme::the_walk_with_curl_does_what_its_comments_say` |
//! | | `config::the_example_of_the_environment_lists_every_variable_with_its_default` |
//! | 33 | A malformed request is the server's error |
//! | | `bad_input::a_body_that_is_no_json_of_the_right_kind_is_refused` |
//! | | `bad_input::a_field_that_cannot_be_right_is_named` |
//! | | `bad_requests::nothing_that_a_stranger_sends_is_our_fault` |
//! | 34 | A method that nobody thought of is never answered |
//! | | `bad_requests::every_method_is_answered_at_every_address` |

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The sources below a folder, by the name of their file.
fn read(folder: &Path, sources: &mut BTreeMap<String, String>) {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            read(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            sources.entry(name).or_default().push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// The table's rows: a number, if it is a fault's, and what it says.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let rows = include_str!("faults.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    rows.filter_map(|row| row.trim_end_matches(" |").split_once("| "))
}

#[test]
fn every_fault_is_shown_to_be_absent_by_tests_that_exist() {
    let mut sources = BTreeMap::new();
    for folder in ["adapters", "app/src", "domain/tests", "tests/tests", "worker/src"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder), &mut sources);
    }
    let mut shown_by: Vec<usize> = Vec::new();
    for (number, says) in rows() {
        if let Ok(number) = number.trim().parse::<usize>() {
            assert_eq!(number, shown_by.len() + 1, "numbered one after the other: {says}");
            shown_by.push(0);
        } else if let Some(test) = says.strip_prefix('`') {
            let (file, name) = test.trim_end_matches('`').split_once("::").unwrap();
            let exists =
                sources.get(file).is_some_and(|text| text.contains(&format!("fn {name}(")));
            assert!(exists, "there is no {name} in any {file}.rs");
            *shown_by.last_mut().unwrap() += 1;
        }
    }
    assert!(shown_by.len() >= 30, "the table was read: {shown_by:?}");
    assert!(shown_by.iter().all(|tests| *tests > 0), "each has a test: {shown_by:?}");
}
