//! The API's own page: all of it is there to read, and can be tried.

use std::collections::BTreeSet;

use guestlist_tests::browser::{Window, seen_by_browsers};
use guestlist_tests::operations;
use serde_json::Value;

use crate::steps::admin_comes_in;

/// The operations that the page lists, each as its method and its path.
async fn listed(window: &Window) -> BTreeSet<(String, String)> {
    let script = "return [...document.querySelectorAll('.opblock')].map((one) => [\
                  one.querySelector('.opblock-summary-method').innerText.toLowerCase(), \
                  one.querySelector('.opblock-summary-path').dataset.path])";
    let Value::Array(rows) = window.script(script).await else { return BTreeSet::new() };
    let word = |row: &Value, n: usize| row[n].as_str().unwrap().to_owned();
    rows.iter().map(|row| (word(row, 0), word(row, 1))).collect()
}

#[tokio::test]
async fn every_operation_is_there_to_read_and_one_is_tried() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    admin_comes_in(&window, &guestlist).await;
    window.press("Connect").await;
    window.is_headed("Connect your application").await;
    window.press("/docs").await;
    window.is_at("/docs").await;

    let told: BTreeSet<_> = operations().into_iter().map(|op| (op.method, op.path)).collect();
    let all = async || (listed(&window).await.len() >= told.len()).then_some(());
    window.until("as many operations are listed as there are", all).await;
    assert_eq!(listed(&window).await, told);

    let open = "document.querySelector('[data-path=\"/healthz\"]').closest('button').click()";
    window.script(open).await;
    window.press("Try it out").await;
    window.press("Execute").await;
    let status = ".live-responses-table tbody .response-col_status";
    let answered = async || window.text(status).await.filter(|text| !text.is_empty());
    assert!(window.until("it is answered", answered).await.starts_with("200"));
    window.is_quiet().await;
}
