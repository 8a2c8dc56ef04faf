//! A person's latest events: what they did, and what was done to them.

use std::cmp::Reverse;

use guestlist_database::operations::{AuditActor, AuditFilter};
use guestlist_domain::{EventId, Page, User};

use crate::pages::audit::load_users;
use crate::pages::audit::rows::Row;
use crate::problem::Problem;
use crate::state::App;

const LIMIT: usize = 10;

/// Loads the last events by or about a user, newest first.
pub async fn load_activity(app: &App, user: &User) -> Result<Vec<Row>, Problem> {
    let about = AuditFilter { user: Some(user.id), ..AuditFilter::default() };
    let by = AuditFilter { actor: Some(AuditActor::Id(user.id.0)), ..AuditFilter::default() };
    let mut events = Vec::new();
    for filter in [about, by] {
        let page = Page::<EventId> { after: None, limit: LIMIT as u64 };
        events.extend(app.store.audit(&filter, page).await?);
    }
    events.sort_by_key(|event| Reverse(event.id));
    events.dedup_by_key(|event| event.id);
    events.truncate(LIMIT);
    let users = load_users(app, &events).await?;
    Ok(events.into_iter().map(|event| Row::new(event, &users)).collect())
}
