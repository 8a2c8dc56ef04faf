//! What people suffer from invitation services, and the tests that show that they don't from this
//! one. Each is named as its file and its function.
//!
//! | | |
//! |---|---|
//! | | **Inviting** |
//! | 1 | Somebody invited whom nobody mails, or mailed who is not invited: a tab closed too early |
//! | | `crashes::an_app_killed_under_load_leaves_complete_invitations` |
//! | | `inviting::an_invitation_is_queued_with_its_user_its_event_and_its_job` |
//! | 2 | A row that can't be joined to its identity, since Stytch's id for it was thrown away |
//! | | `sending::the_user_keeps_the_identity_that_stytch_names` |
//! | 3 | The same person invited any number of times, by double clicks or in other letters |
//! | | `concurrency::concurrent_invitations_of_an_address_create_one_invitation` |
//! | | `invalid_bodies::unusual_valid_values_are_kept_unchanged` |
//! | 4 | A yes before the row was written, and a process that dies when it can't be |
//! | | `lifecycle::a_failed_write_is_not_acknowledged` |
//! | 5 | A page that tells of an error though it went well, or of nothing at all |
//! | | `pages::the_invite_form_shows_its_result` |
//! | | `first_minutes::the_quick_start_works_in_browsers` |
//! | 6 | Nobody knows who has accepted; nothing expires, is taken back or sent again |
//! | | `lists::filters_return_only_matching_rows` |
//! | | `lifecycle::an_expired_invitations_address_can_be_invited_again` |
//! | | `lifecycle::a_revoked_invitation_is_revoked_at_stytch_and_frees_its_address` |
//! | | `lifecycle::resending_creates_a_new_link_and_extends_the_expiry` |
//! | | `delivery::a_link_expires_with_its_invitation` |
//! | 7 | The name that somebody was invited by never reaches Stytch |
//! | | `calls::an_invitation_is_asked_for` |
//! | 8 | Asking waits for Stytch, and what Stytch refuses or loses is gone |
//! | | `provider_outages::requesting_mail_does_not_wait_for_stytch` |
//! | | `delivery::failed_attempts_are_retried_and_recorded` |
//! | | `delivery::mail_requested_during_an_outage_is_sent_afterwards` |
//! | 9 | Two mails, because the caller asked again |
//! | | `idempotency::a_repeated_request_replays_the_first_response` |
//! | | `idempotency::concurrent_requests_with_one_key_are_executed_once` |
//! | 10 | A link to somewhere else than where this installation is |
//! | | `sending::stytch_is_told_where_the_link_leads` |
//! | | `redeem_link::links_contain_the_invitation_id_only_if_configured` |
//! | | **People** |
//! | 11 | Whoever was removed lives on at Stytch, still logged in |
//! | | `removal::an_address_can_be_invited_again_after_removal` |
//! | | `lifecycle::a_removed_user_is_refused_on_the_next_request` |
//! | 12 | Removing somebody twice is answered with nonsense |
//! | | `removal::an_address_is_free_only_after_its_identity_is_deleted_at_stytch` |
//! | 13 | People who log in and are in no list, and nobody ever compares |
//! | | `redeem_link::an_identity_without_an_invitation_cannot_log_in` |
//! | | `reconcile::drift_at_stytch_is_reported_then_repaired` |
//! | | `reconcile::the_worker_reconciles_on_a_schedule` |
//! | 14 | Whoever types an address into the public form becomes a user |
//! | | `login_links::requesting_a_link_creates_no_user` |
//! | 15 | Everybody may list, add, invite and remove everybody |
//! | | `permission_table::anonymous_callers_are_refused_as_unauthenticated` |
//! | | `permission_table::a_session_may_call_only_the_operations_of_its_role` |
//! | | `permission_table::an_api_key_may_call_only_the_operations_of_its_scopes` |
//! | 16 | The last administrator, or whoever holds the mouse, removes themselves |
//! | | `updates::the_last_administrator_cannot_be_demoted_suspended_or_removed` |
//! | | `pages::the_last_administrator_cannot_lock_themselves_out` |
//! | 17 | Nobody can tell who did what |
//! | | `audit_log::audit_events_have_actor_user_and_client` |
//! | 18 | A list of everybody, all at once and in no order |
//! | | `lists::pages_contain_every_row_once_newest_first` |
//! | | `lists::new_and_removed_rows_do_not_shift_later_pages` |
//! | | **Links and sessions** |
//! | 19 | Who is a guest can be found out by asking for links |
//! | | `account_enumeration::login_requests_do_not_reveal_whether_an_address_is_known` |
//! | 20 | A mail scanner burns the link |
//! | | `redeem_link::opening_a_link_does_not_consume_it_and_redeeming_it_does` |
//! | 21 | A link without a token is handed on to Stytch all the same |
//! | | `redeem_link::a_link_without_a_token_is_not_sent_to_stytch` |
//! | | `redeem_link::a_token_of_another_type_is_not_sent_to_stytch` |
//! | 22 | Stytch's own errors are shown to people |
//! | | `redeem_link::errors_of_stytch_are_not_exposed` |
//! | 23 | Cookies that scripts can read, that go over plain HTTP, or that end with the browser |
//! | | `cookies::cookies_over_http_are_host_only_and_http_only` |
//! | | `cookies::cookies_over_https_are_secure_and_have_the_configured_domain` |
//! | 24 | A session in an address, and so in logs and histories |
//! | | `lifecycle::a_session_token_in_a_url_does_not_authenticate` |
//! | 25 | A page of somebody else makes the browser act, or logs it in as them |
//! | | `origins::a_cross_origin_page_cannot_use_session_cookies` |
//! | | `origins::forms_are_accepted_from_the_same_origin_only` |
//! | | `origins::a_cross_origin_page_cannot_log_a_browser_in` |
//! | 26 | A copied token goes on for a week after logging out |
//! | | `lifecycle::a_logged_out_session_is_refused_by_every_process` |
//! | 27 | A session planted before somebody logs in is theirs afterwards |
//! | | `lifecycle::logging_in_replaces_the_browsers_session` |
//! | 28 | When Stytch is away, or says to wait, everybody is logged out |
//! | | `provider_outages::users_stay_logged_in_while_stytch_is_down` |
//! | 29 | A stale cookie sends the browser in circles |
//! | | `return_to::a_stale_cookie_redirects_to_login_without_a_loop` |
//! | | **Running it** |
//! | 30 | One connection, made once: a database that was away is away for good |
//! | | `databases::a_database_outage_of_twenty_seconds_loses_nothing` |
//! | | `outages::a_database_that_comes_back_is_used_again` |
//! | | `outages::a_database_that_stays_away_is_unavailable` |
//! | 31 | A password sent to a database that nobody has verified |
//! | | `opening::what_cannot_be_opened_says_why` |
//! | 32 | Trying it means editing it, or setting what nothing reads |
//! | | `quick_start::the_quick_start_works_with_dev` |
//! | | `readme::the_curl_commands_of_the_readme_work` |
//! | | `config::the_example_of_the_environment_lists_every_variable_with_its_default` |
//! | 33 | A malformed request is the server's error |
//! | | `invalid_bodies::a_body_that_is_not_valid_json_is_refused` |
//! | | `invalid_bodies::an_invalid_field_is_named` |
//! | | `invalid_requests::no_anonymous_request_causes_a_server_error` |
//! | 34 | A method that nobody thought of is never answered |
//! | | `invalid_requests::every_method_receives_a_response_on_every_route` |

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
    let rows =
        include_str!("known_problems.rs").lines().filter_map(|line| line.strip_prefix("//! | "));
    rows.filter_map(|row| row.trim_end_matches(" |").split_once("| "))
}

#[test]
fn every_known_problem_names_existing_tests() {
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
