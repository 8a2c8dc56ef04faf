//! Tells workers in the same process that there are jobs, so that these need not wait for the
//! next look.

use tokio::sync::watch;

/// Wakes workers: all that were given this one or a clone of it.
#[derive(Clone, Debug)]
pub struct Waker(watch::Sender<()>);

/// One worker's ear.
#[derive(Debug)]
pub(crate) struct Wakes(watch::Receiver<()>);

impl Default for Waker {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Waker {
    /// Call it after the commit that enqueued jobs. It never waits, and many calls are as good
    /// as one; without a worker to hear it nothing happens.
    pub fn wake(&self) {
        self.0.send_replace(());
    }

    pub(crate) fn subscribe(&self) -> Wakes {
        Wakes(self.0.subscribe())
    }
}

impl Wakes {
    /// Resolves at the next wake, or at once if there was one since the last time.
    pub(crate) async fn woken(&mut self) {
        if self.0.changed().await.is_err() {
            // Nobody is left who could wake.
            std::future::pending::<()>().await;
        }
    }
}
