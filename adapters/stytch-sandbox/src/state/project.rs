//! The project that the credentials give access to. All handlers share it.

use std::sync::Arc;

use http_listener::BoxError;
use jiff::Timestamp;
use parking_lot::Mutex;

use super::keys::{self, Key, Signer};
use super::persistence::StateFile;
use super::redirect_urls::RedirectUrls;
use crate::error::Error;
use crate::faults::Fault;
use crate::options::{Credentials, Options};
use crate::response::ApiError;
use crate::state::{Record, Session, Store, Tables, clock};
use crate::stats::Stats;
use crate::webhooks::{Source, Webhooks};

pub(crate) struct Project {
    pub(crate) credentials: Credentials,
    pub(crate) redirect_urls: RedirectUrls,
    pub(crate) plain_redirect: bool,
    pub(crate) webhooks: Option<Arc<Webhooks>>,
    pub(crate) fault: Mutex<Fault>,
    pub(crate) stats: Mutex<Stats>,
    store: Mutex<Store>,
    signer: Mutex<Arc<Signer>>,
}

impl Project {
    /// Opens the state file and generates a signing key if it holds none. Blocks.
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        let credentials = options.credentials.clone();
        let redirect_urls = RedirectUrls::new(&options.redirect_urls, options.local_redirects)?;
        let webhooks = options.webhook.as_ref();
        let webhooks = webhooks
            .map(|endpoint| Webhooks::new(endpoint, &credentials.project_id))
            .transpose()?;
        let opened = options.state.as_ref().map(|path| StateFile::open(path, &credentials));
        let (file, tables) = opened.transpose()?.unzip();
        let mut store = Store::new(tables.unwrap_or_default(), file, options);
        let signer = signer(&mut store).map_err(|error| Error::Key(error.to_string()))?;
        store.commit().map_err(|source| Error::State {
            path: options.state.clone().unwrap_or_default(),
            source,
        })?;
        Ok(Self {
            credentials,
            redirect_urls,
            plain_redirect: options.plain_redirect,
            webhooks: webhooks.map(Arc::new),
            fault: Mutex::default(),
            stats: Mutex::default(),
            store: Mutex::new(store),
            signer: Mutex::new(Arc::new(signer)),
        })
    }

    /// Reads the tables.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Tables, Timestamp) -> T) -> T {
        let mut store = self.store.lock();
        let now = store.now();
        if store.tables.users.with_expired_email(now).is_some() {
            drop(store);
            // Removes the address. A failure to write the file is logged there.
            let _: Result<(), ApiError> = self.change(|_, _| Ok(()));
            store = self.store.lock();
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
        let mut store = self.store.lock();
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
        let signer = self.signer.lock().clone();
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
        *self.signer.lock() = Arc::new(signer);
        Ok(())
    }
}

/// Returns the signer of the current key, which is generated if there is none.
fn signer(store: &mut Store) -> Result<Signer, BoxError> {
    if let Some(key) = store.tables.current_key() {
        return Signer::new(key);
    }
    let key = Key::generate()?;
    let signer = Signer::new(&key);
    store.write(Record::Key(key));
    signer
}
