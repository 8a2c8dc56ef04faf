//! The worst of days: workers die, databases go away, Stytch is down or refuses; and what it costs
//! when nothing happens. These tests measure time and load, so each has the machine for itself.

#![expect(clippy::unwrap_used, reason = "a test fails at once and loudly")]

mod databases;
mod full_disk;
mod idle;
mod outages;
mod refusals;
mod sweep;
mod switchover;
mod thousands;
mod workers;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use guestlist_tests::{Guestlist, wait_until};
use tokio::sync::{Mutex, MutexGuard};

/// The machine, for one test at a time.
async fn alone() -> MutexGuard<'static, ()> {
    static MACHINE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
    MACHINE.lock().await
}

async fn count_of(guestlist: &Guestlist, condition: &str) -> usize {
    let sql = format!("SELECT COUNT(*) FROM invitations WHERE {condition}");
    usize::try_from(guestlist.database().integer(&sql).await).unwrap()
}

/// Waits until so many invitations are sent.
async fn all_sent(guestlist: &Guestlist, count: usize, limit: std::time::Duration) {
    wait_until(limit, "all are sent", async || {
        (count_of(guestlist, "status = 'sent'").await == count).then_some(())
    })
    .await;
}

/// How many mails Stytch has taken.
async fn mailed(guestlist: &Guestlist) -> usize {
    guestlist.sandbox().all_emails().await.len()
}

/// How many mails went out to so many addresses beyond one each; fails if one has none.
async fn doubled(guestlist: &Guestlist, addresses: usize) -> usize {
    let mut mails = BTreeMap::<String, usize>::new();
    for mail in guestlist.sandbox().all_emails().await {
        *mails.entry(mail.to).or_default() += 1;
    }
    assert_eq!(mails.len(), addresses, "nobody is left out");
    mails.values().map(|count| count - 1).sum()
}
