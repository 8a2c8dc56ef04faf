//! When the keys are fetched, and what is said while they can't be.

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
    minter::{Key, NEXT, OURS, THEIRS, claims, jwks},
    stub::{Reply, Stub, answer, clock, impatient, json as says, provider},
};

/// Stytch, whose answer can be changed, and a provider whose time can be moved on.
struct Stage {
    stub: Stub,
    reply: Arc<Mutex<Reply>>,
    clock: Arc<ManualClock>,
    provider: StytchProvider,
}

impl Stage {
    async fn serving(keys: &[&Key]) -> Self {
        let reply = Arc::new(Mutex::new(says(200, &jwks(keys))));
        let shared = Arc::clone(&reply);
        let stub = Stub::start(move |_| shared.lock().unwrap().clone()).await;
        let clock = Arc::new(clock());
        let provider = provider(&stub.url, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { stub, reply, clock, provider }
    }

    fn serve(&self, keys: &[&Key]) {
        self.reply(says(200, &jwks(keys)));
    }

    fn break_down(&self) {
        self.reply(answer(503, "", ""));
    }

    fn reply(&self, reply: Reply) {
        *self.reply.lock().unwrap() = reply;
    }

    async fn verify(&self, key: &Key) -> Result<bool, JwtError> {
        let jwt = key.jwt(self.clock.now());
        let now = self.clock.now();
        self.provider.verify_jwt(&jwt).await.map(|claims| now < claims.expires_at)
    }

    async fn is_good(&self, key: &Key) -> bool {
        self.verify(key).await.unwrap_or(false)
    }

    async fn is_invalid(&self, key: &Key) -> bool {
        matches!(self.verify(key).await, Err(JwtError::Invalid))
    }

    async fn is_unknown(&self, key: &Key) -> bool {
        matches!(self.verify(key).await, Err(JwtError::KeysUnavailable))
    }

    fn fetches(&self) -> usize {
        self.stub.asked().len()
    }

    fn wait(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

#[tokio::test]
async fn a_new_key_is_found_by_one_fetch_and_the_old_one_stays_good() {
    let stage = Stage::serving(&[&OURS]).await;
    assert!(stage.is_good(&OURS).await);
    stage.serve(&[&OURS, &NEXT]);
    assert!(stage.is_good(&NEXT).await);
    assert!(stage.is_good(&OURS).await);
    assert!(stage.is_good(&NEXT).await);
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn made_up_key_ids_cause_no_storm_and_do_not_hide_a_new_key_for_long() {
    let stage = Stage::serving(&[&OURS]).await;
    assert!(stage.is_good(&OURS).await);
    for n in 0..50 {
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": format!("made-up-{n}")});
        let jwt = THEIRS.sign(&header, &claims(stage.clock.now()));
        assert!(matches!(stage.provider.verify_jwt(&jwt).await, Err(JwtError::Invalid)));
    }
    assert_eq!(stage.fetches(), 2);

    stage.serve(&[&OURS, &NEXT]);
    stage.wait(29);
    assert!(stage.is_invalid(&NEXT).await);
    stage.wait(1);
    assert!(stage.is_good(&NEXT).await);
    assert_eq!(stage.fetches(), 3);
}

#[tokio::test]
async fn old_keys_are_fetched_anew_and_a_withdrawn_one_is_good_no_more() {
    let stage = Stage::serving(&[&OURS, &NEXT]).await;
    assert!(stage.is_good(&OURS).await);
    stage.serve(&[&NEXT]);
    stage.wait(299);
    assert!(stage.is_good(&OURS).await);
    assert_eq!(stage.fetches(), 1);
    stage.wait(1);
    assert!(stage.is_invalid(&OURS).await);
    assert!(stage.is_good(&NEXT).await);
}

#[tokio::test]
async fn old_keys_serve_while_new_ones_can_not_be_had() {
    let stage = Stage::serving(&[&OURS]).await;
    assert!(stage.is_good(&OURS).await);
    stage.break_down();
    stage.wait(86_400);
    assert!(stage.is_good(&OURS).await);
    assert!(stage.is_good(&OURS).await);
    assert_eq!(stage.fetches(), 2, "it is tried again, but not each time");
    stage.wait(30);
    assert!(stage.is_good(&OURS).await);
    assert_eq!(stage.fetches(), 3);
    assert!(!stage.is_good(&THEIRS).await, "and they still judge");

    stage.serve(&[&NEXT]);
    stage.wait(30);
    assert!(stage.is_invalid(&OURS).await);
}

#[tokio::test]
async fn an_unknown_key_is_not_called_false_while_the_keys_can_not_be_had() {
    let stage = Stage::serving(&[&OURS]).await;
    assert!(stage.is_good(&OURS).await);
    stage.break_down();
    assert!(stage.is_unknown(&NEXT).await);
    assert!(stage.is_unknown(&NEXT).await);
    assert_eq!(stage.fetches(), 2);
    assert!(stage.is_good(&OURS).await);
}

#[tokio::test]
async fn without_keys_nothing_is_read_and_with_the_first_all_is_well() {
    let stage = Stage::serving(&[]).await;
    for reply in [
        says(200, &jwks(&[])),
        says(200, &json!({"keys": [{"kid": "a"}, 7, {"kid": "b", "kty": "EC", "n": "", "e": ""}]})),
        says(200, &json!({"keys": null})),
        answer(200, "content-type: text/html\r\n", "<h1>Hello</h1>"),
        answer(503, "", ""),
        Reply::Close,
    ] {
        stage.reply(reply);
        assert!(stage.is_unknown(&OURS).await);
        stage.wait(1);
    }
    stage.serve(&[&OURS]);
    assert!(stage.is_good(&OURS).await);
}

#[tokio::test]
async fn while_there_are_no_keys_they_are_fetched_once_a_second_however_many_ask() {
    let stage = Stage::serving(&[]).await;
    stage.break_down();
    for fetches in 1..4 {
        for key in [&OURS, &NEXT, &THEIRS, &OURS] {
            assert!(stage.is_unknown(key).await);
        }
        assert_eq!(stage.fetches(), fetches);
        stage.wait(1);
    }
}

#[tokio::test]
async fn an_empty_set_does_not_take_the_place_of_a_good_one() {
    let stage = Stage::serving(&[&OURS]).await;
    assert!(stage.is_good(&OURS).await);
    stage.serve(&[]);
    stage.wait(300);
    assert!(stage.is_good(&OURS).await);
    assert_eq!(stage.fetches(), 2);
}

#[tokio::test]
async fn a_strange_key_does_not_spoil_the_others() {
    let stage = Stage::serving(&[]).await;
    let mut set = jwks(&[&OURS]);
    let strange = json!({"kty": "OKP", "crv": "Ed25519", "kid": "x", "x": "…"});
    set["keys"].as_array_mut().unwrap().insert(0, strange);
    stage.reply(says(200, &set));
    assert!(stage.is_good(&OURS).await);
}

#[tokio::test]
async fn a_key_for_something_else_is_no_key() {
    for (member, value) in [("use", "enc"), ("alg", "RS512"), ("kty", "EC")] {
        let stage = Stage::serving(&[]).await;
        let mut set = jwks(&[&OURS, &NEXT]);
        set["keys"][0][member] = value.into();
        stage.reply(says(200, &set));
        assert!(stage.is_invalid(&OURS).await, "{member}");
        assert!(stage.is_good(&NEXT).await, "{member}");
    }
}

#[tokio::test]
async fn many_at_once_cause_one_fetch() {
    let stage = Stage::serving(&[&OURS]).await;
    let all = |key: &'static Key| {
        let calls = (0..20).map(|_| stage.verify(key));
        futures::future::join_all(calls)
    };
    assert!(all(&OURS).await.into_iter().all(|answer| answer.unwrap()));
    assert_eq!(stage.fetches(), 1);
    stage.serve(&[&OURS, &NEXT]);
    assert!(all(&NEXT).await.into_iter().all(|answer| answer.unwrap()));
    assert_eq!(stage.fetches(), 2);
    stage.wait(300);
    assert!(all(&OURS).await.into_iter().all(|answer| answer.unwrap()));
    assert_eq!(stage.fetches(), 3);
}

#[tokio::test]
async fn only_one_waits_for_the_keys_to_be_renewed() {
    let stage = Stage::serving(&[&OURS]).await;
    assert!(stage.is_good(&OURS).await);
    stage.wait(300);
    stage.reply(Reply::Hang);
    let mut first = Box::pin(stage.verify(&OURS));
    while futures::poll!(&mut first).is_pending() && stage.fetches() == 1 {
        tokio::task::yield_now().await;
    }
    assert!(stage.is_good(&OURS).await);
    assert!(futures::poll!(&mut first).is_pending());
}

#[tokio::test]
async fn many_at_once_share_a_failure_too() {
    let stage = Stage::serving(&[]).await;
    stage.break_down();
    let calls = (0..20).map(|_| stage.verify(&OURS));
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(JwtError::KeysUnavailable))));
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn whoever_gives_up_does_not_stop_the_fetch_for_the_others() {
    let stage = Stage::serving(&[&OURS]).await;
    let mut first = Box::pin(stage.verify(&OURS));
    while futures::poll!(&mut first).is_pending() && stage.fetches() == 0 {
        tokio::task::yield_now().await;
    }
    // The request is out, the answer is not in, and its caller goes away.
    drop(first);
    assert!(stage.is_good(&OURS).await);
    assert_eq!(stage.fetches(), 1);
}

#[tokio::test]
async fn keys_that_do_not_come_in_time_are_not_waited_for() {
    let stub = Stub::saying(Reply::Hang).await;
    let answer = impatient(&stub.url).verify_jwt(&OURS.jwt(clock().now())).await;
    assert!(matches!(answer, Err(JwtError::KeysUnavailable)));
    assert_eq!(stub.asked().len(), 1, "a request that was sent is not sent again");
}

#[tokio::test]
async fn a_connection_that_fails_is_tried_once_more() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    // Where TLS is expected, so a connection that ends at once is none.
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            count.fetch_add(1, Ordering::SeqCst);
        }
    });
    let provider = provider(&url, Arc::new(clock()));
    let answer = provider.verify_jwt(&OURS.jwt(clock().now())).await;
    assert!(matches!(answer, Err(JwtError::KeysUnavailable)));
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}
