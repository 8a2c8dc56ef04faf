//! Listing, retrying, cancelling and dismissing jobs.

use guestlist_tests::{
    Engine, Guestlist, LONG, UNKNOWN_ID, id, on_every_engine, user_path, wait_until,
};
use serde_json::{Value, json};

const INVITE: &str = "/v1/magic_links/email/invite";

async fn jobs(guestlist: &Guestlist, query: &str) -> Vec<Value> {
    guestlist.api().get(&format!("/v1/jobs?{query}")).await.is(200).items()
}

/// Returns the only job that sends an invitation.
async fn delivery_job(guestlist: &Guestlist) -> Value {
    let mut found = jobs(guestlist, "kind=send-invite").await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// Invites an address that Stytch rejects.
async fn rejected_invitation(guestlist: &Guestlist, email: &str) -> Value {
    let fault = json!({ "status": 400, "error_type": "invalid_email", "times": 1, "path": INVITE });
    guestlist.sandbox().set_faults(&fault).await;
    let invitation = guestlist.invite(email).await;
    guestlist.wait_for_status(id(&invitation), "failed").await
}

/// Counts the events of a kind by a type of actor.
async fn count_events(guestlist: &Guestlist, kind: &str, by: &str) -> i64 {
    let events =
        format!("SELECT COUNT(*) FROM events WHERE kind = '{kind}' AND actor_type = '{by}'");
    guestlist.database().integer(&events).await
}

#[tokio::test]
async fn a_retried_dead_job_sends_its_invitation() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let api = guestlist.api();
        let failed = rejected_invitation(&guestlist, "ada@example.com").await;
        let dead = delivery_job(&guestlist).await;
        assert_eq!((&dead["state"], &dead["queue"]), (&json!("dead"), &json!("invitation")));
        assert_eq!(dead["last_error"]["code"], "invalid_email", "{dead}");
        assert_eq!(dead["args"]["invitation"], failed["id"], "{dead}");

        let whole = api.get(&format!("/v1/jobs/{}", id(&dead))).await.is(200).json();
        let attempts = whole["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 1, "{whole}");
        assert_eq!((&attempts[0]["number"], &attempts[0]["outcome"]), (&json!(1), &json!("dead")));
        assert_eq!(attempts[0]["error"]["code"], "invalid_email");
        for name in ["request_id", "worker", "started_at", "finished_at"] {
            assert!(attempts[0][name].as_str().is_some_and(|text| !text.is_empty()), "{whole}");
        }
        assert!(attempts[0]["duration_ms"].is_u64(), "{whole}");
        let events_of = guestlist.events(id(&failed)).await;
        let attempted = events_of.iter().find(|event| event["kind"] == "attempted").unwrap();
        assert_eq!(attempts[0]["request_id"], attempted["detail"]["request_id"], "Stytch's");

        let errors = api.get("/v1/jobs/errors").await.is(200).json();
        let groups = errors["items"].as_array().unwrap();
        assert_eq!(groups.len(), 1, "{errors}");
        assert_eq!((&groups[0]["code"], &groups[0]["count"]), (&json!("invalid_email"), &json!(1)));
        assert_eq!((&groups[0]["dead"], &groups[0]["retrying"]), (&json!(1), &json!(0)));
        assert_eq!(groups[0]["first_seen"], groups[0]["last_seen"]);
        let status = api.get("/v1/status").await.is(200).json();
        assert_eq!((&status["dead"], &status["sending"]), (&json!(1), &json!(true)), "{status}");

        let retried = api.post_nothing(&format!("/v1/jobs/{}/retry", id(&dead))).await.is(200);
        assert_eq!(retried.json()["id"], dead["id"]);
        let sent = guestlist.wait_for_status(id(&failed), "sent").await;
        assert_eq!(sent["last_error"], Value::Null, "{sent}");
        guestlist.wait_for_jobs().await;
        let done = delivery_job(&guestlist).await;
        assert_eq!((&done["state"], &done["id"]), (&json!("done"), &dead["id"]), "the same job");
        let whole = api.get(&format!("/v1/jobs/{}", id(&dead))).await.is(200).json();
        let outcomes: Vec<_> =
            whole["attempts"].as_array().unwrap().iter().map(|a| a["outcome"].clone()).collect();
        assert_eq!(outcomes, ["dead", "done"], "{whole}");
        assert!(guestlist.timeline(id(&failed)).await.contains(&"resent".to_owned()));
        assert_eq!(count_events(&guestlist, "job_retried", "key").await, 1);
        let mail = guestlist.sandbox().nth_email("ada@example.com", 1).await;
        let _ = guestlist.redeem_link(&mail.token).await;
        let errors = api.get("/v1/jobs/errors").await.is(200).json();
        assert_eq!(errors["items"], json!([]), "nothing is wrong any more");
    })
    .await;
}

#[tokio::test]
async fn cancelling_a_delivery_fails_its_invitation() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let api = guestlist.api();
        let invited = guestlist.invite("ada@example.com").await;
        let job = delivery_job(&guestlist).await;
        assert_eq!((&job["state"], &job["held_by"]), (&json!("ready"), &Value::Null));
        let cancel = format!("/v1/jobs/{}/cancel", id(&job));
        let cancelled = api.post_nothing(&cancel).await.is(200).json();
        assert_eq!((&cancelled["state"], &cancelled["id"]), (&json!("cancelled"), &job["id"]));
        assert!(cancelled["finished_at"].is_string(), "{cancelled}");
        let failed = guestlist.invitation(id(&invited)).await;
        assert_eq!(failed["status"], "failed");
        assert_eq!(failed["last_error"]["code"], "cancelled", "{failed}");
        assert_eq!(guestlist.timeline(id(&invited)).await, ["requested", "failed"]);
        assert_eq!(count_events(&guestlist, "job_cancelled", "key").await, 1);

        let problem = api.post_nothing(&cancel).await.problem(409, "wrong_state");
        assert!(problem["detail"].as_str().unwrap().contains("is cancelled"), "{problem}");
        // After a new invitation the old job can't be retried.
        let again = guestlist.invite("ada@example.com").await;
        let retry = format!("/v1/jobs/{}/retry", id(&job));
        let _ = api.post_nothing(&retry).await.problem(409, "job_superseded");
        let newer = jobs(&guestlist, "kind=send-invite").await.remove(0);
        assert_ne!(newer["id"], job["id"]);
        let retry = format!("/v1/jobs/{}/retry", id(&newer));
        // The job is scheduled until the address may receive a second mail.
        let problem = api.post_nothing(&retry).await.problem(409, "wrong_state");
        let state = problem["state"].as_str().unwrap();
        assert!(["scheduled", "ready"].contains(&state), "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(state), "{problem}");
        assert_eq!(guestlist.invitation(id(&again)).await["status"], "queued");
    })
    .await;
}

#[tokio::test]
async fn events_name_the_operator_who_acted() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let body = json!({ "email": "op@example.com", "name": "Opal", "role": "operator" });
    let _ = guestlist.api().post("/v1/users", &body).await.is(201);
    let opal = guestlist.log_in("op@example.com").await;
    let opal = opal.caller().with("sec-fetch-site", "same-origin");
    let _ = rejected_invitation(&guestlist, "ada@example.com").await;
    let dead = delivery_job(&guestlist).await;
    let _ = opal.post_nothing(&format!("/v1/jobs/{}/retry", id(&dead))).await.is(200);
    let _ = opal.post_nothing("/v1/queues/webhook/pause").await.is(200);
    let named = "SELECT COUNT(*) FROM events WHERE actor_type = 'user' AND actor_name = 'Opal' AND \
                 (kind = 'job_retried' OR kind = 'queue_paused')";
    assert_eq!(guestlist.database().integer(named).await, 2);
    let queues = guestlist.api().get("/v1/queues").await.is(200).json();
    assert_eq!(queues["items"][3]["pause"]["by"], "Opal");
}

#[tokio::test]
async fn jobs_are_filtered_and_paged() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let api = guestlist.api();
        for n in 0..7 {
            let _ = guestlist.invite(&format!("guest{n}@example.com")).await;
        }
        let login = json!({ "email": "admin@example.com" });
        let _ = api.post("/v1/login", &login).await.is(202);
        let first = jobs(&guestlist, "queue=invitation").await[6].clone();
        let digits = id(&first).to_owned();
        let whole = format!("q={digits}");
        for (query, count) in [
            ("", 8),
            ("queue=invitation", 7),
            ("queue=login", 1),
            ("queue=maintenance", 0),
            ("kind=send-invite", 7),
            ("kind=send-invite&queue=login", 0),
            ("kind=nonsense", 0),
            ("state=ready", 8),
            ("state=held", 0),
            ("state=dead", 0),
            ("error=nonsense", 0),
            (&whole, 1),
            ("q=nonsense", 0),
        ] {
            assert_eq!(jobs(&guestlist, query).await.len(), count, "{query}");
        }
        let ids = api.pages("/v1/jobs", "queue=invitation&limit=3").await;
        assert_eq!(ids.iter().map(Vec::len).collect::<Vec<_>>(), [3, 3, 1]);
        let ids = ids.concat();
        assert!(ids.is_sorted_by(|a, b| id(a) > id(b)), "newest first, each once: {ids:?}");

        // The ready jobs of a paused queue are held, in the filter and in the response.
        let _ = api.post_nothing("/v1/queues/invitation/pause").await.is(200);
        for (query, count) in [
            ("state=held", 7),
            ("state=ready", 1),
            ("state=held&queue=login", 0),
            ("state=held&queue=invitation", 7),
            ("state=ready&queue=invitation", 0),
        ] {
            let found = jobs(&guestlist, query).await;
            assert_eq!(found.len(), count, "{query}");
            for job in found {
                let is_held = query.contains("held");
                let (state, by) =
                    if is_held { ("held", json!("paused")) } else { ("ready", Value::Null) };
                assert_eq!((&job["state"], &job["held_by"]), (&json!(state), &by), "{query}");
            }
        }
        assert_eq!(api.get(&format!("/v1/jobs/{digits}")).await.is(200).json()["state"], "held");
    })
    .await;
}

#[tokio::test]
async fn invalid_filters_and_ids_of_jobs_are_refused() {
    let guestlist = Guestlist::split(Engine::Sqlite).workers(0).start().await;
    let api = guestlist.api();
    for (query, pointer) in [
        ("queue=nonsense", "/queue"),
        ("state=nonsense", "/state"),
        ("limit=0", "/limit"),
        ("limit=201", "/limit"),
        ("cursor=nonsense", "/cursor"),
    ] {
        let response = api.get(&format!("/v1/jobs?{query}")).await;
        let _ = response.problem(422, "invalid_request");
        assert_eq!(response.pointers(), [pointer]);
    }
    let _ = api.get("/v1/jobs?unknown=1").await.problem(422, "invalid_query");
    for path in [UNKNOWN_ID, "nonsense"] {
        let _ = api.get(&format!("/v1/jobs/{path}")).await.problem(404, "not_found");
        for act in ["retry", "cancel"] {
            let response = api.post_nothing(&format!("/v1/jobs/{path}/{act}")).await;
            let _ = response.problem(404, "not_found");
        }
    }
    for (act, wrong) in [
        ("retry", "ready"),
        ("retry", "held"),
        ("cancel", "dead"),
        ("cancel", "done"),
        ("dismiss", "retrying"),
    ] {
        let path = format!("/v1/jobs/{act}");
        for body in [
            json!({}),
            json!({ "state": wrong }),
            json!({ "state": "nonsense" }),
            json!({ "state": null, "dry_run": true }),
        ] {
            let response = api.post(&path, &body).await;
            let _ = response.problem(422, "invalid_request");
            assert_eq!(response.pointers(), ["/state"], "{body}");
        }
        let unknown = api.post(&path, &json!({ "state": "retrying", "q": "x" })).await;
        let _ = unknown.problem(422, "invalid_request");
        let _ = api.post_nothing(&path).await.problem(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn unusual_search_terms_find_no_jobs() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let _ = guestlist.invite("ada@example.com").await;
        let long = "x".repeat(2000);
        for word in ["%C3%A9", "%F0%9F%8E%89", "%25", "_", "%27%22%5C%21", "%00", &long] {
            for field in ["kind", "error", "q"] {
                let found = jobs(&guestlist, &format!("{field}={word}")).await;
                assert_eq!(found.len(), 0, "{field}={word}");
            }
        }
        let api = guestlist.api();
        for (kind, error) in [("é", "🎉"), ("'", "%"), (&long, &long)] {
            let body = json!({ "kind": kind, "error": error, "state": "retrying" });
            for act in ["retry", "cancel"] {
                let done = api.post(&format!("/v1/jobs/{act}"), &body).await.is(200).json();
                assert_eq!(done["matched"], 0, "{body}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn matching_jobs_are_counted_cancelled_and_retried_in_bulk() {
    on_every_engine(|engine| async move {
        let mut guestlist = Guestlist::split(engine).workers(0).start().await;
        let api = guestlist.api();
        for n in 0..150 {
            let _ = guestlist.invite(&format!("guest{n}@example.com")).await;
        }
        let login = json!({ "email": "admin@example.com" });
        let _ = api.post("/v1/login", &login).await.is(202);
        let ready = json!({ "queue": "invitation", "state": "ready", "dry_run": true });
        let counted = api.post("/v1/jobs/cancel", &ready).await.is(200).json();
        assert_eq!(counted["matched"], 150, "{counted}");
        assert_eq!(jobs(&guestlist, "state=cancelled").await.len(), 0, "only counted");
        let held = json!({ "queue": "invitation", "state": "held", "dry_run": true });
        let counted = api.post("/v1/jobs/cancel", &held).await.is(200).json();
        assert_eq!(counted["matched"], 0, "{counted}");

        let ready = json!({ "queue": "invitation", "state": "ready" });
        let done = api.post("/v1/jobs/cancel", &ready).await.is(200).json();
        assert_eq!(done["matched"], 150, "{done}");
        let failed = "SELECT COUNT(*) FROM invitations WHERE status = 'failed' AND \
                      last_error_code = 'cancelled'";
        assert_eq!(guestlist.database().integer(failed).await, 150);
        assert_eq!(jobs(&guestlist, "state=ready").await.len(), 1, "the login is left");
        assert_eq!(count_events(&guestlist, "job_cancelled", "key").await, 150);
        let none = api.post("/v1/jobs/cancel", &ready).await.is(200).json();
        assert_eq!(none["matched"], 0, "{none}");

        // Jobs of addresses that were invited again are not retried.
        for n in 0..10 {
            let _ = guestlist.invite(&format!("guest{n}@example.com")).await;
        }
        let cancelled = json!({ "kind": "send-invite", "state": "cancelled" });
        let again = api.post("/v1/jobs/retry", &cancelled).await.is(200).json();
        assert_eq!(again["matched"], 140, "{again}");
        guestlist.start_worker().await;
        wait_until(LONG, "every invitation is sent", async || {
            let sent = "SELECT COUNT(*) FROM invitations WHERE status = 'sent'";
            (guestlist.database().integer(sent).await == 150).then_some(())
        })
        .await;
        assert_eq!(guestlist.sandbox().all_emails().await.len(), 151, "and the administrator's");
    })
    .await;
}

#[tokio::test]
async fn a_job_that_succeeds_at_once_has_one_attempt() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.invite_and_mail("ada@example.com").await;
    guestlist.wait_for_jobs().await;
    let done = delivery_job(&guestlist).await;
    let whole = guestlist.api().get(&format!("/v1/jobs/{}", id(&done))).await.is(200).json();
    let attempts = whole["attempts"].as_array().unwrap();
    assert_eq!(attempts.len(), 1, "{whole}");
    assert_eq!((&attempts[0]["outcome"], &attempts[0]["number"]), (&json!("done"), &json!(1)));
    assert!(attempts[0]["duration_ms"].is_u64() && attempts[0]["error"].is_null(), "{whole}");
    assert!(done.get("attempts").is_none(), "a list tells no attempts: {done}");
}

#[tokio::test]
async fn a_dismissed_job_is_no_longer_listed_as_dead() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let api = guestlist.api();
    guestlist.sandbox().set_faults(&json!({ "status": 400, "error_type": "invalid_email" })).await;
    let invitation = guestlist.invite("nobody@example.com").await;
    let _ = guestlist.wait_for_status(id(&invitation), "failed").await;
    guestlist.sandbox().clear_faults().await;
    let dead = async || api.get("/v1/jobs?state=dead").await.is(200).items();
    let job = format!("/v1/jobs/{}", id(&dead().await[0]));
    let refused = api.post_nothing(&format!("{job}/cancel")).await;
    let _ = refused.problem(409, "wrong_state");
    let dismissed = api.post_nothing(&format!("{job}/dismiss")).await.is(200).json();
    assert_eq!(dismissed["state"], "cancelled", "{dismissed}");
    assert!(dead().await.is_empty());
    let status = api.get("/v1/status").await.is(200).json();
    assert_eq!(status["dead"], 0, "{status}");
    assert_eq!(guestlist.invitation(id(&invitation)).await["status"], "failed");
    let _ = api.post_nothing(&format!("{job}/dismiss")).await.problem(409, "wrong_state");
}

/// Invites a member, an operator and an administrator, and returns each role and its job.
async fn invited_of_each_role(guestlist: &Guestlist) -> Vec<(&'static str, Value)> {
    let mut invited = Vec::new();
    for role in ["member", "operator", "admin"] {
        let body = json!({ "email": format!("{role}@example.org"), "role": role });
        let invitation = guestlist.api().post("/v1/invitations", &body).await.is(202).json();
        let jobs = jobs(guestlist, "kind=send-invite").await;
        let sends_invitation = |job: &&Value| job["args"]["invitation"] == invitation["id"];
        invited.push((role, jobs.iter().find(sends_invitation).unwrap().clone()));
    }
    invited
}

#[tokio::test]
async fn a_restricted_key_cannot_act_on_jobs_about_administrators() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let invited = invited_of_each_role(&guestlist).await;
        let (_, secret) = guestlist.create_key("operator", &["ops:write"]).await;
        let operator = guestlist.anonymous().bearer(&secret);
        // A bulk request neither changes nor counts jobs that the caller can't act on.
        let ready = json!({ "kind": "send-invite", "state": "ready" });
        let count = json!({ "kind": "send-invite", "state": "ready", "dry_run": true });
        for (caller, body, matched) in [
            (&guestlist.api(), &count, 3),
            (&operator, &count, 1),
            (&operator, &ready, 1),
            (&operator, &count, 0),
            (&operator, &ready, 0),
        ] {
            let done = caller.post("/v1/jobs/cancel", body).await.is(200).json();
            assert_eq!(done["matched"], matched, "{body}: {done}");
        }
        let left = jobs(&guestlist, "kind=send-invite&state=ready").await;
        let left: Vec<_> = left.iter().map(id).collect();
        assert_eq!(left, [id(&invited[2].1), id(&invited[1].1)]);
        let done = guestlist.api().post("/v1/jobs/cancel", &ready).await.is(200).json();
        assert_eq!(done["matched"], 2, "{done}");
        let cancelled = json!({ "kind": "send-invite", "state": "cancelled" });
        let again = operator.post("/v1/jobs/retry", &cancelled).await.is(200).json();
        assert_eq!(again["matched"], 1, "{again}");

        for (role, job) in &invited {
            for act in ["cancel", "retry", "dismiss"] {
                let response = operator.post_nothing(&format!("/v1/jobs/{}/{act}", id(job))).await;
                match (*role, act) {
                    ("member", "cancel" | "retry") => drop(response.is(200)),
                    ("member", _) => drop(response.problem(409, "wrong_state")),
                    _ => drop(response.problem(403, "role_not_grantable")),
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_operator_cannot_act_on_jobs_about_administrators() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let _ = guestlist.add_user("op@example.com", "operator").await;
    let opal = guestlist.log_in("op@example.com").await;
    let opal = opal.caller().with("sec-fetch-site", "same-origin");
    // The result of a login's job is recorded after its mail is sent.
    guestlist.wait_for_jobs().await;
    let _ = guestlist.api().post_nothing("/v1/queues/login/pause").await.is(200);
    for email in ["op@example.com", "admin@example.com", "nobody@example.com"] {
        let _ = guestlist.api().post("/v1/login", &json!({ "email": email })).await.is(202);
    }
    let mut waiting = jobs(&guestlist, "kind=send-login").await;
    waiting.retain(|job| job["state"] != "done");
    assert_eq!(waiting.len(), 3, "{waiting:?}");
    for (n, job) in waiting.iter().enumerate() {
        let response = opal.post_nothing(&format!("/v1/jobs/{}/cancel", id(job))).await;
        // Newest first: about an unknown address, an administrator, and an operator.
        if n == 0 {
            drop(response.is(200));
        } else {
            drop(response.problem(403, "role_not_grantable"));
        }
    }
}

#[tokio::test]
async fn an_erasure_cannot_be_cancelled() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::split(engine).workers(0).start().await;
        let api = guestlist.api();
        let body = json!({ "email": "ada@example.com" });
        let ada = api.post("/v1/users", &body).await.is(201).json();
        let _ = api.delete(&user_path(&ada)).await.is(202);
        let job = jobs(&guestlist, "kind=delete-user").await.remove(0);
        for act in ["cancel", "dismiss"] {
            let response = api.post_nothing(&format!("/v1/jobs/{}/{act}", id(&job))).await;
            let _ = response.problem(409, "erasure_not_cancellable");
        }
        for body in [
            json!({ "state": "ready", "dry_run": true }),
            json!({ "state": "ready", "kind": "delete-user", "dry_run": true }),
            json!({ "state": "ready" }),
        ] {
            let done = api.post("/v1/jobs/cancel", &body).await.is(200).json();
            assert_eq!(done["matched"], 0, "{body}: {done}");
        }
        let refused = guestlist.run(&["jobs", "cancel", id(&job)]).await;
        assert_ne!(refused.code, Some(0), "{refused:?}");
        let dead = "UPDATE jobs SET state = 'dead' WHERE kind = 'delete-user'";
        assert_eq!(guestlist.database().execute(dead).await, 1);
        let done = api.post("/v1/jobs/dismiss", &json!({ "state": "dead" })).await.is(200).json();
        assert_eq!(done["matched"], 0, "{done}");
        let _ = api.post_nothing(&format!("/v1/jobs/{}/retry", id(&job))).await.is(200);
    })
    .await;
}

#[tokio::test]
async fn jobs_are_counted_by_state_and_by_queue() {
    on_every_engine(|engine| async move {
        let guestlist = Guestlist::dev(engine).start().await;
        let api = guestlist.api();
        let _ = rejected_invitation(&guestlist, "ada@example.com").await;
        let _ = guestlist.invite_and_mail("bob@example.com").await;
        guestlist.wait_for_jobs().await;
        let _ = api.post_nothing("/v1/queues/invitation/pause").await.is(200);
        for n in 0..2 {
            let _ = guestlist.invite(&format!("held{n}@example.com")).await;
        }
        let counts = api.get("/v1/jobs/counts").await.is(200).json();
        let exactly = |count: u64| json!({ "count": count, "capped": false });
        assert_eq!(counts["states"]["dead"], exactly(1), "{counts}");
        assert_eq!(counts["states"]["held"], exactly(2), "{counts}");
        assert_eq!(counts["states"]["ready"], exactly(0), "{counts}");
        assert_eq!(counts["states"]["cancelled"], exactly(0), "{counts}");
        assert!(counts["states"]["done"]["count"].as_u64().unwrap() >= 1, "{counts}");
        assert_eq!(counts["states"].as_object().unwrap().len(), 8, "{counts}");
        assert_eq!(counts["queues"]["invitation"], exactly(3), "neither done nor cancelled");
        assert_eq!(counts["queues"]["webhook"], exactly(0), "{counts}");
        assert_eq!(counts["queues"].as_object().unwrap().len(), 5, "{counts}");
    })
    .await;
}

#[tokio::test]
async fn only_administrators_see_whom_a_job_is_about() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let (invitation, _) = guestlist.invite_and_mail("ada@example.com").await;
    guestlist.wait_for_jobs().await;
    let done = "/ops/jobs?state=done";
    let mut admin = guestlist.admin().await;
    let page = admin.get(done).await.is(200).body;
    assert!(page.contains("ada@example.com"), "{page}");
    let page = guestlist.api().get(done).await.is(200).body;
    assert!(page.contains(id(&invitation)) && !page.contains("ada@example.com"), "{page}");

    for search in ["ada%40example.com", id(&invitation)] {
        let search = format!("/ops/jobs?q={search}");
        let found = admin.get(&search).await.is(303);
        assert_eq!(found.header("location"), Some(&*format!("/invitations/{}", id(&invitation))));
        let found = guestlist.api().get(&search).await.is(200).body;
        assert!(!found.contains("/invitations/"), "{found}");
    }
}
