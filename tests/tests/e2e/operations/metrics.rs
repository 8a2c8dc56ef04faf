//! The metrics endpoint.

use std::collections::{BTreeMap, BTreeSet};

use guestlist_tests::{Engine, Guestlist, SHORT, on_every_engine, wait_until};
use serde_json::json;

/// Parses the samples by name and labels, and asserts that each family has a HELP and a TYPE.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut told, mut found) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeMap::new());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line == "# EOF" {
            assert!(lines.peek().is_none(), "the end is the end:\n{text}");
            return found;
        }
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.split(' ');
            let (what, name) = (words.next().unwrap(), words.next().unwrap());
            assert!(words.next().is_some(), "{line}");
            assert!(name.starts_with("guestlist_"), "{line}");
            assert!(told.entry(name.to_owned()).or_default().insert(what.to_owned()), "{line}");
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        let family = told.keys().filter(|family| name.starts_with(family.as_str())).max();
        let family = family.unwrap_or_else(|| panic!("{line} has no family"));
        assert!(told[family].contains("HELP") && told[family].contains("TYPE"), "{line}");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(found.insert(sample.to_owned(), value).is_none(), "twice: {line}");
    }
    panic!("it has no end:\n{text}");
}

async fn scrape(guestlist: &Guestlist) -> BTreeMap<String, f64> {
    samples(&guestlist.api().get("/metrics").await.is(200).body)
}

#[tokio::test]
async fn metrics_contain_queues_workers_and_the_provider() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let response = guestlist.api().get("/metrics").await.is(200);
        let kind = response.header("content-type").unwrap();
        assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
        let told = wait_until(SHORT, "the worker is seen", async || {
            Some(scrape(&guestlist).await).filter(|told| told["guestlist_workers"] > 0.0)
        })
        .await;
        assert!(told["guestlist_sending"] > 0.0);
        for (state, is_so) in
            [("ok", true), ("down", false), ("recovering", false), ("misconfigured", false)]
        {
            let sample = format!("guestlist_provider_state{{state=\"{state}\"}}");
            assert_eq!(told[&sample] > 0.0, is_so, "{sample}");
        }
        let silent =
            told.keys().filter(|name| name.starts_with("guestlist_worker_silence_seconds"));
        assert_eq!(silent.count(), 1, "{told:?}");
        let _ = guestlist.api().post_nothing("/v1/queues/invitation/pause").await.is(200);
        let _ = guestlist.invite("ada@example.com").await;
        let told = scrape(&guestlist).await;
        let jobs = |queue: &str, state: &str| {
            let sample = format!("guestlist_jobs{{queue=\"{queue}\",state=\"{state}\"}}");
            told[&sample].to_string()
        };
        assert_eq!(
            (jobs("invitation", "held"), jobs("invitation", "ready")),
            ("1".into(), "0".into())
        );
        assert_eq!(jobs("webhook", "dead"), "0");
        assert!(told["guestlist_queue_paused{queue=\"invitation\"}"] > 0.0);
        assert!(told["guestlist_queue_paused{queue=\"login\"}"] < 1.0);
        assert!(told.contains_key("guestlist_oldest_ready_age_seconds{queue=\"login\"}"));
        assert!(told["guestlist_sending"] < 1.0);
    })
    .await;
}

#[tokio::test]
async fn metrics_count_requests_and_job_attempts() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.invite_and_mail("ada@example.com").await;
    let _ = guestlist.anonymous().get("/v1/users/somebody").await.is(401);
    let _ = guestlist.api().post("/v1/invitations", &json!({})).await.is(422);
    let told = scrape(&guestlist).await;
    for (method, route, status) in [
        ("POST", "/v1/invitations", 202),
        ("POST", "/v1/invitations", 422),
        ("GET", "/v1/users/{id}", 401),
    ] {
        let sample = format!(
            "guestlist_http_request_duration_seconds_count{{method=\"{method}\",\
             route=\"{route}\",status=\"{status}\"}}"
        );
        assert_eq!(
            told.get(&sample).copied().unwrap_or_default().to_string(),
            "1",
            "{sample}: {told:?}"
        );
    }
    let attempts = told.iter().filter(|(name, _)| name.starts_with("guestlist_job_attempts_total"));
    assert!(attempts.map(|(_, count)| count).sum::<f64>() >= 1.0, "{told:?}");
}

#[tokio::test]
async fn metrics_accept_an_api_key_as_a_basic_password() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let (_, secret) = guestlist.create_key("prometheus", &["ops:read"]).await;
    let told = guestlist.anonymous().basic("prometheus", &secret).get("/metrics").await.is(200);
    let told = samples(&told.body);
    assert!(told["guestlist_workers"] < 1.0 && told["guestlist_sending"] < 1.0, "{told:?}");
}
