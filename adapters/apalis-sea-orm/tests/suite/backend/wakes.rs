//! Wakes from other processes. `processes` measures how fast they are.

use std::{sync::Arc, time::Duration};

use apalis_sea_orm::{
    ClaimedJob, JobQueue, Options, QueueBackend, Waker, entity::worker, wake_other_processes,
};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait},
};
use tokio::{net::UdpSocket, task::JoinHandle, time::timeout};

use crate::harness::{TestDb, each, job, options, start, stop, wait_for_state};

async fn handle(_: ClaimedJob) {}

/// A worker that polls too rarely for any of these tests.
async fn listening(db: &TestDb, name: &str, address: &str) -> (JobQueue, Arc<UdpSocket>) {
    let socket = Arc::new(UdpSocket::bind(address).await.unwrap());
    let wake_socket = Some(Arc::clone(&socket));
    let poll = Duration::from_mins(10);
    (db.queue_with(Options { poll, wake_socket, ..options(name) }), socket)
}

/// Reports a worker that does not run, and returns the socket at which it would be woken.
async fn reported(db: &TestDb, name: &str, address: &str) -> Arc<UdpSocket> {
    let (queue, socket) = listening(db, name, address).await;
    queue.report().await.unwrap();
    socket
}

async fn set(db: &TestDb, name: &str, column: worker::Column, value: impl Into<Expr>) {
    let update = worker::Entity::update_many().col_expr(column, value.into());
    update.filter(worker::Column::Id.eq(name)).exec(&db.write).await.unwrap();
}

/// Sends wakes, as a process without a worker does, until the task is aborted.
fn sender(db: &TestDb) -> (Waker, JoinHandle<()>) {
    let waker = Waker::default();
    let task = tokio::spawn(wake_other_processes(db.read.clone(), &waker));
    (waker, task)
}

async fn received(socket: &UdpSocket) -> String {
    let mut datagram = [0; 100];
    let received = timeout(Duration::from_secs(10), socket.recv(&mut datagram)).await;
    let length = received.expect("no datagram in time").unwrap();
    String::from_utf8(datagram[..length].to_vec()).unwrap()
}

fn received_none(socket: &UdpSocket) -> bool {
    socket.try_recv(&mut [0]).is_err()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datagram_wakes_a_worker() {
    for db in each().await {
        let (queue, _socket) = listening(&db, "ann", "127.0.0.1:0").await;
        // The row must exist when the sender reads it.
        queue.report().await.unwrap();
        let (worker, end) = start!(QueueBackend::new(queue), (), handle);
        let (waker, sender) = sender(&db);
        for _ in 0..5 {
            let job = job();
            db.enqueue(vec![job.clone()]).await;
            waker.wake();
            wait_for_state(&db, job.id, "done").await;
        }
        sender.abort();
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_datagram_delays_a_job_until_the_next_poll() {
    for db in each().await {
        // It receives the datagram and does nothing.
        let bob = reported(&db, "bob", "127.0.0.1:0").await;
        let poll = Duration::from_millis(50);
        let queue = db.queue_with(Options { poll, ..options("ann") });
        let (worker, end) = start!(QueueBackend::new(queue), (), handle);
        let (waker, sender) = sender(&db);
        let job = job();
        db.enqueue(vec![job.clone()]).await;
        waker.wake();
        assert_eq!(received(&bob).await, "bob", "{:?}", db.engine);
        wait_for_state(&db, job.id, "done").await;
        sender.abort();
        stop(worker, end).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_addresses_of_workers_are_read_once_for_many_wakes() {
    for db in each().await {
        let ann = reported(&db, "ann", "127.0.0.1:0").await;
        db.statements.lock().unwrap().clear();
        let (waker, sender) = sender(&db);
        for _ in 0..20 {
            waker.wake();
            assert_eq!(received(&ann).await, "ann");
        }
        let sent = std::mem::take(&mut *db.statements.lock().unwrap());
        assert_eq!(sent.len(), 1, "{:?}: {sent:#?}", db.engine);
        sender.abort();
    }
}

/// The address of this machine that reaches others, if it has one.
fn network_address() -> Option<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    // Sends nothing. The address is one for documentation.
    socket.connect("192.0.2.1:9").ok()?;
    Some(format!("{}:0", socket.local_addr().unwrap().ip()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_workers_that_can_be_reached_are_woken() {
    for db in each().await {
        let elsewhere = reported(&db, "elsewhere", "127.0.0.1:0").await;
        set(&db, "elsewhere", worker::Column::Host, "elsewhere").await;
        let silent = reported(&db, "silent", "127.0.0.1:0").await;
        let minute_ago = Expr::col(worker::Column::SeenAt).sub(60_000_000_i64);
        set(&db, "silent", worker::Column::SeenAt, minute_ago).await;
        let invalid = reported(&db, "invalid", "127.0.0.1:0").await;
        set(&db, "invalid", worker::Column::WakeAddress, "localhost").await;
        db.queue("unreachable").report().await.unwrap();
        let address = network_address().unwrap_or_else(|| {
            println!("this machine has no network: only a loopback address is tested");
            "127.0.0.1:0".to_owned()
        });
        let is_remote = !address.starts_with("127.");
        let remote = reported(&db, "remote", &address).await;
        if is_remote {
            set(&db, "remote", worker::Column::Host, "elsewhere").await;
        }

        let (waker, sender) = sender(&db);
        for _ in 0..20 {
            waker.wake();
            assert_eq!(received(&remote).await, "remote", "{:?}", db.engine);
        }
        for socket in [elsewhere, silent, invalid] {
            assert!(received_none(&socket), "{:?}", db.engine);
        }
        sender.abort();
    }
}
