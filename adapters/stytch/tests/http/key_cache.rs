//! Caching of JWT keys.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use guestlist_domain::{Clock, IdentityProvider, JwtError, ManualClock};
use guestlist_stytch::StytchProvider;
use serde_json::json;
use tokio::net::TcpListener;

use crate::{
    signing_keys::{CURRENT_KEY, FOREIGN_KEY, Key, NEXT_KEY, claims, jwks},
    stub_server::{
        Reply, StubServer, clock, json_response, provider, provider_with_short_timeout, response,
    },
};

/// A server whose response can be changed, and a provider with a manual clock.
struct KeyServer {
    server: StubServer,
    reply: Arc<Mutex<Reply>>,
    clock: Arc<ManualClock>,
    provider: StytchProvider,
}

impl KeyServer {
    async fn serving(keys: &[&Key]) -> Self {
        let reply = Arc::new(Mutex::new(json_response(200, &jwks(keys))));
        let shared = Arc::clone(&reply);
        let server = StubServer::start(move |_| shared.lock().unwrap().clone()).await;
        let clock = Arc::new(clock());
        let provider = provider(&server.url, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { server, reply, clock, provider }
    }

    fn serve(&self, keys: &[&Key]) {
        self.reply(json_response(200, &jwks(keys)));
    }

    fn fail(&self) {
        self.reply(response(503, "", ""));
    }

    fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    async fn verify(&self, key: &Key) -> Result<bool, JwtError> {
        let jwt = key.jwt(self.clock.now());
        let now = self.clock.now();
        self.provider.verify_jwt(&jwt).await.map(|claims| now < claims.expires_at)
    }

    async fn is_valid(&self, key: &Key) -> bool {
        self.verify(key).await.unwrap_or(false)
    }

    async fn is_invalid(&self, key: &Key) -> bool {
        matches!(self.verify(key).await, Err(JwtError::Invalid))
    }

    async fn is_unknown(&self, key: &Key) -> bool {
        matches!(self.verify(key).await, Err(JwtError::KeysUnavailable))
    }

    fn fetches(&self) -> usize {
        self.server.requests().len()
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn a_new_key_is_found_with_one_fetch_and_the_old_key_stays_valid() {
    let server = KeyServer::serving(&[&CURRENT_KEY]).await;
    assert!(server.is_valid(&CURRENT_KEY).await);
    server.serve(&[&CURRENT_KEY, &NEXT_KEY]);
    assert!(server.is_valid(&NEXT_KEY).await);
    assert!(server.is_valid(&CURRENT_KEY).await);
    assert!(server.is_valid(&NEXT_KEY).await);
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn unknown_key_ids_cause_one_fetch_per_cool_down() {
    let server = KeyServer::serving(&[&CURRENT_KEY]).await;
    assert!(server.is_valid(&CURRENT_KEY).await);
    for n in 0..50 {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": format!("made-up-{n}")});
        let jwt = FOREIGN_KEY.sign(&header, &claims(server.clock.now()));
        assert!(matches!(server.provider.verify_jwt(&jwt).await, Err(JwtError::Invalid)));
    }
    assert_eq!(server.fetches(), 2);

    server.serve(&[&CURRENT_KEY, &NEXT_KEY]);
    server.wait(29);
    assert!(server.is_invalid(&NEXT_KEY).await);
    server.wait(1);
    assert!(server.is_valid(&NEXT_KEY).await);
    assert_eq!(server.fetches(), 3);
}

#[tokio::test]
async fn keys_are_fetched_again_after_five_minutes_and_a_withdrawn_key_becomes_invalid() {
    let server = KeyServer::serving(&[&CURRENT_KEY, &NEXT_KEY]).await;
    assert!(server.is_valid(&CURRENT_KEY).await);
    server.serve(&[&NEXT_KEY]);
    server.wait(299);
    assert!(server.is_valid(&CURRENT_KEY).await);
    assert_eq!(server.fetches(), 1);
    server.wait(1);
    assert!(server.is_invalid(&CURRENT_KEY).await);
    assert!(server.is_valid(&NEXT_KEY).await);
}

#[tokio::test]
async fn cached_keys_are_used_while_fetches_fail() {
    let server = KeyServer::serving(&[&CURRENT_KEY]).await;
    assert!(server.is_valid(&CURRENT_KEY).await);
    server.fail();
    server.wait(86_400);
    assert!(server.is_valid(&CURRENT_KEY).await);
    assert!(server.is_valid(&CURRENT_KEY).await);
    assert_eq!(server.fetches(), 2, "fetches are repeated only after the cool-down");
    server.wait(30);
    assert!(server.is_valid(&CURRENT_KEY).await);
    assert_eq!(server.fetches(), 3);
    assert!(!server.is_valid(&FOREIGN_KEY).await, "cached keys still reject others");

    server.serve(&[&NEXT_KEY]);
    server.wait(30);
    assert!(server.is_invalid(&CURRENT_KEY).await);
}

#[tokio::test]
async fn an_unknown_key_is_not_invalid_while_fetches_fail() {
    let server = KeyServer::serving(&[&CURRENT_KEY]).await;
    assert!(server.is_valid(&CURRENT_KEY).await);
    server.fail();
    assert!(server.is_unknown(&NEXT_KEY).await);
    assert!(server.is_unknown(&NEXT_KEY).await);
    assert_eq!(server.fetches(), 2);
    assert!(server.is_valid(&CURRENT_KEY).await);
}

#[tokio::test]
async fn no_jwt_is_accepted_before_the_first_usable_key_is_fetched() {
    let server = KeyServer::serving(&[]).await;
    for reply in [
        json_response(200, &jwks(&[])),
        json_response(
            200,
            &json!({"keys": [{"kid": "a"}, 7, {"kid": "b", "kty": "EC", "n": "", "e": ""}]}),
        ),
        json_response(200, &json!({"keys": null})),
        response(200, "content-type: text/html\r\n", "<h1>Hello</h1>"),
        response(503, "", ""),
        Reply::Close,
    ] {
        server.reply(reply);
        assert!(server.is_unknown(&CURRENT_KEY).await);
        server.wait(1);
    }
    server.serve(&[&CURRENT_KEY]);
    assert!(server.is_valid(&CURRENT_KEY).await);
}

#[tokio::test]
async fn without_keys_they_are_fetched_at_most_once_per_second() {
    let server = KeyServer::serving(&[]).await;
    server.fail();
    for fetches in 1..4 {
        for key in [&CURRENT_KEY, &NEXT_KEY, &FOREIGN_KEY, &CURRENT_KEY] {
            assert!(server.is_unknown(key).await);
        }
        assert_eq!(server.fetches(), fetches);
        server.wait(1);
    }
}

#[tokio::test]
async fn an_empty_key_set_does_not_replace_cached_keys() {
    let server = KeyServer::serving(&[&CURRENT_KEY]).await;
    assert!(server.is_valid(&CURRENT_KEY).await);
    server.serve(&[]);
    server.wait(300);
    assert!(server.is_valid(&CURRENT_KEY).await);
    assert_eq!(server.fetches(), 2);
}

#[tokio::test]
async fn an_unsupported_key_does_not_affect_others() {
    let server = KeyServer::serving(&[]).await;
    let mut set = jwks(&[&CURRENT_KEY]);
    let unsupported = json!({"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "…"});
    set["keys"].as_array_mut().unwrap().insert(0, unsupported);
    server.reply(json_response(200, &set));
    assert!(server.is_valid(&CURRENT_KEY).await);
}

#[tokio::test]
async fn a_key_for_another_purpose_is_not_used() {
    for (member, value) in [("use", "enc"), ("alg", "RS512"), ("kty", "EC")] {
        let server = KeyServer::serving(&[]).await;
        let mut set = jwks(&[&CURRENT_KEY, &NEXT_KEY]);
        set["keys"][0][member] = value.into();
        server.reply(json_response(200, &set));
        assert!(server.is_invalid(&CURRENT_KEY).await, "{member}");
        assert!(server.is_valid(&NEXT_KEY).await, "{member}");
    }
}

#[tokio::test]
async fn concurrent_requests_cause_one_fetch() {
    let server = KeyServer::serving(&[&CURRENT_KEY]).await;
    let all = |key: &'static Key| {
        let calls = (0..20).map(|_| server.verify(key));
        futures::future::join_all(calls)
    };
    assert!(all(&CURRENT_KEY).await.into_iter().all(|result| result.unwrap()));
    assert_eq!(server.fetches(), 1);
    server.serve(&[&CURRENT_KEY, &NEXT_KEY]);
    assert!(all(&NEXT_KEY).await.into_iter().all(|result| result.unwrap()));
    assert_eq!(server.fetches(), 2);
    server.wait(300);
    assert!(all(&CURRENT_KEY).await.into_iter().all(|result| result.unwrap()));
    assert_eq!(server.fetches(), 3);
}

#[tokio::test]
async fn only_one_request_waits_while_old_keys_are_fetched_again() {
    let server = KeyServer::serving(&[&CURRENT_KEY]).await;
    assert!(server.is_valid(&CURRENT_KEY).await);
    server.wait(300);
    server.reply(Reply::Hang);
    let mut first = Box::pin(server.verify(&CURRENT_KEY));
    while futures::poll!(&mut first).is_pending() && server.fetches() == 1 {
        tokio::task::yield_now().await;
    }
    assert!(server.is_valid(&CURRENT_KEY).await);
    assert!(futures::poll!(&mut first).is_pending());
}

#[tokio::test]
async fn concurrent_requests_share_a_failed_fetch() {
    let server = KeyServer::serving(&[]).await;
    server.fail();
    let calls = (0..20).map(|_| server.verify(&CURRENT_KEY));
    let results = futures::future::join_all(calls).await;
    assert!(results.iter().all(|result| matches!(result, Err(JwtError::KeysUnavailable))));
    assert_eq!(server.fetches(), 1);
}

#[tokio::test]
async fn cancelling_a_request_does_not_cancel_its_fetch() {
    let server = KeyServer::serving(&[&CURRENT_KEY]).await;
    let mut first = Box::pin(server.verify(&CURRENT_KEY));
    while futures::poll!(&mut first).is_pending() && server.fetches() == 0 {
        tokio::task::yield_now().await;
    }
    // The caller is dropped after the request was sent and before the response has arrived.
    drop(first);
    assert!(server.is_valid(&CURRENT_KEY).await);
    assert_eq!(server.fetches(), 1);
}

#[tokio::test]
async fn a_fetch_times_out_and_is_not_repeated() {
    let server = StubServer::always(Reply::Hang).await;
    let result =
        provider_with_short_timeout(&server.url).verify_jwt(&CURRENT_KEY.jwt(clock().now())).await;
    assert!(matches!(result, Err(JwtError::KeysUnavailable)));
    assert_eq!(server.requests().len(), 1, "a request that was sent is not sent again");
}

#[tokio::test]
async fn a_failed_connection_is_retried_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // TLS fails on a connection that is closed immediately.
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let provider = provider(&url, Arc::new(clock()));
    let result = provider.verify_jwt(&CURRENT_KEY.jwt(clock().now())).await;
    assert!(matches!(result, Err(JwtError::KeysUnavailable)));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
