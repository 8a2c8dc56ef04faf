//! Invalid paths, queries and headers, and resources in the wrong state.

use guestlist_tests::{Engine, Guestlist, UNKNOWN_ID, id, on_every_engine};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        for id in
            [UNKNOWN_ID, "1", "nonsense", "%00", "%ff", "%2e%2e", "'; DROP TABLE users; --", "😀"]
        {
            let id = id.replace(' ', "%20");
            for (method, path) in [
                (Method::GET, format!("/v1/invitations/{id}")),
                (Method::GET, format!("/v1/invitations/{id}/events")),
                (Method::POST, format!("/v1/invitations/{id}/resend")),
                (Method::POST, format!("/v1/invitations/{id}/revoke")),
                (Method::GET, format!("/v1/users/{id}")),
                (Method::DELETE, format!("/v1/users/{id}")),
            ] {
                let response = guestlist.api().call(method, &path, None, "").await;
                let _ = response.problem(404, "not_found");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_invalid_query_is_refused() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        for path in ["/v1/users", "/v1/invitations"] {
            for query in [
                "limit=0",
                "limit=201",
                "limit=-1",
                "limit=x",
                "limit=99999999999999999999",
                "cursor=x",
                "cursor=%00",
                "status=king",
                "surprise=1",
                "limit=1&limit=2",
            ] {
                let response = guestlist.api().get(&format!("{path}?{query}")).await;
                let problem = response.json();
                let code = problem["code"].as_str().unwrap();
                assert!(["invalid_request", "invalid_query"].contains(&code), "{query}: {problem}");
                let _ = response.problem(422, code);
            }
            let long = "%25_".repeat(3000);
            for q in ["%ff", "%25", "_", "'", "%5c", "%00", "%F0%9F%98%80", long.as_str()] {
                let _ = guestlist.api().get(&format!("{path}?q={q}")).await.is(200);
            }
        }
        let _ = guestlist.api().get("/v1/users?role=king").await.problem(422, "invalid_request");
    })
    .await;
}

#[tokio::test]
async fn a_sql_wildcard_in_a_search_is_literal() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        for email in ["ab@example.com", "a_b@example.com", "a%b@example.com"] {
            let _ = guestlist.add_user(email, "member").await;
        }
        for (q, found) in [("a_b", vec!["a_b@example.com"]), ("a%25b", vec!["a%b@example.com"])] {
            let users = guestlist.api().get(&format!("/v1/users?q={q}")).await.is(200).json();
            let emails: Vec<_> = users["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|u| u["email"].as_str().unwrap())
                .collect();
            assert_eq!(emails, found, "q={q}");
        }
    })
    .await;
}

#[tokio::test]
async fn no_anonymous_request_causes_a_server_error() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    for (name, value) in [
        ("authorization", ""),
        ("authorization", "Bearer"),
        ("authorization", "Bearer "),
        ("authorization", "Basic !!!"),
        ("authorization", "Basic eA=="),
        ("authorization", "Digest x"),
        ("authorization", "Bearer a.b.c"),
        ("authorization", "Bearer glk_"),
        ("authorization", "Bearer glk_nonsense"),
    ] {
        let response = guestlist.anonymous().with(name, value).get("/v1/users").await;
        let code = response.json()["code"].as_str().unwrap().to_owned();
        let _ = response.problem(401, &code);
        assert!(["api_key_invalid", "session_missing"].contains(&code.as_str()), "{value}: {code}");
    }
    for (name, value) in [
        ("cookie", "stytch_session=\"; guestlist_hint=%%%"),
        ("cookie", "guestlist_hint=AAAA"),
        ("origin", "::::"),
        ("sec-fetch-site", "nonsense"),
        ("accept", "\u{7f}"),
        ("x-forwarded-for", "nonsense, , 1.2.3.4.5"),
        ("content-type", ";;;"),
    ] {
        let Ok(header) = reqwest::header::HeaderValue::from_str(value) else { continue };
        let anonymous = guestlist.anonymous().with(name, header.to_str().unwrap());
        for (method, path) in [
            (Method::GET, "/login"),
            (Method::GET, "/v1/session"),
            (Method::POST, "/v1/login"),
            (Method::POST, "/authenticate"),
        ] {
            let response = anonymous.call(method, path, None, "").await;
            assert!(response.status < 500, "{name}: {value}: {response:?}");
        }
    }
}

#[tokio::test]
async fn unknown_methods_and_routes_are_reported() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let put = guestlist.api().call(Method::PUT, "/v1/invitations", None, "").await;
    let _ = put.problem(405, "method_not_allowed");
    let allowed = put.header("allow").expect("Allow");
    assert!(allowed.contains("GET") && allowed.contains("POST"), "{allowed}");
    for path in ["/v1", "/v1/", "/v1/nonsense", "/v2/users", "/nonsense", "//", "/v1/users/"] {
        let _ = guestlist.api().get(path).await.problem(404, "not_found");
    }
    let page = guestlist.browser().get("/nonsense").await.is(404);
    assert!(page.body.contains("Page not found"), "{}", page.body);
}

#[tokio::test]
async fn every_method_receives_a_response_on_every_route() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let nobody = UNKNOWN_ID;
    let paths = ["/", "/login", "/logout", "/authenticate", "/sessions", "/healthz", "/metrics"];
    let api = ["invitations", "users", "sessions", "session", "login", "audit", "queues", "jobs"];
    let paths = paths.iter().map(ToString::to_string);
    let paths = paths.chain(api.iter().map(|name| format!("/v1/{name}")));
    for path in paths.chain([format!("/v1/users/{nobody}"), "/static/guestlist.js".to_owned()]) {
        for method in ["GET", "HEAD", "PUT", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "NONSENSE"] {
            let method: Method = method.parse().unwrap();
            let response = guestlist.anonymous().call(method.clone(), &path, None, "").await;
            assert!(response.status < 500, "{response:?}");
            if ["TRACE", "PROPFIND", "NONSENSE"].contains(&method.as_str()) {
                let _ = response.problem(405, "method_not_allowed");
                assert!(response.header("allow").is_some(), "{response:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_state_is_a_conflict_with_its_own_code() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let api = guestlist.api();
        let (accepted, mail) = guestlist.invite_and_mail("ada@example.com").await;
        let again = api.post("/v1/invitations", &json!({ "email": "ada@example.com" })).await;
        assert_eq!(again.problem(409, "already_invited")["invitation_id"], accepted["id"]);
        let added = api.post("/v1/users", &json!({ "email": "ada@example.com" })).await;
        assert_eq!(added.problem(409, "already_invited")["invitation_id"], accepted["id"]);
        let _ = guestlist.redeem_link(&mail.token).await;
        for what in ["resend", "revoke"] {
            let path = format!("/v1/invitations/{}/{what}", id(&accepted));
            let _ = api.post_nothing(&path).await.problem(409, "invitation_closed");
        }
        for path in ["/v1/invitations", "/v1/users"] {
            let body = json!({ "email": "ada@example.com" });
            let _ = api.post(path, &body).await.problem(409, "already_member");
        }
        let revoked = guestlist.invite("bob@example.com").await;
        let path = format!("/v1/invitations/{}", id(&revoked));
        let _ = api.post_nothing(&format!("{path}/revoke")).await.is(200);
        let _ = api.post_nothing(&format!("{path}/resend")).await.problem(409, "invitation_closed");
    })
    .await;
}
