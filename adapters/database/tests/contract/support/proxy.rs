//! A TCP proxy in front of a database server that interrupts connections where a test asks for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

#[derive(Clone)]
pub(crate) struct Proxy {
    port: u16,
    fault: Arc<AtomicU8>,
    countdown: Arc<AtomicU32>,
    commit_held: Arc<Notify>,
    commit_released: Arc<Notify>,
}

/// What the proxy does next. All but [`Fault::Closed`] end with their first use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    /// Forwards everything.
    None,
    /// Forwards the next COMMIT and closes the connection before its answer arrives.
    AfterCommit,
    /// Closes the connection before the next COMMIT is forwarded.
    BeforeCommit,
    /// Holds the next COMMIT until [`Proxy::release_commit`] is called.
    HoldCommit,
    /// Closes and refuses all connections.
    Closed,
    /// Forwards the chunk at which the countdown ends, then closes the connection.
    AfterCountdown,
    /// Closes the connection instead of forwarding the chunk at which the countdown ends.
    BeforeCountdown,
}

impl Fault {
    const ALL: [Self; 7] = [
        Self::None,
        Self::AfterCommit,
        Self::BeforeCommit,
        Self::HoldCommit,
        Self::Closed,
        Self::AfterCountdown,
        Self::BeforeCountdown,
    ];
}

impl Proxy {
    /// Starts a proxy in front of a server's port.
    pub(crate) async fn start(server_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            port: listener.local_addr().unwrap().port(),
            fault: Arc::default(),
            countdown: Arc::default(),
            commit_held: Arc::default(),
            commit_released: Arc::default(),
        };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if accepting.fault() != Fault::Closed {
                    tokio::spawn(accepting.clone().forward(client, server_port));
                }
            }
        });
        proxy
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn fault(&self) -> Fault {
        Fault::ALL[usize::from(self.fault.load(Ordering::SeqCst))]
    }

    pub(crate) fn set(&self, fault: Fault) {
        self.fault.store(fault as u8, Ordering::SeqCst);
    }

    /// Sets a fault that occurs after `chunks` chunks of bytes from the client.
    pub(crate) fn set_after(&self, chunks: u32, fault: Fault) {
        self.countdown.store(chunks, Ordering::SeqCst);
        self.set(fault);
    }

    /// Waits until [`Fault::HoldCommit`] holds a COMMIT.
    pub(crate) async fn commit_held(&self) {
        self.commit_held.notified().await;
    }

    pub(crate) fn release_commit(&self) {
        self.commit_released.notify_one();
    }

    async fn forward(self, client: TcpStream, server_port: u16) {
        let server = TcpStream::connect(("127.0.0.1", server_port)).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let answers = tokio::spawn(async move {
            let _ = tokio::io::copy(&mut from_server, &mut to_client).await;
        });
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
            let chunk = &buffer[..length];
            let is_commit = chunk.windows(7).any(|bytes| bytes == b"\x03COMMIT");
            match self.fault() {
                Fault::Closed => break,
                Fault::BeforeCommit if is_commit => {
                    self.set(Fault::None);
                    break;
                }
                fault @ (Fault::AfterCountdown | Fault::BeforeCountdown)
                    if self.countdown.fetch_sub(1, Ordering::SeqCst) == 0 =>
                {
                    self.set(Fault::None);
                    if fault == Fault::AfterCountdown {
                        let _ = to_server.write_all(chunk).await;
                    }
                    break;
                }
                Fault::HoldCommit if is_commit => {
                    self.set(Fault::None);
                    self.commit_held.notify_one();
                    self.commit_released.notified().await;
                    to_server.write_all(chunk).await.unwrap();
                }
                Fault::AfterCommit if is_commit => {
                    self.set(Fault::None);
                    answers.abort();
                    let _ = to_server.write_all(chunk).await;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    break;
                }
                _ => to_server.write_all(chunk).await.unwrap(),
            }
        }
        answers.abort();
    }
}
