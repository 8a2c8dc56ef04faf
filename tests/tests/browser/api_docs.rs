//! The page with the API's documentation.

use std::collections::BTreeSet;

use guestlist_tests::browser::{Window, start_with_browsers};
use guestlist_tests::operations;
use serde_json::Value;

use crate::steps::log_in_admin;

/// Returns method and path of each operation that the page lists.
async fn listed_operations(window: &Window) -> BTreeSet<(String, String)> {
    let script = "return [...document.querySelectorAll('.opblock')].map((one) => [\
                  one.querySelector('.opblock-summary-method').innerText.toLowerCase(), \
                  one.querySelector('.opblock-summary-path').dataset.path])";
    let Value::Array(rows) = window.script(script).await else { return BTreeSet::new() };
    let word = |row: &Value, n: usize| row[n].as_str().unwrap().to_owned();
    rows.iter().map(|row| (word(row, 0), word(row, 1))).collect()
}

#[tokio::test]
async fn the_docs_page_lists_every_operation_and_can_call_one() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_admin(&window, &guestlist).await;
    window.click("Connect").await;
    window.wait_for_heading("Connect your application").await;
    window.click("/docs").await;
    window.wait_for_path("/docs").await;

    let reported: BTreeSet<_> = operations().into_iter().map(|op| (op.method, op.path)).collect();
    let all = async || (listed_operations(&window).await.len() >= reported.len()).then_some(());
    window.wait_for("as many operations are listed as there are", all).await;
    assert_eq!(listed_operations(&window).await, reported);

    let open = "document.querySelector('[data-path=\"/healthz\"]').closest('button').click()";
    window.script(open).await;
    window.click("Try it out").await;
    window.click("Execute").await;
    let status = ".live-responses-table tbody .response-col_status";
    let answered = async || window.text(status).await.filter(|text| !text.is_empty());
    assert!(window.wait_for("it is answered", answered).await.starts_with("200"));
    window.assert_no_console_errors().await;
}
