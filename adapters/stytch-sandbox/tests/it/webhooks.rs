//! Webhooks, as a receiver gets them over HTTP.

use std::time::{Duration, Instant};

use crate::{harness::TestSandbox, receiver::Receiver};
use reqwest::Method;
use serde_json::{Value, json};
use stytch_sandbox::{Credentials, Options, Sandbox, WebhookEndpoint};

const ADA: &str = "ada@example.com";

async fn start() -> (TestSandbox, Receiver, String) {
    let (receiver, secret) = (Receiver::start().await, WebhookEndpoint::generate_secret());
    let endpoint = WebhookEndpoint { url: receiver.url.clone(), secret: secret.clone() };
    let t = TestSandbox::start_with(|options| options.webhook = Some(endpoint)).await;
    (t, receiver, secret)
}

fn event(source: &str, action: &str, user_id: &Value) -> (String, String, String) {
    (source.to_owned(), action.to_owned(), user_id.as_str().unwrap().to_owned())
}

async fn messages(t: &TestSandbox) -> Vec<Value> {
    let Value::Array(messages) = t.get("/sandbox/webhooks").await.ok()["messages"].take() else {
        panic!("no array")
    };
    messages
}

/// Waits for that many attempts of the first message, and returns it.
async fn attempted(t: &TestSandbox, times: usize) -> Value {
    let often = async {
        loop {
            let message = messages(t).await.remove(0);
            if message["attempts"].as_array().unwrap().len() >= times {
                return message;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), often).await.expect("attempts")
}

#[tokio::test]
async fn a_message_has_the_members_of_stytch_s_and_is_signed() {
    let (t, mut receiver, secret) = start().await;
    t.advance_clock(-40 * 24 * 3600).await; // The receiver's clock is not shifted.
    let invited = t.invite(ADA).await.ok();
    let delivery = receiver.next().await;
    assert!(delivery.is_signed_with(&secret));
    assert!(!delivery.is_signed_with("whsec_c2VjcmV0"));
    assert!(delivery.id().starts_with("msg_") && delivery.id().len() == 31);
    assert_eq!(delivery.header("content-type"), "application/json");
    assert!(delivery.header("user-agent").starts_with("stytch-sandbox/"));
    let mut body = delivery.json();
    let user = t.get(&format!("/v1/users/{}", invited["user_id"].as_str().unwrap())).await.ok();
    let (sent_user, members) = (body["user"].take(), body.as_object().unwrap().len());
    assert_eq!(members, 9);
    for (name, value) in sent_user.as_object().unwrap() {
        assert_eq!(user[name], *value, "{name}");
    }
    assert!(body["event_id"].as_str().unwrap().starts_with("webhook-event-test-"));
    let timestamp = body["timestamp"].as_str().unwrap();
    assert_eq!(timestamp.len(), "2024-11-21T06:47:49.555247073Z".len(), "{timestamp}");
    assert!(
        timestamp[..10] == user["created_at"].as_str().unwrap()[..10],
        "by the sandbox's clock"
    );
    assert_eq!((&body["object_type"], &body["vertical"]), (&json!("user"), &json!("CONSUMER")));
    assert_eq!(body["project_id"], t.credentials.project_id.as_str());
    assert_eq!(delivery.event(), event("DIRECT", "CREATE", &invited["user_id"]));
}

#[tokio::test]
async fn every_change_of_a_user_is_sent_and_nothing_else() {
    let (t, mut receiver, _) = start().await;
    let mut next = async |source, action, id: &Value| {
        let delivery = receiver.next().await;
        assert_eq!(delivery.event(), event(source, action, id));
        assert_eq!(delivery.json().get("user").is_none(), action == "DELETE");
        delivery.json()["user"].take()
    };
    let ada = t.invite(ADA).await.ok()["user_id"].take();
    assert_eq!(next("DIRECT", "CREATE", &ada).await["status"], "pending");
    t.invite(ADA).await.ok();
    t.authenticate(&t.last_token(ADA).await).await.ok();
    assert_eq!(next("DIRECT", "UPDATE", &ada).await["status"], "active");
    t.login_or_create(ADA).await.ok();
    t.authenticate(&t.last_token(ADA).await).await.ok(); // Changes nothing.
    t.invite(ADA).await.rejected(400, "duplicate_email");

    let path = format!("/v1/users/{}", ada.as_str().unwrap());
    t.put(&path, json!({"trusted_metadata": {"team": 1}, "external_id": "a"})).await.ok();
    assert_eq!(next("DIRECT", "UPDATE", &ada).await["external_id"], "a");
    t.delete(&format!("{path}/external_id")).await.ok();
    assert_eq!(next("DIRECT", "UPDATE", &ada).await["external_id"], Value::Null);
    let further = json!({"email": "further@example.com", "user_id": ada});
    t.post("/v1/magic_links/email/send", further).await.ok();
    let email = next("DIRECT", "UPDATE", &ada).await["emails"][1].take();
    t.delete(&format!("/v1/users/emails/{}", email["email_id"].as_str().unwrap())).await.ok();
    assert_eq!(next("DIRECT", "UPDATE", &ada).await["emails"][1], Value::Null);
    t.delete(&path).await.ok();
    next("DIRECT", "DELETE", &ada).await;

    let bob = t.login_or_create("bob@example.com").await.ok()["user_id"].take();
    assert_eq!(next("DIRECT", "CREATE", &bob).await["status"], "active");
    t.authenticate(&t.last_token("bob@example.com").await).await.ok();
    assert_eq!(next("DIRECT", "UPDATE", &bob).await["emails"][0]["verified"], true);
    let eve = t.post("/v1/users", json!({"email": "eve@example.com"})).await.ok()["user_id"].take();
    next("DIRECT", "CREATE", &eve).await;
    assert_eq!(messages(&t).await.len(), 10);
}

#[tokio::test]
async fn the_admin_api_changes_users_with_the_dashboard_as_source() {
    let (t, mut receiver, _) = start().await;
    let dashboard = async |method: Method, path: &str, body: Value| {
        let path = format!("/sandbox/users{path}");
        let response = t.unauthenticated(method, &path).json(&body).send().await.unwrap();
        crate::harness::ApiResponse::of(response).await
    };
    let created = dashboard(Method::POST, "", json!({"email": ADA})).await.ok();
    let id = created["user_id"].clone();
    assert_eq!(receiver.next().await.event(), event("DASHBOARD", "CREATE", &id));
    let path = format!("/{}", id.as_str().unwrap());
    let named = json!({"name": {"first_name": "Ada"}});
    assert_eq!(
        dashboard(Method::PUT, &path, named).await.ok()["user"]["name"]["first_name"],
        "Ada"
    );
    assert_eq!(receiver.next().await.event(), event("DASHBOARD", "UPDATE", &id));
    dashboard(Method::DELETE, &path, json!({})).await.ok();
    assert_eq!(receiver.next().await.event(), event("DASHBOARD", "DELETE", &id));
    dashboard(Method::DELETE, &path, json!({})).await.rejected(404, "user_not_found");
    dashboard(Method::POST, "", json!({"email": "x"})).await.rejected(400, "invalid_email");
    dashboard(Method::PATCH, &path, json!({})).await.rejected(404, "route_not_found");
    let types: Vec<_> = messages(&t).await.iter().map(|m| m["event_type"].clone()).collect();
    assert_eq!(types, ["dashboard.user.create", "dashboard.user.update", "dashboard.user.delete"]);
    t.invite(ADA).await.ok();
    assert_eq!(receiver.next().await.event().0, "DIRECT");
}

#[tokio::test]
async fn a_delivery_without_a_2xx_response_is_retried() {
    let (t, mut receiver, secret) = start().await;
    receiver.responses.lock().unwrap().push_back(500);
    let start = Instant::now();
    t.invite(ADA).await.ok();
    let (first, second) = (receiver.next().await, receiver.next().await);
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert_eq!((first.id(), &first.body), (second.id(), &second.body));
    assert!(second.is_signed_with(&secret));
    assert_ne!(first.header("svix-timestamp"), second.header("svix-timestamp"));
    let message = attempted(&t, 2).await;
    assert_eq!((&message["id"], &message["delivered"]), (&json!(first.id()), &json!(true)));
    let statuses = [0, 1].map(|n| message["attempts"][n]["status"].as_u64().unwrap());
    assert_eq!(statuses, [500, 204]);
}

#[tokio::test]
async fn an_unreachable_receiver_does_not_delay_requests() {
    let deleted = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = WebhookEndpoint {
        url: format!("http://{deleted}/"),
        secret: WebhookEndpoint::generate_secret(),
    };
    let t = TestSandbox::start_with(|options| options.webhook = Some(endpoint)).await;
    t.invite(ADA).await.ok();
    let message = attempted(&t, 1).await;
    assert_eq!(
        (&message["delivered"], &message["event_type"]),
        (&json!(false), &json!("direct.user.create"))
    );
    let attempt = &message["attempts"][0];
    assert_eq!((&attempt["status"], &attempt["error"]), (&Value::Null, &json!("no connection")));
}

#[tokio::test]
async fn a_resent_message_has_the_same_id_and_a_new_signature() {
    let (t, mut receiver, secret) = start().await;
    t.invite(ADA).await.ok();
    let first = receiver.next().await;
    attempted(&t, 1).await;
    let resend = format!("/sandbox/webhooks/{}/resend", first.id());
    assert_eq!(t.post(&resend, json!({})).await.ok()["id"], first.id());
    let again = receiver.next().await;
    assert!(again.is_signed_with(&secret));
    assert_eq!((first.id(), &first.body), (again.id(), &again.body));
    assert_eq!(attempted(&t, 2).await["attempts"].as_array().unwrap().len(), 2);
    t.post("/sandbox/webhooks/msg_x/resend", json!({})).await.rejected(404, "message_not_found");
}

#[tokio::test]
async fn while_paused_only_resent_messages_are_delivered() {
    let (t, mut receiver, _) = start().await;
    let pause = async |paused: Value| t.put("/sandbox/webhooks", json!({"paused": paused})).await;
    pause(json!(true)).await.ok();
    let ada = t.invite(ADA).await.ok()["user_id"].take();
    let bob = t.invite("bob@example.com").await.ok()["user_id"].take();
    let of_bob = t.get(&format!("/sandbox/webhooks?user_id={}", bob.as_str().unwrap())).await.ok();
    assert_eq!((&of_bob["paused"], &of_bob["url"]), (&json!(true), &json!(receiver.url)));
    assert_eq!(of_bob["messages"].as_array().unwrap().len(), 1);
    assert_eq!(of_bob["messages"][0]["attempts"], json!([]));
    let id = of_bob["messages"][0]["id"].as_str().unwrap();
    t.post(&format!("/sandbox/webhooks/{id}/resend"), json!({})).await.ok();
    assert_eq!(receiver.next().await.event(), event("DIRECT", "CREATE", &bob));
    assert!(receiver.is_quiet());
    pause(json!(false)).await.ok();
    assert_eq!(receiver.next().await.event(), event("DIRECT", "CREATE", &ada));
    pause(json!("yes")).await.rejected(422, "invalid_request");
}

#[tokio::test]
async fn without_an_endpoint_the_error_names_the_flag() {
    let t = TestSandbox::start().await;
    t.invite(ADA).await.ok();
    let response = t.get("/sandbox/webhooks").await;
    assert!(response.body["error_message"].as_str().unwrap().contains("--webhook-url"));
    response.rejected(404, "no_webhook_endpoint");
    for (url, secret, word) in
        [("nowhere", "whsec_c2VjcmV0", "nowhere"), ("http://localhost/", "hush", "whsec_")]
    {
        let mut options = Options::new(([127, 0, 0, 1], 0).into(), Credentials::generate());
        let endpoint = WebhookEndpoint { url: url.to_owned(), secret: secret.to_owned() };
        options.webhook = Some(endpoint);
        let message = Sandbox::bind(options).await.unwrap_err().to_string();
        assert!(message.contains(word) && !message.contains("hush"), "{message}");
    }
}
