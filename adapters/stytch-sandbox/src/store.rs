//! The tables with their journal: what is written here is in the file before the answer goes out.

use std::{collections::HashMap, io};

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock,
    journal::Journal,
    refusal::Refusal,
    tables::{Record, Tables},
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
}

impl Store {
    pub(crate) fn new(tables: Tables, journal: Option<Journal>, mail_limit: bool) -> Self {
        let last_asked = mail_limit.then(HashMap::new);
        Self { tables, journal, pending: Vec::new(), last_asked }
    }

    pub(crate) fn now(&self) -> Timestamp {
        clock::now(self.tables.clock_offset_seconds)
    }

    pub(crate) fn write(&mut self, record: Record) {
        if self.journal.is_some() {
            self.pending.push(record.clone());
        }
        self.tables.apply(record);
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
