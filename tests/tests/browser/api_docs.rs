//! The page with the API's documentation.

use std::collections::BTreeSet;

use guestlist_tests::browser::{Window, start_with_browsers};
use guestlist_tests::operations;

use crate::steps::log_in_admin;

/// Returns method and path of each operation that the page lists.
async fn listed_operations(window: &Window) -> BTreeSet<(String, String)> {
    let script = "return [...document.querySelectorAll('[data-operation]')]\
                  .map((one) => one.dataset.operation)";
    let names = window.script(script).await;
    let names = names.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    let pair = |name: &str| {
        let (method, path) = name.split_once(' ').unwrap();
        (method.to_lowercase(), path.to_owned())
    };
    names.map(pair).collect()
}

/// Opens an operation, sends its form, and returns the answer.
async fn try_operation(window: &Window, id: &str, fields: &[(&str, &str)]) -> String {
    let open = format!("location.hash = ''; location.hash = '{id}'");
    let _ = window.script(&open).await;
    for (name, value) in fields {
        window.fill(&format!("{id}-{name}"), value).await;
    }
    window.submit(&format!("#{id} form")).await;
    let answer = format!("#{id} .answer");
    let answered =
        async || window.text(&answer).await.filter(|text| !text.is_empty() && text != "…");
    window.wait_for("it is answered", answered).await
}

#[tokio::test]
async fn the_docs_page_lists_every_operation_and_can_call_them() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    log_in_admin(&window, &guestlist).await;
    window.open(&format!("{}/connect", guestlist.public_url)).await;
    let _ = window.script("document.querySelector('main a[href=\"/docs\"]').click()").await;
    window.wait_for_heading("API reference").await;
    let reported: BTreeSet<_> = operations().into_iter().map(|op| (op.method, op.path)).collect();
    assert_eq!(listed_operations(&window).await, reported);

    let health = try_operation(&window, "check_liveness", &[]).await;
    assert!(health.starts_with("200"), "{health}");
    // The session of the browser may list users.
    let users = try_operation(&window, "list_users", &[("limit", "1")]).await;
    assert!(users.starts_with("200") && users.contains("\"email\""), "{users}");
    window.assert_no_console_errors().await;
}

#[tokio::test]
async fn the_docs_page_sends_an_api_key_and_a_body() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    window.open(&format!("{}/docs", guestlist.public_url)).await;
    window.fill("api-key", &guestlist.api_key).await;
    let user = id_of_new_user(&guestlist).await;
    let found = try_operation(&window, "get_user", &[("id", &user)]).await;
    assert!(found.starts_with("200") && found.contains(&user), "{found}");
    let changed =
        try_operation(&window, "update_user", &[("id", &user), ("-body", r#"{"name": "Ada"}"#)])
            .await;
    assert!(changed.starts_with("200") && changed.contains("\"name\": \"Ada\""), "{changed}");
    window.assert_no_console_errors().await;
}

async fn id_of_new_user(guestlist: &guestlist_tests::Guestlist) -> String {
    guestlist_tests::id(&guestlist.add_user("ada@example.com", "member").await).to_owned()
}
