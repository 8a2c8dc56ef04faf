//! The tables with their journal: what is written here is in the file before the answer goes out.

use std::{collections::HashMap, io};

use jiff::{SignedDuration, Timestamp};

use crate::{
    Options, clock,
    journal::Journal,
    refusal::Refusal,
    tables::{Record, Tables},
    webhooks::{Action, Event, Source},
};
use hyper::StatusCode;

const BETWEEN_MAILS: SignedDuration = SignedDuration::from_secs(1);

pub(crate) struct Store {
    pub(crate) tables: Tables,
    journal: Option<Journal>,
    /// Written to the tables, not yet to the journal.
    pending: Vec<Record>,
    /// When each address was last asked to be written to; None switches the limit off.
    last_asked: Option<HashMap<String, Timestamp>>,
    /// On whose behalf it is written.
    pub(crate) source: Source,
    /// What webhooks have still to tell; None where there are none.
    events: Option<Vec<Event>>,
}

impl Store {
    pub(crate) fn new(tables: Tables, journal: Option<Journal>, options: &Options) -> Self {
        Self {
            tables,
            journal,
            pending: Vec::new(),
            last_asked: options.mail_limit.then(HashMap::new),
            source: Source::Direct,
            events: options.webhook.as_ref().map(|_| Vec::new()),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        clock::now(self.tables.clock_offset_seconds)
    }

    /// Addresses attached on trial and never verified belong to nobody any more.
    pub(crate) fn release_lapsed(&mut self) {
        let now = self.now();
        while let Some(user) = self.tables.users.with_lapsed_address(now) {
            let mut user = user.clone();
            user.emails.retain(|email| !email.has_lapsed(now));
            self.write(Record::User(user));
        }
    }

    pub(crate) fn write(&mut self, record: Record) {
        self.remember(&record);
        if self.journal.is_some() {
            self.pending.push(record.clone());
        }
        self.tables.apply(record);
    }

    /// What a record does to a user, as every change of one comes by here. Two changes in a row
    /// count as one.
    fn remember(&mut self, record: &Record) {
        let (source, Some(events)) = (self.source, &mut self.events) else { return };
        let (action, user_id, user) = match record {
            Record::User(user) => match self.tables.users.get(&user.user_id) {
                None => (Action::Create, &user.user_id, Some(user.clone())),
                Some(before) if before == user => return,
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

    /// What happened since the last time.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.events.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// All that was written since the last time, in one write to the file.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        match &mut self.journal {
            Some(journal) if !self.pending.is_empty() => {
                journal.append(&std::mem::take(&mut self.pending))
            }
            _ => Ok(()),
        }
    }

    /// One mail a second to an address, whichever call asks for it.
    pub(crate) fn limit_mail(&mut self, address: &str) -> Result<(), Refusal> {
        let now = self.now();
        let Some(last_asked) = &mut self.last_asked else { return Ok(()) };
        match last_asked.get(address) {
            Some(last) if now.duration_since(*last).abs() < BETWEEN_MAILS => Err(Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many requests have been made for this email address.",
            )),
            _ => {
                last_asked.insert(address.to_owned(), now);
                Ok(())
            }
        }
    }
}
