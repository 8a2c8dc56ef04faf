//! A webhook receiver that verifies signatures with an independent implementation.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use http_body_util::{BodyExt, Empty};
use hyper::{
    HeaderMap, Request, Response,
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{net::TcpListener, sync::mpsc, time};

pub(crate) struct Receiver {
    pub(crate) url: String,
    /// The statuses of the next responses; 204 afterwards.
    pub(crate) responses: Arc<Mutex<VecDeque<u16>>>,
    arrived: mpsc::UnboundedReceiver<Delivery>,
}

pub(crate) struct Delivery {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Receiver {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hooks?from=stytch", listener.local_addr().unwrap());
        let responses = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, arrived) = mpsc::unbounded_channel();
        let receiver = Self { url, responses: responses.clone(), arrived };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (responses, sender) = (responses.clone(), sender.clone());
                let service = service_fn(move |request: Request<Incoming>| {
                    receive(request, responses.clone(), sender.clone())
                });
                let connection = http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        receiver
    }

    /// Waits for the next delivery.
    pub(crate) async fn next(&mut self) -> Delivery {
        let arrived = time::timeout(Duration::from_secs(20), self.arrived.recv()).await;
        arrived.expect("a delivery").unwrap()
    }

    /// Returns whether there is no further delivery.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.arrived.try_recv().is_err()
    }
}

async fn receive(
    request: Request<Incoming>,
    responses: Arc<Mutex<VecDeque<u16>>>,
    sender: mpsc::UnboundedSender<Delivery>,
) -> hyper::Result<Response<Empty<Bytes>>> {
    assert_eq!((request.method().as_str(), request.uri().to_string()), ("POST", target()));
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let _ = sender.send(Delivery { headers: parts.headers, body });
    let status = responses.lock().unwrap().pop_front().unwrap_or(204);
    Ok(Response::builder().status(status).body(Empty::new()).unwrap())
}

fn target() -> String {
    "/hooks?from=stytch".to_owned()
}

impl Delivery {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn id(&self) -> String {
        self.header("svix-id").to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Returns source, action and user id, such as `("DIRECT", "CREATE", …)`.
    pub(crate) fn event(&self) -> (String, String, String) {
        let body = self.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        (text("source"), text("action"), text("id"))
    }

    /// Verifies the timestamp and the signature, as Svix's libraries do.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let timestamp: i64 = self.header("svix-timestamp").parse().unwrap();
        #[expect(clippy::disallowed_methods, reason = "receivers use the system's clock")]
        let now = jiff::Timestamp::now().as_second();
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = [format!("{}.{timestamp}.", self.id()).as_bytes(), &self.body].concat();
        let expected = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, &signed)));
        (now - timestamp).abs() < 300 && self.header("svix-signature") == expected
    }
}

/// HMAC (RFC 2104) for keys of at most one block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let inner = Sha256::digest([&block.map(|byte| byte ^ 0x36), message].concat());
    Sha256::digest([&block.map(|byte| byte ^ 0x5c)[..], &inner].concat()).to_vec()
}
