//! Redirects of mailed links, and the allowed redirect URLs.

use crate::harness::{ApiResponse, CALLBACK, TestSandbox};
use reqwest::{Method, Response};
use serde_json::{Value, json};

const ADA: &str = "ada@example.com";

async fn follow(t: &TestSandbox, method: Method, token: &str) -> Response {
    let path = format!("/v1/magic_links/redirect?stytch_token_type=magic_links&token={token}");
    t.unauthenticated(method, &path).send().await.unwrap()
}

async fn invite(t: &TestSandbox, url: &str) -> ApiResponse {
    let body = json!({"email": ADA, "invite_magic_link_url": url});
    t.post("/v1/magic_links/email/invite", body).await
}

#[tokio::test]
async fn the_redirect_page_leaves_the_link_unused() {
    let t = TestSandbox::start().await;
    invite(&t, "http://localhost:3000/in?a=1%202&b=%22%3E").await.ok();
    let mail = t.emails(ADA).await.remove(0);
    let token = mail["token"].as_str().unwrap();
    for _ in 0..2 {
        assert_eq!(follow(&t, Method::HEAD, token).await.status(), 200);
        let page = follow(&t, Method::GET, token).await;
        assert_eq!(page.status(), 200);
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
        assert_eq!(page.headers()["referrer-policy"], "no-referrer");
        let html = page.text().await.unwrap();
        let escaped = mail["url"].as_str().unwrap().replace('&', "&#38;");
        assert!(html.contains(&format!("href=\"{escaped}\"")), "{html}");
        assert!(html.contains("<script src=\"/redirect.js\""), "{html}");
        assert!(!html.contains("http-equiv"), "continues only by script or click: {html}");
    }
    let script = t.unauthenticated(Method::GET, "/redirect.js").send().await.unwrap();
    assert!(script.text().await.unwrap().contains("location.replace"));
    t.authenticate(token).await.ok();
    let used = follow(&t, Method::GET, token).await;
    assert_eq!(used.status(), 200, "the application reports a used link");
    ApiResponse::of(follow(&t, Method::GET, "nope").await)
        .await
        .rejected(404, "magic_link_not_found");
}

#[tokio::test]
async fn a_plain_redirect_leaves_the_link_unused() {
    let t = TestSandbox::start_with(|options| options.plain_redirect = true).await;
    t.invite(ADA).await.ok();
    let mail = t.emails(ADA).await.remove(0);
    let token = mail["token"].as_str().unwrap();
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let response = follow(&t, method, token).await;
        assert_eq!(response.status(), 302);
        assert_eq!(response.headers()["location"], mail["url"].as_str().unwrap());
    }
    t.authenticate(token).await.ok();
    ApiResponse::of(follow(&t, Method::GET, "nope").await)
        .await
        .rejected(404, "magic_link_not_found");
}

#[tokio::test]
async fn only_registered_redirect_urls_are_allowed() {
    let allowed = "https://app.example.com/in?invitation={}";
    let t = TestSandbox::start_with(|options| options.redirect_urls = vec![allowed.into()]).await;
    invite(&t, "https://app.example.com/in?invitation=42").await.ok();
    let no_match = "no_match_for_provided_magic_link_url";
    invite(&t, "https://app.example.com/in").await.rejected(400, no_match);
    invite(&t, CALLBACK).await.rejected(400, no_match);
    t.invite(ADA).await.rejected(400, "no_default_invite_redirect_url_set");
}

#[tokio::test]
async fn redirect_urls_can_be_limited_to_kinds_of_mail() {
    let (login, signup) = ("https://example.com/login", "https://example.com/signup");
    let t = TestSandbox::start_with(|options| {
        options.redirect_urls = vec![format!("login={login}"), format!("signup={signup}")];
    })
    .await;
    t.invite(ADA).await.rejected(400, "no_invite_redirect_urls_set");
    let come = async |body: Value| t.post("/v1/magic_links/email/login_or_create", body).await;
    let swapped =
        json!({"email": ADA, "login_magic_link_url": signup, "signup_magic_link_url": login});
    come(swapped).await.rejected(400, "no_match_for_provided_magic_link_url");
    come(json!({"email": ADA})).await.ok();
    come(json!({"email": ADA, "login_magic_link_url": login})).await.ok();
    let mails = t.emails(ADA).await;
    for (mail, url) in mails.iter().zip([signup, login]) {
        assert!(mail["url"].as_str().unwrap().starts_with(url), "{mail}");
    }
}
