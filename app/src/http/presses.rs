//! Two presses on one link at the same moment: the second waits for the first, and is then told
//! that the link was used, instead of Stytch's "used or expired".

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use guestlist_domain::TokenHash;
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};

type Turns = Arc<Mutex<HashMap<TokenHash, Arc<TurnMutex<()>>>>>;

/// Links that are being pressed in this process.
#[derive(Debug, Clone, Default)]
pub struct Presses(Turns);

/// The right to press; given up when dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    hash: TokenHash,
    held: Option<OwnedMutexGuard<()>>,
}

impl Presses {
    /// Waits until nobody else presses the link.
    pub async fn turn(&self, hash: TokenHash) -> Turn {
        let lock = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(turns.entry(hash).or_default())
        };
        // Made first, so that a request that goes away while it waits tidies up too.
        let mut turn = Turn { turns: Arc::clone(&self.0), hash, held: None };
        turn.held = Some(lock.lock_owned().await);
        turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.held = None;
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // The map's own is the last one: nobody waits.
        if turns.get(&self.hash).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_nothing_is_left_behind() {
        let presses = Presses::default();
        let hash = TokenHash([7; 32]);
        let first = presses.turn(hash).await;
        let second = tokio::spawn({
            let presses = presses.clone();
            async move { drop(presses.turn(hash).await) }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        second.await.unwrap();
        assert!(presses.0.lock().unwrap().is_empty());
    }
}
