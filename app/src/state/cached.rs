//! Values that many requests share for a short time.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long a value is served. Each open page asks every few seconds.
const TTL: Duration = Duration::from_secs(1);

/// A value that is up to a second old.
#[derive(Debug)]
pub struct Cached<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Cached<T> {
    /// Returns the value, or reads it if it is too old.
    pub async fn get_or<E>(&self, read: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        // Held during the query, so that concurrent callers share one.
        let mut cached = self.0.lock().await;
        if let Some((at, value)) = &*cached
            && at.elapsed() < TTL
        {
            return Ok(value.clone());
        }
        let value = read.await?;
        *cached = Some((Instant::now(), value.clone()));
        Ok(value)
    }

    /// Drops the value, so that the page after a form shows its effect.
    pub async fn invalidate(&self) {
        *self.0.lock().await = None;
    }
}
