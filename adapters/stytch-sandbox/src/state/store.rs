//! The tables and their state file. Changes are in the file before the response is sent.

use std::{collections::HashMap, io};

use axum::http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use crate::options::Options;
use crate::response::ApiError;
use crate::state::persistence::StateFile;
use crate::state::{Link, LinkState, Record, Tables, clock};
use crate::webhooks::{Action, Event, Source};

const MAIL_INTERVAL: SignedDuration = SignedDuration::from_secs(1);

pub(crate) struct Store {
    pub(crate) tables: Tables,
    file: Option<StateFile>,
    /// Records that are in the tables and not yet in the file.
    pending: Vec<Record>,
    /// The time of the last request to send mail, by address; none if the rate is not limited.
    last_mail_at: Option<HashMap<String, Timestamp>>,
    /// The origin of the change under way, for its webhooks.
    pub(crate) source: Source,
    /// Events to be published; none if there is no webhook endpoint.
    events: Option<Vec<Event>>,
}

impl Store {
    pub(crate) fn new(tables: Tables, file: Option<StateFile>, options: &Options) -> Self {
        Self {
            tables,
            file,
            pending: Vec::new(),
            last_mail_at: options.mail_limit.then(HashMap::new),
            source: Source::Direct,
            events: options.webhook.as_ref().map(|_| Vec::new()),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        clock::now(self.tables.clock_offset_seconds)
    }

    /// Removes the addresses that were not authenticated in time.
    pub(crate) fn remove_expired_emails(&mut self) {
        let now = self.now();
        while let Some(user) = self.tables.users.with_expired_email(now) {
            let mut user = user.clone();
            user.emails.retain(|email| !email.has_expired(now));
            self.write(Record::User(user));
        }
    }

    /// Applies a record; [`commit`](Self::commit) appends it to the file.
    pub(crate) fn write(&mut self, record: Record) {
        self.record_event(&record);
        if self.file.is_some() {
            self.pending.push(record.clone());
        }
        self.tables.apply(record);
    }

    /// Revokes the outstanding links to an address that `matches` selects.
    pub(crate) fn revoke_links(&mut self, address: &str, matches: impl Fn(&Link) -> bool) {
        let links = self.tables.links.of_address(address);
        let outstanding = links.filter(|link| link.state == LinkState::Outstanding);
        for link in outstanding.filter(|link| matches(link)).cloned().collect::<Vec<_>>() {
            self.write(Record::Link(Link { state: LinkState::Revoked, ..link }));
        }
    }

    /// Records the event of a changed user. Consecutive updates of one user are one event.
    fn record_event(&mut self, record: &Record) {
        let (source, Some(events)) = (self.source, &mut self.events) else { return };
        let (action, user_id, user) = match record {
            Record::User(user) => match self.tables.users.get(&user.user_id) {
                None => (Action::Create, &user.user_id, Some(user.clone())),
                Some(old) if old == user => return,
                Some(_) => (Action::Update, &user.user_id, Some(user.clone())),
            },
            Record::UserDeleted { user_id } => (Action::Delete, user_id, None),
            _ => return,
        };
        match events.last_mut() {
            Some(last) if action == Action::Update && last.user_id == *user_id => last.user = user,
            _ => events.push(Event { source, action, user_id: user_id.clone(), user }),
        }
    }

    /// Returns the events since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Appends the records since the last call to the file, in one write.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        match &mut self.file {
            Some(file) if !self.pending.is_empty() => {
                file.append(&std::mem::take(&mut self.pending))
            }
            _ => Ok(()),
        }
    }

    /// Allows one mail per second and address.
    pub(crate) fn limit_mail(&mut self, address: &str) -> Result<(), ApiError> {
        let now = self.now();
        let Some(last_mail_at) = &mut self.last_mail_at else { return Ok(()) };
        match last_mail_at.get(address) {
            Some(last) if now.duration_since(*last).abs() < MAIL_INTERVAL => Err(ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many requests have been made for this email address.",
            )),
            _ => {
                last_mail_at.insert(address.to_owned(), now);
                Ok(())
            }
        }
    }
}
