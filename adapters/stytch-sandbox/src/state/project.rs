//! The project that the credentials give access to. All handlers share it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::{
    credentials::Credentials,
    error::Error,
    faults::Faults,
    http::error::ApiError,
    options::Options,
    state::{
        clock,
        keys::{self, Key, Signer},
        persistence::StateFile,
        redirect_urls::RedirectUrls,
        session::Session,
        store::Store,
        tables::{Record, Tables},
    },
    stats::Stats,
    webhooks::{Source, Webhooks},
};

pub(crate) struct Project {
    pub(crate) credentials: Credentials,
    pub(crate) redirect_urls: RedirectUrls,
    pub(crate) plain_redirect: bool,
    pub(crate) webhooks: Option<Arc<Webhooks>>,
    store: Mutex<Store>,
    signer: Mutex<Arc<Signer>>,
    faults: Mutex<Faults>,
    stats: Mutex<Stats>,
}

impl Project {
    /// Opens the state file and generates a signing key if it holds none. Blocks.
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        let credentials = options.credentials.clone();
        let redirect_urls = RedirectUrls::new(&options.redirect_urls, options.local_redirects)?;
        let webhooks = options.webhook.as_ref();
        let webhooks = webhooks
            .map(|endpoint| Webhooks::new(endpoint, &credentials.project_id))
            .transpose()?
            .map(Arc::new);
        let (file, tables) = match &options.state {
            Some(path) => {
                let (file, tables) = StateFile::open(path, &credentials)?;
                (Some(file), tables)
            }
            None => (None, Tables::default()),
        };
        let mut store = Store::new(tables, file, options);
        let signer = Signer::new(&signing_key(&mut store)?)?;
        store.commit().map_err(|source| Error::State {
            path: options.state.clone().unwrap_or_default(),
            source,
        })?;
        Ok(Self {
            credentials,
            redirect_urls,
            plain_redirect: options.plain_redirect,
            webhooks,
            store: Mutex::new(store),
            signer: Mutex::new(Arc::new(signer)),
            faults: Mutex::default(),
            stats: Mutex::default(),
        })
    }

    /// Reads the tables.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Tables, Timestamp) -> T) -> T {
        let mut store = locked(&self.store);
        let now = store.now();
        if store.tables.users.with_expired_email(now).is_some() {
            drop(store);
            // Removes the address. A failure to write the file is logged there.
            let _: Result<(), ApiError> = self.change(|_, _| Ok(()));
            store = locked(&self.store);
        }
        read(&store.tables, now)
    }

    /// Changes the tables on behalf of the API. The change is in the state file on return.
    pub(crate) fn change<T>(
        &self,
        change: impl FnOnce(&mut Store, Timestamp) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        self.change_from(Source::Direct, change)
    }

    /// Changes the tables. `source` is what webhooks name as the origin of the change.
    pub(crate) fn change_from<T>(
        &self,
        source: Source,
        change: impl FnOnce(&mut Store, Timestamp) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut store = locked(&self.store);
        store.source = source;
        store.remove_expired_emails();
        let now = store.now();
        let result = change(&mut store, now);
        if let Err(error) = store.commit() {
            tracing::error!(%error, "failed to write the state file");
            return Err(ApiError::internal());
        }
        if let Some(webhooks) = &self.webhooks {
            let sent_at = clock::precise(store.tables.clock_offset_seconds);
            webhooks.publish(store.take_events(), sent_at);
        }
        result
    }

    pub(crate) fn now(&self) -> Timestamp {
        clock::now(self.read(|tables, _| tables.clock_offset_seconds))
    }

    /// Signs a new JWT. Signing takes most of a millisecond, so no lock is held during it.
    pub(crate) fn sign_jwt(&self, session: &Session) -> Result<String, ApiError> {
        let signer = locked(&self.signer).clone();
        signer.sign(&session.jwt_claims(&self.credentials.project_id, self.now()))
    }

    pub(crate) fn session_id_of_jwt(&self, jwt: &str) -> Result<String, ApiError> {
        let find_key = |kid: &str| self.read(|tables, _| tables.key(kid).cloned());
        keys::verify(jwt, &self.credentials.project_id, find_key)
    }

    /// Signs with a new key from now on; the old key stays published for a month.
    pub(crate) fn rotate_key(&self, key: Key) -> Result<(), ApiError> {
        let signer = Signer::new(&key).map_err(|_| ApiError::internal())?;
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

/// A poisoned lock is usable: a handler that panicked left the data between two records.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
