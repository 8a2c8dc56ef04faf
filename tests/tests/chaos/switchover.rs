//! A switchover, in which the old primary becomes read-only and new connections reach the new
//! primary; and a database that stops responding.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use guestlist_tests::{
    Caller, DatabaseServer, Engine, Guestlist, LONG, NetworkProxy, SHORT, Setup, id, wait_until,
};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{exclusive, wait_until_sent};

/// Returns the URL for a user without the privilege to write on a read-only server.
fn unprivileged_url(url: &str, address: std::net::SocketAddr) -> String {
    let mut url = reqwest::Url::parse(url).unwrap();
    url.set_username("plain").unwrap();
    url.set_password(Some("plain")).unwrap();
    url.set_ip_host(address.ip()).unwrap();
    url.set_port(Some(address.port())).unwrap();
    url.into()
}

/// Prepares an installation whose processes reach the server through a proxy.
async fn behind_proxy(proxy: &NetworkProxy, server: &DatabaseServer, setup: Setup) -> Guestlist {
    let mut guestlist = setup.on_server(&server.url()).prepare().await;
    let url = unprivileged_url(&guestlist.database().url, proxy.address());
    guestlist.set_env("DATABASE_URL", &url);
    guestlist
}

/// Clients that request invitations one after the other, until told to stop.
struct Load {
    clients: JoinSet<BTreeSet<String>>,
    accepted: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
}

impl Load {
    const CLIENTS: usize = 8;

    fn start(guestlist: &Guestlist) -> Self {
        let (accepted, is_over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let mut clients = JoinSet::new();
        for client in 0..Self::CLIENTS {
            let (api, accepted, is_over) = (guestlist.api(), accepted.clone(), is_over.clone());
            clients.spawn(async move {
                let mut ids = BTreeSet::new();
                for n in 0.. {
                    if is_over.load(Ordering::SeqCst) {
                        break;
                    }
                    let email = json!({ "email": format!("guest{n}.of{client}@example.com") });
                    let response = api.post("/v1/invitations", &email).await;
                    match response.status {
                        202 => {
                            accepted.fetch_add(1, Ordering::SeqCst);
                            ids.insert(id(&response.json()).to_owned());
                        }
                        _ => drop(response.problem(503, "database_unavailable")),
                    }
                }
                ids
            });
        }
        Self { clients, accepted, is_over }
    }

    /// Returns the ids of the invitations that were accepted.
    async fn stop(self) -> BTreeSet<String> {
        self.is_over.store(true, Ordering::SeqCst);
        self.clients.join_all().await.into_iter().flatten().collect()
    }
}

#[tokio::test]
async fn writes_succeed_again_soon_after_a_switchover() {
    let _exclusive = exclusive().await;
    for engine in Engine::with_server() {
        let mut old = DatabaseServer::start(engine).await;
        let proxy = NetworkProxy::start(old.address()).await;
        let mut guestlist = behind_proxy(&proxy, &old, Guestlist::split(engine).workers(1)).await;
        guestlist.start().await;
        guestlist.wait_for_jobs().await;
        let new = old.copy().await;
        guestlist.wait_until_ready().await;

        // Every pooled connection leads to the old primary when that becomes read-only.
        let _ = guestlist.invite("before@example.com").await;
        old.execute_as_root("SET GLOBAL read_only = ON");
        let refused = json!({ "email": "refused@example.com" });
        let refused = guestlist.api().post("/v1/invitations", &refused).await;
        let _ = refused.problem(503, "database_unavailable");
        let _ = guestlist.anonymous().get("/readyz").await.is(503);
        let status = guestlist.api().get("/v1/status").await.is(200).json();
        let summary = status["summary"].as_str().unwrap();
        assert!(summary.contains("the database refuses writes"), "{summary}");

        let load = Load::start(&guestlist);
        proxy.redirect(new.address());
        let switched = Instant::now();
        wait_until(Duration::from_secs(30), "every client's writes succeed", async || {
            (load.accepted.load(Ordering::SeqCst) > 5 * Load::CLIENTS).then_some(())
        })
        .await;
        println!("{engine}: writes succeed {:?} after the switchover", switched.elapsed());
        for id in load.stop().await {
            // Fails if the invitation was acknowledged and lost.
            let _ = guestlist.invitation(&id).await;
        }
        wait_until(Duration::from_secs(30), "the status is SENDING", async || {
            let status = guestlist.api().get("/v1/status").await.is(200).json();
            status["summary"].as_str().unwrap().starts_with("SENDING").then_some(())
        })
        .await;
        let after = guestlist.invite("settled@example.com").await;
        let _ = guestlist.wait_for_status(id(&after), "sent").await;
    }
}

#[tokio::test]
async fn a_frozen_database_is_noticed_and_used_again() {
    let _exclusive = exclusive().await;
    for engine in Engine::with_server() {
        let server = DatabaseServer::start(engine).await;
        let proxy = NetworkProxy::start(server.address()).await;
        let mut guestlist =
            behind_proxy(&proxy, &server, Guestlist::split(engine).workers(1)).await;
        guestlist.start().await;
        let visitor = guestlist.member("ada@example.com").await.caller();
        // The application caches the authentication of this caller.
        let _ = guestlist.api().get("/metrics").await.is(200);
        proxy.freeze(true);
        let frozen = Instant::now();
        let _ = guestlist.anonymous().get("/readyz").await.is(503);
        println!("{engine}: noticed after {:?}", frozen.elapsed());
        assert!(frozen.elapsed() < Duration::from_secs(10), "Prometheus gives up by then");
        let worker = Caller::new(&guestlist.worker_urls[0]);
        wait_until(SHORT, "the worker's metrics report it", async || {
            let metrics = worker.get("/metrics").await.is(200);
            metrics.body.contains("guestlist_database_up 0").then_some(())
        })
        .await;

        // From now on responses are immediate.
        let asked = Instant::now();
        for _ in 0..5 {
            let _ = guestlist.anonymous().get("/readyz").await.is(503);
            let session = visitor.get("/v1/session").await.is(503);
            assert!(session.header("retry-after").is_some(), "{session:?}");
            let _ = guestlist.api().get("/v1/users").await.is(503);
            let _ = worker.get("/metrics").await.is(200);
            let metrics = guestlist.api().get("/metrics").await.is(200);
            assert!(metrics.body.contains("guestlist_database_up 0"), "{}", metrics.body);
        }
        assert!(asked.elapsed() < Duration::from_secs(20), "20 answers in {:?}", asked.elapsed());

        proxy.freeze(false);
        guestlist.wait_until_ready().await;
        let _ = visitor.get("/v1/session").await.is(200);
        let _ = guestlist.invite("afterwards@example.com").await;
        wait_until_sent(&guestlist, 1, LONG).await;
    }
}
