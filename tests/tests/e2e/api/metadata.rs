//! Metadata is returned as it was sent, or refused. The programs are built as users build them,
//! because a test dependency could turn on features of `serde_json` that change how numbers are
//! parsed.

use guestlist_tests::{Guestlist, id, on_every_engine};
use reqwest::Method;

async fn send(guestlist: &Guestlist, metadata: &str) -> guestlist_tests::Response {
    let body = format!(r#"{{"email": "ada@example.com", "metadata": {metadata}}}"#);
    guestlist.api().call(Method::POST, "/v1/users", Some("application/json"), body).await
}

#[tokio::test]
async fn numbers_in_metadata_keep_their_precision() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let numbers = [
            "-122.41941550000001",
            "0.30000000000000004",
            "5e-324",
            "1.7976931348623157e+308",
            "18446744073709551615",
            "-9223372036854775808",
            "9007199254740993",
            "1.0",
            "0.1",
            "-0.0",
        ];
        let sent = format!(r#"{{"numbers":[{}]}}"#, numbers.join(","));
        let added = send(&guestlist, &sent).await.is(201);
        assert!(added.body.contains(&sent), "{}", added.body);
        let path = format!("/v1/users/{}", id(&added.json()));
        let read = guestlist.api().get(&path).await.is(200);
        assert!(read.body.contains(&sent), "{}", read.body);
        // Another change rewrites the row, and keeps the numbers.
        let renamed = guestlist.api().patch(&path, &serde_json::json!({ "name": "Ada" })).await;
        assert!(renamed.is(200).body.contains(&sent));
        // Numbers are normalized.
        let body = r#"{"metadata": {"a": 1E+2, "b": 1.50}}"#;
        let json = Some("application/json");
        let changed = guestlist.api().call(Method::PATCH, &path, json, body).await.is(200);
        assert!(changed.body.contains(r#""metadata":{"a":100.0,"b":1.5}"#), "{}", changed.body);
    })
    .await;
}

#[tokio::test]
async fn unsupported_numbers_and_duplicate_members_are_refused() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        for (metadata, pointer, words) in [
            (r#"{"a": 1e400}"#, "/metadata/a", "send it as a string"),
            (r#"{"a": [0, -1e400]}"#, "/metadata/a/1", "send it as a string"),
            (r#"{"a": 12345678901234567890123}"#, "/metadata/a", "send it as a string"),
            (r#"{"a": 0.1000000000000000055511151231257827}"#, "/metadata/a", "as a string"),
            (r#"{"a": 1e-400}"#, "/metadata/a", "send it as a string"),
            (r#"{"a": 1, "a": 1}"#, "/metadata/a", "more than once"),
            (r#"{"a": [{"b": 1, "b": 2}]}"#, "/metadata/a/0/b", "more than once"),
            (r#"{}, "email": "eve@example.com""#, "/email", "more than once"),
            (
                r#"{"a": {"$serde_json::private::RawValue": "[1]"}}"#,
                "/metadata/a/$serde_json::private::RawValue",
                "reserved",
            ),
        ] {
            let response = send(&guestlist, metadata).await;
            let problem = response.problem(422, "invalid_request");
            assert_eq!(response.pointers(), [pointer], "{metadata}");
            assert!(problem.to_string().contains(words), "{metadata}: {problem}");
        }
        let users = "SELECT COUNT(*) FROM users";
        assert_eq!(guestlist.database().integer(users).await, 0, "nothing was written");
    })
    .await;
}
