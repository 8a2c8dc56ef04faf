//! The metrics endpoint.

use std::collections::{BTreeMap, BTreeSet};

use guestlist_tests::{Engine, Guestlist, SHORT, on_every_engine, wait_until};
use serde_json::json;

/// Parses the samples by name and labels, and asserts that each family has a HELP and a TYPE.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let (mut reported, mut found) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeMap::new());
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
            assert!(reported.entry(name.to_owned()).or_default().insert(what.to_owned()), "{line}");
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let name = sample.split('{').next().unwrap();
        let family = reported.keys().filter(|family| name.starts_with(family.as_str())).max();
        let family = family.unwrap_or_else(|| panic!("{line} has no family"));
        assert!(reported[family].contains("HELP") && reported[family].contains("TYPE"), "{line}");
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
        let reported = wait_until(SHORT, "the worker is seen", async || {
            Some(scrape(&guestlist).await).filter(|reported| reported["guestlist_workers"] > 0.0)
        })
        .await;
        assert!(reported["guestlist_sending"] > 0.0);
        for (state, is_so) in
            [("ok", true), ("down", false), ("recovering", false), ("misconfigured", false)]
        {
            let sample = format!("guestlist_provider_state{{state=\"{state}\"}}");
            assert_eq!(reported[&sample] > 0.0, is_so, "{sample}");
        }
        let silent =
            reported.keys().filter(|name| name.starts_with("guestlist_worker_silence_seconds"));
        assert_eq!(silent.count(), 1, "{reported:?}");
        let _ = guestlist.api().post_nothing("/v1/queues/invitation/pause").await.is(200);
        let _ = guestlist.invite("ada@example.com").await;
        let reported = scrape(&guestlist).await;
        let jobs = |queue: &str, state: &str| {
            let sample = format!("guestlist_jobs{{queue=\"{queue}\",state=\"{state}\"}}");
            reported[&sample].to_string()
        };
        assert_eq!(
            (jobs("invitation", "held"), jobs("invitation", "ready")),
            ("1".into(), "0".into())
        );
        assert_eq!(jobs("webhook", "dead"), "0");
        assert!(reported["guestlist_queue_paused{queue=\"invitation\"}"] > 0.0);
        assert!(reported["guestlist_queue_paused{queue=\"login\"}"] < 1.0);
        assert!(reported.contains_key("guestlist_oldest_ready_age_seconds{queue=\"login\"}"));
        assert!(reported["guestlist_sending"] < 1.0);
    })
    .await;
}

#[tokio::test]
async fn metrics_count_requests_and_job_attempts() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.invite_and_mail("ada@example.com").await;
    let _ = guestlist.anonymous().get("/v1/users/somebody").await.is(401);
    let _ = guestlist.api().post("/v1/invitations", &json!({})).await.is(422);
    let reported = scrape(&guestlist).await;
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
            reported.get(&sample).copied().unwrap_or_default().to_string(),
            "1",
            "{sample}: {reported:?}"
        );
    }
    let attempts =
        reported.iter().filter(|(name, _)| name.starts_with("guestlist_job_attempts_total"));
    assert!(attempts.map(|(_, count)| count).sum::<f64>() >= 1.0, "{reported:?}");
}

#[tokio::test]
async fn metrics_accept_an_api_key_as_a_basic_password() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let (_, secret) = guestlist.create_key("prometheus", &["ops:read"]).await;
    let reported = guestlist.anonymous().basic("prometheus", &secret).get("/metrics").await.is(200);
    let reported = samples(&reported.body);
    assert!(
        reported["guestlist_workers"] < 1.0 && reported["guestlist_sending"] < 1.0,
        "{reported:?}"
    );
}
