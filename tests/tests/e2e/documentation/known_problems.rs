//! Known problems of invitation services, and the tests which show that Guestlist does not have them.
//!
//! | | |
//! |---|---|
//! | | **Invitations** |
//! | 1 | A user without an invitation mail, or mail without a user, because a request was interrupted |
//! | | `an_app_killed_under_load_leaves_complete_invitations` |
//! | | `an_invitation_is_queued_with_its_user_event_and_job` |
//! | 2 | A user who can't be matched to an identity, because Stytch's id was not stored |
//! | | `the_identity_of_a_sent_mail_is_linked` |
//! | 3 | Several invitations of one address, by double clicks or in different case |
//! | | `concurrent_invitations_of_an_address_create_one_invitation` |
//! | | `unusual_valid_values_are_kept_unchanged` |
//! | 4 | A success that precedes the write, and a process that exits when the write fails |
//! | | `a_failed_write_is_not_acknowledged` |
//! | 5 | A page that shows an error after a success, or no result at all |
//! | | `the_invite_form_shows_its_result` |
//! | | `the_quick_start_works_in_browsers` |
//! | 6 | Invitations without status, expiry, revocation or resending |
//! | | `filters_return_only_matching_rows` |
//! | | `an_expired_invitations_address_can_be_invited_again` |
//! | | `a_revoked_invitation_is_revoked_at_stytch_and_frees_its_address` |
//! | | `resending_creates_a_new_link_and_extends_the_expiry` |
//! | | `a_link_expires_with_its_invitation` |
//! | 7 | A name that was entered with an invitation and never reaches Stytch |
//! | | `sending_an_invitation_posts_its_fields` |
//! | 8 | Requests that wait for Stytch, and mail that is lost when Stytch fails |
//! | | `requesting_mail_does_not_wait_for_stytch` |
//! | | `failed_attempts_are_retried_and_recorded` |
//! | | `mail_requested_during_an_outage_is_sent_afterwards` |
//! | 9 | Two mails after a repeated request |
//! | | `a_repeated_request_replays_the_first_response` |
//! | | `concurrent_requests_with_one_key_are_executed_once` |
//! | 10 | A link to another host than this installation |
//! | | `the_mail_contains_the_redirect_url` |
//! | | `links_contain_the_invitation_id_only_if_configured` |
//! | | **Users** |
//! | 11 | A removed user who keeps an identity and a session at Stytch |
//! | | `an_address_can_be_invited_again_after_removal` |
//! | | `a_removed_user_is_refused_on_the_next_request` |
//! | 12 | A misleading response to removing a user twice |
//! | | `an_address_is_free_only_after_its_identity_is_deleted_at_stytch` |
//! | 13 | Users who can log in and are in no list, and are never reconciled |
//! | | `an_identity_without_an_invitation_cannot_log_in` |
//! | | `drift_at_stytch_is_reported_then_repaired` |
//! | | `the_worker_reconciles_on_a_schedule` |
//! | 14 | Users that are created by an address in the public login form |
//! | | `requesting_a_link_creates_no_user` |
//! | 15 | Administration without authorization |
//! | | `anonymous_callers_are_refused_as_unauthenticated` |
//! | | `a_session_may_call_only_the_operations_of_its_role` |
//! | | `an_api_key_may_call_only_the_operations_of_its_scopes` |
//! | 16 | Administrators who remove themselves, or the last one of them |
//! | | `the_last_administrator_cannot_be_demoted_suspended_or_removed` |
//! | | `the_last_administrator_cannot_lock_themselves_out` |
//! | 17 | No record of who did what |
//! | | `audit_events_have_actor_user_and_client` |
//! | 18 | Lists without paging and order |
//! | | `pages_contain_every_row_once_newest_first` |
//! | | `new_and_removed_rows_do_not_shift_later_pages` |
//! | | **Links and sessions** |
//! | 19 | Login requests that reveal which addresses are known |
//! | | `login_requests_do_not_reveal_whether_an_address_is_known` |
//! | 20 | Mail scanners that consume links |
//! | | `opening_a_link_does_not_consume_it_and_redeeming_it_does` |
//! | 21 | Links without a token that are sent to Stytch |
//! | | `a_link_without_a_token_is_not_sent_to_stytch` |
//! | | `a_token_of_another_type_is_not_sent_to_stytch` |
//! | 22 | Errors of Stytch that are shown to users |
//! | | `errors_of_stytch_are_not_exposed` |
//! | 23 | Cookies that scripts can read, that are sent over HTTP, or that end with the browser |
//! | | `cookies_over_http_are_host_only_and_http_only` |
//! | | `cookies_over_https_are_secure_and_have_the_configured_domain` |
//! | 24 | Session tokens in URLs, and so in logs and histories |
//! | | `a_session_token_in_a_url_does_not_authenticate` |
//! | 25 | Cross-site request forgery, and login as another user |
//! | | `a_cross_origin_page_cannot_use_session_cookies` |
//! | | `forms_are_accepted_from_the_same_origin_only` |
//! | | `a_cross_origin_page_cannot_log_a_browser_in` |
//! | 26 | A copied token that works after logging out |
//! | | `a_logged_out_session_is_refused_by_every_process` |
//! | 27 | Session fixation |
//! | | `logging_in_replaces_the_browsers_session` |
//! | 28 | Users who are logged out when Stytch fails or throttles |
//! | | `users_stay_logged_in_while_stytch_is_down` |
//! | 29 | Redirect loops with a stale cookie |
//! | | `a_stale_cookie_redirects_to_login_without_a_loop` |
//! | | **Operation** |
//! | 30 | A database connection that is never re-established |
//! | | `a_database_outage_of_twenty_seconds_loses_nothing` |
//! | | `a_database_that_recovers_is_used_again` |
//! | | `an_unreachable_database_is_reported_as_unavailable` |
//! | 31 | A database password that is sent to an unverified server |
//! | | `errors_name_the_reason` |
//! | 32 | A trial that requires changes to code or unused settings |
//! | | `the_quick_start_works_with_dev` |
//! | | `the_commands_of_every_document_work` |
//! | | `env_example_lists_every_variable_with_its_default` |
//! | 33 | Server errors for malformed requests |
//! | | `a_body_that_is_not_valid_json_is_refused` |
//! | | `an_invalid_field_is_named` |
//! | | `no_anonymous_request_causes_a_server_error` |
//! | 34 | Methods without a response |
//! | | `every_method_receives_a_response_on_every_route` |

use std::path::Path;

/// Appends the Rust sources below a folder.
fn read(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            read(&path, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            sources.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// Returns the rows of the table: the number of a problem, if any, and the text.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("known_problems.rs").lines();
    let rows = lines.filter_map(|line| line.strip_prefix("//! | "));
    rows.filter_map(|row| row.trim_end_matches(" |").split_once("| "))
}

#[test]
fn every_known_problem_names_existing_tests() {
    let mut sources = String::new();
    for folder in ["adapters", "app", "domain", "tests/tests", "worker"] {
        read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder), &mut sources);
    }
    let mut test_counts: Vec<usize> = Vec::new();
    for (number, text) in rows() {
        if let Ok(number) = number.trim().parse::<usize>() {
            assert_eq!(number, test_counts.len() + 1, "the numbers are consecutive: {text}");
            test_counts.push(0);
        } else if let Some(test) = text.strip_prefix('`') {
            let test = test.trim_end_matches('`');
            assert!(sources.contains(&format!("fn {test}(")), "there is no test {test}");
            *test_counts.last_mut().unwrap() += 1;
        }
    }
    assert!(test_counts.len() >= 30, "the table is incomplete: {test_counts:?}");
    assert!(test_counts.iter().all(|tests| *tests > 0), "a problem has no test: {test_counts:?}");
}
