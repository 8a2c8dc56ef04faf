//! The state of queues and workers, and pausing.

use std::collections::BTreeSet;

use guestlist_tests::{Engine, Guestlist, LONG, SHORT, id, on_every_engine, wait_until};
use serde_json::{Value, json};

const QUEUES: [&str; 5] = ["login", "invitation", "provider", "webhook", "maintenance"];

async fn queue(guestlist: &Guestlist, name: &str) -> Value {
    let queues = guestlist.api().get("/v1/queues").await.is(200).json();
    let queues = queues["items"].as_array().unwrap().clone();
    queues.into_iter().find(|queue| queue["name"] == name).expect("the queue")
}

#[tokio::test]
async fn a_paused_queue_sends_nothing_until_it_is_resumed() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let api = guestlist.api();
        let before = guestlist.sandbox().all_emails().await.len();
        let reason = json!({ "reason": " Stytch is being moved " });
        let paused = api.post("/v1/queues/invitation/pause", &reason).await.is(200).json();
        assert_eq!((&paused["name"], &paused["paused"]), (&json!("invitation"), &json!(true)));
        assert_eq!(paused["pause"]["reason"], "Stytch is being moved");
        assert_eq!(paused["pause"]["by"], "dev", "the key's name");
        assert!(paused["pause"]["at"].as_str().unwrap().ends_with('Z'), "{paused}");

        let invited = guestlist.invite("ada@example.com").await;
        assert_eq!((&invited["held_by"], &invited["status"]), (&json!("paused"), &json!("queued")));
        for held in [
            guestlist.invitation(id(&invited)).await,
            api.get("/v1/invitations?q=ada").await.is(200).json()["items"][0].clone(),
        ] {
            assert_eq!(held["held_by"], "paused", "{held}");
        }
        let held = queue(&guestlist, "invitation").await;
        assert_eq!((&held["held_by"], &held["counts"]["held"]), (&json!("paused"), &json!(1)));
        assert_eq!(held["counts"]["ready"], 0, "{held}");
        let status = api.get("/v1/status").await.is(200).json();
        let summary = status["summary"].as_str().unwrap();
        assert!(summary.starts_with("NOT SENDING invitations since "), "{status}");
        assert!(summary.contains("1 held") && summary.contains("being moved"), "{status}");
        assert_eq!((&status["sending"], &status["held"]), (&json!(false), &json!(1)), "{status}");
        assert_eq!(status["paused"], json!(["invitation"]), "{status}");
        assert_eq!(status["fix"], "guestlist queue resume invitation", "{status}");
        let mut admin = guestlist.admin().await;
        let page = admin.get("/").await.is(200);
        assert!(page.body.contains("held: sending is paused"), "{}", page.body);
        let mails = guestlist.sandbox().emails("ada@example.com").await;
        assert!(mails.is_empty(), "login links go out beside it, and nothing else");

        let resumed = api.post_nothing("/v1/queues/invitation/resume").await.is(200).json();
        assert_eq!((&resumed["paused"], &resumed["pause"]), (&json!(false), &Value::Null));
        let sent = guestlist.wait_for_status(id(&invited), "sent").await;
        assert_eq!(sent["held_by"], Value::Null);
        assert_eq!(guestlist.sandbox().all_emails().await.len(), before + 2);
        let events = "SELECT COUNT(*) FROM events WHERE actor_type = 'key' AND actor_name = 'dev' \
                      AND kind IN ('queue_paused', 'queue_resumed')";
        assert_eq!(guestlist.database().integer(events).await, 2, "it is known who did it");
    })
    .await;
}

#[tokio::test]
async fn pausing_requires_a_known_queue_and_a_short_reason() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let api = guestlist.api();
    for act in ["pause", "resume"] {
        for name in ["nonsense", "Invitation", "%20", "%ff"] {
            let response = api.post_nothing(&format!("/v1/queues/{name}/{act}")).await;
            let _ = response.problem(404, "not_found");
        }
    }
    for body in
        [json!({ "reason": "x".repeat(501) }), json!({ "why": "x" }), json!({ "reason": 1 })]
    {
        // The body is validated before the queue is looked up.
        for name in ["invitation", "nonsense"] {
            let response = api.post(&format!("/v1/queues/{name}/pause"), &body).await;
            let _ = response.problem(422, "invalid_request");
            assert_eq!(response.pointers().len(), 1, "{response:?}");
        }
    }
    let _ = api.post("/v1/queues/login/pause", &json!({})).await.is(200);
    let again = json!({ "reason": "still" });
    let first = queue(&guestlist, "login").await;
    let again = api.post("/v1/queues/login/pause", &again).await.is(200).json();
    assert_eq!(again["pause"]["at"], first["pause"]["at"], "it keeps its time");
    assert_eq!(
        (&first["pause"]["reason"], &again["pause"]["reason"]),
        (&Value::Null, &json!("still"))
    );
    for _ in 0..2 {
        let resumed = api.post_nothing("/v1/queues/login/resume").await.is(200).json();
        assert_eq!(resumed["paused"], false, "{resumed}");
    }
}

#[tokio::test]
async fn a_pause_names_its_actor_in_unicode() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let body = json!({ "email": "op@example.com", "name": "Ödön 🎉", "role": "operator" });
        let _ = guestlist.api().post("/v1/users", &body).await.is(201);
        let person = guestlist.log_in("op@example.com").await;
        let by_token = guestlist.anonymous().bearer(person.token());
        let reason = json!({ "reason": "🎉".repeat(500) });
        let paused = by_token.post("/v1/queues/webhook/pause", &reason).await.is(200).json();
        assert_eq!(
            (&paused["pause"]["by"], &paused["pause"]["reason"]),
            (&body["name"], &reason["reason"])
        );
    })
    .await;
}

#[tokio::test]
async fn pausing_is_idempotent_under_one_key() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let caller = guestlist.api().with("idempotency-key", "a");
    let first = caller.post_nothing("/v1/queues/login/pause").await.is(200);
    let _ = guestlist.api().post_nothing("/v1/queues/login/resume").await.is(200);
    let again = caller.post_nothing("/v1/queues/login/pause").await.is(200);
    assert_eq!(
        (first.body, again.header("idempotent-replayed")),
        (again.body.clone(), Some("true"))
    );
    assert_eq!(queue(&guestlist, "login").await["paused"], false);
}

#[tokio::test]
async fn queues_and_workers_have_every_field() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(2).start().await;
        let _ = guestlist.invite_and_mail("ada@example.com").await;
        let reported =
            wait_until(SHORT, "the job is counted and both workers are listed", async || {
                let reported = guestlist.api().get("/v1/queues").await.is(200).json();
                let counted = reported["items"][1]["wait_ms"]["p50"].is_u64();
                Some(reported).filter(|reported| {
                    counted && reported["workers"].as_array().unwrap().len() == 2
                })
            })
            .await;
        let queues = reported["items"].as_array().unwrap();
        let names: Vec<_> = queues.iter().map(|queue| queue["name"].as_str().unwrap()).collect();
        assert_eq!(names, QUEUES);
        for queue in queues {
            let states: BTreeSet<_> =
                queue["counts"].as_object().unwrap().keys().map(String::as_str).collect();
            let known = ["dead", "held", "ready", "retrying", "running", "scheduled"];
            assert_eq!(states, known.into());
            let minutes = queue["per_minute"].as_array().unwrap();
            assert_eq!(minutes.len(), 60, "{queue}");
            let time = |minute: &Value| -> jiff::Timestamp {
                minute["at"].as_str().unwrap().parse().unwrap()
            };
            for pair in minutes.windows(2) {
                assert_eq!(time(&pair[1]).duration_since(time(&pair[0])).as_secs(), 60);
            }
            for name in ["wait_ms", "run_ms"] {
                for share in ["p50", "p95", "p99"] {
                    let time = &queue[name][share];
                    assert!(time.is_null() || time.is_u64(), "{queue}");
                }
            }
            assert_eq!((&queue["paused"], &queue["pause"]), (&json!(false), &Value::Null));
        }
        let done: u64 = queues[1]["per_minute"]
            .as_array()
            .unwrap()
            .iter()
            .map(|minute| minute["done"].as_u64().unwrap())
            .sum();
        assert_eq!(done, 1, "{}", queues[1]);
        for worker in reported["workers"].as_array().unwrap() {
            assert_eq!((&worker["provider"], &worker["is_live"]), (&json!("ok"), &json!(true)));
            assert_eq!(worker["queues"].as_array().unwrap().len(), 5, "{worker}");
            assert!(worker["seconds_since_seen"].as_u64().unwrap() <= 15, "{worker}");
            let pid = u32::try_from(worker["pid"].as_u64().unwrap()).unwrap();
            assert!(guestlist.workers().iter().any(|process| process.id() == pid), "{worker}");
            // The slots that are kept for logins are on top of WORKER_CONCURRENCY.
            assert_eq!(worker["concurrency"], 55);
        }
        let status = guestlist.api().get("/v1/status").await.is(200).json();
        assert_eq!((&status["workers"], &status["sending"]), (&json!(2), &json!(true)), "{status}");
        assert_eq!(status["summary"], "SENDING. 0 waiting.", "{status}");
        for name in ["since", "error", "fix"] {
            assert_eq!(status[name], Value::Null, "{status}");
        }
    })
    .await;
}

#[tokio::test]
async fn the_status_tells_the_rate_and_when_the_queue_is_empty() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let api = guestlist.api();
    let status = async || api.get("/v1/status").await.is(200).json();
    guestlist.wait_for_jobs().await;
    let before = status().await;
    assert_eq!(before["seconds_until_empty"], 0, "{before}");
    guestlist.invite_many(3).await;
    guestlist.wait_for_jobs().await;
    let after = status().await;
    let rate = |status: &Value| status["sent_per_minute"].as_u64().unwrap();
    // The administrator's login link may be more than a minute old by then.
    assert!((3..=4).contains(&rate(&after)), "{before} {after}");
    let _ = api.post_nothing("/v1/queues/invitation/pause").await.is(200);
    let _ = guestlist.invite("ada@example.com").await;
    assert_eq!(status().await["seconds_until_empty"], Value::Null, "nothing is sent");
}

#[tokio::test]
async fn the_status_without_a_worker_names_the_remedy() {
    let mut guestlist = Guestlist::split(Engine::Sqlite).workers(1).start().await;
    guestlist.stop_worker(0).await;
    let invited = guestlist.invite("ada@example.com").await;
    assert_eq!(invited["held_by"], Value::Null, "nothing holds it: nobody is there");
    let status = guestlist.api().get("/v1/status").await.is(200).json();
    let line = "NOT SENDING: no worker is running. 1 waiting. Fix: start guestlist-worker";
    assert_eq!((&status["summary"], &status["sending"]), (&json!(line), &json!(false)));
    assert_eq!((&status["workers"], &status["waiting"]), (&json!(0), &json!(1)));
    assert!(status["oldest_ready_age_seconds"].is_u64(), "{status}");
    guestlist.start_worker().await;
    let _ = guestlist.wait_for_status(id(&invited), "sent").await;
    wait_until(LONG, "the status is SENDING", async || {
        let status = guestlist.api().get("/v1/status").await.is(200).json();
        (status["summary"] == "SENDING. 0 waiting.").then_some(())
    })
    .await;
}
