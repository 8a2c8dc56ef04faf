//! Notification of workers, so that they need not wait for their next poll: [`Waker`] within a
//! process, `datagrams` between processes.

pub(crate) mod datagrams;

use tokio::sync::watch;

/// Wakes the workers that share this waker. Clones wake the same workers.
#[derive(Clone, Debug)]
pub struct Waker(watch::Sender<()>);

#[derive(Debug)]
pub(crate) struct WakeReceiver(watch::Receiver<()>);

impl Default for Waker {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Waker {
    /// Wakes all workers that share this waker. Call it after the commit that enqueued jobs.
    ///
    /// Never blocks. Several calls before a worker reacts count as one, and without a worker the
    /// call has no effect.
    pub fn wake(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> WakeReceiver {
        WakeReceiver(self.0.subscribe())
    }
}

impl WakeReceiver {
    /// Resolves at the next wake, or immediately if there was one since the previous call.
    pub(crate) async fn recv(&mut self) {
        if self.0.changed().await.is_err() {
            // Every `Waker` was dropped, so no further wake can come.
            std::future::pending::<()>().await;
        }
    }
}
