//! What the pair of credentials opens: the one thing that every handler works on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::{
    Credentials, Error, Options, clock,
    faults::Faults,
    journal::Journal,
    keys::{self, Key, Signer},
    redirects::Redirects,
    refusal::Refusal,
    session::Session,
    stats::Stats,
    store::Store,
    tables::{Record, Tables},
    webhooks::{Source, Webhooks},
};

pub(crate) struct Project {
    pub(crate) credentials: Credentials,
    pub(crate) redirects: Redirects,
    pub(crate) plain_redirect: bool,
    pub(crate) webhooks: Option<Arc<Webhooks>>,
    store: Mutex<Store>,
    signer: Mutex<Arc<Signer>>,
    faults: Mutex<Faults>,
    stats: Mutex<Stats>,
}

impl Project {
    /// Blocks: reads the state file and may make a key.
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        let credentials = options.credentials();
        let redirects = Redirects::new(&options.redirect_urls, options.local_redirects)?;
        let webhooks = options.webhook.as_ref();
        let webhooks = webhooks
            .map(|endpoint| Webhooks::new(endpoint, &credentials.project_id))
            .transpose()?
            .map(Arc::new);
        let (journal, tables) = match &options.state {
            Some(path) => {
                let (journal, tables) = Journal::open(path, &credentials)?;
                (Some(journal), tables)
            }
            None => (None, Tables::default()),
        };
        let mut store = Store::new(tables, journal, options);
        let signer = Signer::new(&signing_key(&mut store)?)?;
        store.commit().map_err(|source| Error::State {
            path: options.state.clone().unwrap_or_default(),
            source,
        })?;
        Ok(Self {
            credentials,
            redirects,
            plain_redirect: options.plain_redirect,
            webhooks,
            store: Mutex::new(store),
            signer: Mutex::new(Arc::new(signer)),
            faults: Mutex::default(),
            stats: Mutex::default(),
        })
    }

    /// Looks something up.
    pub(crate) fn read<T>(&self, look: impl FnOnce(&Tables, Timestamp) -> T) -> T {
        let mut store = locked(&self.store);
        let now = store.now();
        if store.tables.users.with_lapsed_address(now).is_some() {
            drop(store);
            // That it could not be kept is logged; it is so all the same.
            let _: Result<(), Refusal> = self.change(|_, _| Ok(()));
            store = locked(&self.store);
        }
        look(&store.tables, now)
    }

    /// Changes something. Once this returns, the change outlives the process.
    pub(crate) fn change<T>(
        &self,
        work: impl FnOnce(&mut Store, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.change_by(Source::Direct, work)
    }

    /// The same, on somebody's behalf.
    pub(crate) fn change_by<T>(
        &self,
        source: Source,
        work: impl FnOnce(&mut Store, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut store = locked(&self.store);
        store.source = source;
        store.release_lapsed();
        let now = store.now();
        let outcome = work(&mut store, now);
        if let Err(error) = store.commit() {
            tracing::error!(%error, "the state file could not be written");
            return Err(Refusal::internal());
        }
        if let Some(webhooks) = &self.webhooks {
            let sent_at = clock::precise(store.tables.clock_offset_seconds);
            webhooks.publish(store.take_events(), sent_at);
        }
        outcome
    }

    pub(crate) fn now(&self) -> Timestamp {
        clock::now(self.read(|tables, _| tables.clock_offset_seconds))
    }

    /// A fresh JWT. Signing takes most of a millisecond, so no lock is held over it.
    pub(crate) fn jwt(&self, session: &Session) -> Result<String, Refusal> {
        let signer = locked(&self.signer).clone();
        signer.sign(&session.jwt_claims(&self.credentials.project_id, self.now()))
    }

    pub(crate) fn session_of_jwt(&self, jwt: &str) -> Result<String, Refusal> {
        let find = |kid: &str| self.read(|tables, _| tables.key(kid).cloned());
        keys::verify(jwt, &self.credentials.project_id, find)
    }

    /// A new key signs from now on; the old ones are served for another month.
    pub(crate) fn rotate_key(&self, key: Key) -> Result<(), Refusal> {
        let signer = Signer::new(&key).map_err(|_| Refusal::internal())?;
        self.change(|store, now| {
            if let Some(old) = store.tables.current_key().cloned() {
                store.write(Record::Key(old.retired(now)));
            }
            store.write(Record::Key(key));
            Ok(())
        })?;
        *locked(&self.signer) = Arc::new(signer);
        Ok(())
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        locked(&self.faults)
    }

    pub(crate) fn stats(&self) -> MutexGuard<'_, Stats> {
        locked(&self.stats)
    }
}

fn signing_key(store: &mut Store) -> Result<Key, Error> {
    if let Some(key) = store.tables.current_key() {
        return Ok(key.clone());
    }
    let key = Key::generate()?;
    store.write(Record::Key(key.clone()));
    Ok(key)
}

/// A handler that panicked left the data as it was between two records: still usable.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
