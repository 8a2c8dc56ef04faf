//! Failures under load: killed workers, unavailable databases, outages of Stytch; and the cost of
//! idling. The tests measure time, so they run one at a time.

#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

mod database_outages;
mod frozen_worker;
mod full_disk;
mod idle;
mod log_budget;
mod provider_outages;
mod provider_refusals;
mod statement_budget;
mod sweep;
mod switchover;
mod worker_shutdown;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use guestlist_tests::{Guestlist, wait_until};
use tokio::sync::{Mutex, MutexGuard};

/// Waits until no other test of this binary runs.
async fn exclusive() -> MutexGuard<'static, ()> {
    static MACHINE: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);
    MACHINE.lock().await
}

async fn invitation_count(guestlist: &Guestlist, condition: &str) -> usize {
    let sql = format!("SELECT COUNT(*) FROM invitations WHERE {condition}");
    usize::try_from(guestlist.database().integer(&sql).await).unwrap()
}

/// Waits until `count` invitations are sent.
async fn wait_until_sent(guestlist: &Guestlist, count: usize, limit: std::time::Duration) {
    wait_until(limit, "every invitation is sent", async || {
        (invitation_count(guestlist, "status = 'sent'").await == count).then_some(())
    })
    .await;
}

/// Returns the number of mails in the sandbox's outbox.
async fn mail_count(guestlist: &Guestlist) -> usize {
    guestlist.sandbox().all_emails().await.len()
}

/// Returns the number of mails beyond one for each of `addresses`; panics if an address has none.
async fn duplicate_count(guestlist: &Guestlist, addresses: usize) -> usize {
    let mut mails = BTreeMap::<String, usize>::new();
    for mail in guestlist.sandbox().all_emails().await {
        *mails.entry(mail.to).or_default() += 1;
    }
    assert_eq!(mails.len(), addresses, "every address has mail");
    mails.values().map(|count| count - 1).sum()
}
