//! The state that handlers share.

use std::sync::{Arc, Mutex};

use axum::extract::FromRef;

use crate::guestlist::Guestlist;
use crate::jwt::Verifier;
use crate::settings::Settings;

/// State that handlers share.
#[derive(Debug, Clone, FromRef)]
pub struct App {
    pub settings: Arc<Settings>,
    pub guestlist: Arc<Guestlist>,
    pub verifier: Arc<Verifier>,
    /// The entries of the book, which are kept in memory.
    pub book: Arc<Mutex<Vec<Entry>>>,
}

/// An entry of the book.
#[derive(Debug, Clone)]
pub struct Entry {
    pub by: String,
    pub words: String,
}
