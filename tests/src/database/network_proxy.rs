//! A TCP proxy between a program and its database.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A TCP proxy on loopback, which a test redirects or freezes.
#[derive(Debug)]
pub struct NetworkProxy {
    address: SocketAddr,
    target: Arc<watch::Sender<SocketAddr>>,
    frozen: Arc<watch::Sender<bool>>,
}

impl NetworkProxy {
    /// Starts a proxy that forwards each connection to an address.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let target = Arc::new(watch::Sender::new(target));
        let frozen = Arc::new(watch::Sender::new(false));
        let (to, frozen_by) = (Arc::clone(&target), Arc::clone(&frozen));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let to = *to.borrow();
                tokio::spawn(forward(client, to, frozen_by.subscribe()));
            }
        });
        Self { address, target, frozen }
    }

    /// Returns the address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Forwards new connections to another address, and leaves open ones as they are.
    pub fn redirect(&self, target: SocketAddr) {
        self.target.send_replace(target);
    }

    /// Stops or resumes forwarding in both directions, without closing connections.
    pub fn freeze(&self, frozen: bool) {
        self.frozen.send_replace(frozen);
    }
}

async fn forward(client: TcpStream, to: SocketAddr, mut frozen: watch::Receiver<bool>) {
    if frozen.wait_for(|frozen| !frozen).await.is_err() {
        return;
    }
    let Ok(server) = TcpStream::connect(to).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = copy(from_client, to_server, frozen.clone()) => {}
        () = copy(from_server, to_client, frozen) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: watch::Receiver<bool>) {
    let mut buffer = vec![0; 1 << 16];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let thawed = frozen.wait_for(|frozen| !frozen).await.is_ok();
        if !thawed || to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
