//! Wakes a worker in another process by a UDP datagram that contains the worker's name. A datagram
//! may be lost: the job is then claimed at the worker's next poll.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use sea_orm::DatabaseConnection;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Waker;
use crate::{options::Options, queue::worker_registry::wake_addresses};

/// The shortest interval between two datagrams of a sender, and between two wakes of a receiver. A
/// job after an idle time is announced immediately; under load, one claim serves many commits.
const MIN_INTERVAL: Duration = Duration::from_millis(20);
/// How long the addresses that were read are used.
const READ_INTERVAL: Duration = Duration::from_secs(5);
/// How long no addresses are read again if there were none.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// The most datagrams that are read before a wake. A system buffers fewer.
const MAX_READ: usize = 1_000;
/// One byte more than the longest worker's name, so that a longer datagram does not match.
const BUFFER_LENGTH: usize = 65;

/// Passes each wake of `waker` on to one worker of another process, chosen at random among those
/// with an [`Options::wake_socket`], until the future is dropped.
///
/// For a process that enqueues jobs and has no worker: a worker of the same process is woken by its
/// own [`Waker`]. Sends at most one datagram in 20 ms, and reads the workers' addresses at most once
/// in 5 seconds (half a second while there are none), only after a wake. A loopback address is used only if the worker's host name is
/// this machine's.
///
/// One worker is enough, because the others would mostly find that job claimed, at the cost of a
/// statement each. If it has no free slot or does not receive the datagram, a poll finds the job.
pub fn wake_other_processes(
    conn: DatabaseConnection,
    waker: &Waker,
) -> impl Future<Output = ()> + Send + use<> {
    let mut receiver = waker.subscribe();
    async move {
        let (mut workers, mut read_at) = (Vec::new(), None::<Instant>);
        loop {
            receiver.recv().await;
            let interval = if workers.is_empty() { RETRY_INTERVAL } else { READ_INTERVAL };
            if read_at.is_none_or(|at| at.elapsed() > interval) {
                read_at = Some(Instant::now());
                workers = read_addresses(&conn).await;
            }
            wake_one(&mut workers);
            tokio::time::sleep(MIN_INTERVAL).await;
        }
    }
}

async fn read_addresses(conn: &DatabaseConnection) -> Vec<(String, SocketAddr)> {
    match timeout(READ_INTERVAL, wake_addresses(conn)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => {
            tracing::debug!(%error, "the workers' addresses could not be read");
            Vec::new()
        }
        Err(_) => Vec::new(),
    }
}

/// Sends a datagram to one worker. Removes those that can't be reached.
fn wake_one(workers: &mut Vec<(String, SocketAddr)>) {
    while !workers.is_empty() {
        let index = rand::random_range(..workers.len());
        let (name, address) = &workers[index];
        match send(name, *address) {
            Ok(()) => return,
            Err(error) => {
                tracing::debug!(%error, worker = %name, "the worker could not be woken");
                workers.swap_remove(index);
            }
        }
    }
}

/// Sends a datagram. On a loopback address, fails if no process listens there.
fn send(worker: &str, address: SocketAddr) -> io::Result<()> {
    let local: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((local, 0))?;
    socket.set_nonblocking(true)?;
    socket.connect(address)?;
    socket.send(worker.as_bytes())?;
    // A refusal arrives before `send` returns if it comes from the same machine.
    socket.take_error()?.map_or(Ok(()), Err)
}

/// Wakes the worker for datagrams that contain its name, until `stop`.
pub(crate) async fn receive(options: Arc<Options>, stop: CancellationToken) {
    let Some(socket) = &options.wake_socket else { return };
    let mut datagram = [0; BUFFER_LENGTH];
    while let Some(received) = stop.run_until_cancelled(socket.recv(&mut datagram)).await {
        let is_name = |datagram: &[u8]| datagram == options.worker.as_bytes();
        let mut is_addressed = received.is_ok_and(|length| is_name(&datagram[..length]));
        for _ in 0..MAX_READ {
            let Ok(length) = socket.try_recv(&mut datagram) else { break };
            is_addressed |= is_name(&datagram[..length]);
        }
        if is_addressed {
            options.waker.wake();
        }
        tokio::time::sleep(MIN_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_worker_is_woken_only_by_datagrams_that_are_its_name() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let address = socket.local_addr().unwrap();
        let own = tokio::net::UdpSocket::from_std(socket.try_clone().unwrap()).unwrap();
        let options = Options { wake_socket: Some(own.into()), ..Options::new("ann", ["mail"]) };
        let mut wakes = options.waker.subscribe();
        let receiver = tokio::spawn(receive(Arc::new(options), CancellationToken::new()));

        for foreign in ["", "bob", "an", "anna", &"ann".repeat(30)] {
            send(foreign, address).unwrap();
        }
        while socket.peek(&mut [0]).is_ok() {
            tokio::task::yield_now().await;
        }
        assert!(!wakes.0.has_changed().unwrap());

        send("ann", address).unwrap();
        wakes.recv().await;
        receiver.abort();
    }

    #[test]
    fn a_worker_that_does_not_listen_is_skipped() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let gone = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        for _ in 0..20 {
            let ann = ("ann".to_owned(), socket.local_addr().unwrap());
            let mut workers = vec![("gone".to_owned(), gone), ann];
            wake_one(&mut workers);
            let mut datagram = [0; 100];
            assert_eq!(socket.recv(&mut datagram).unwrap(), 3);
        }
    }
}
