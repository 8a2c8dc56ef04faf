//! The bytes that SQLite writes for an invitation and for its mail.

use guestlist_tests::{Engine, Guestlist, LONG};
use sea_orm::{ConnectionTrait, TransactionTrait};

use crate::statement_budget::{INVITATIONS, invite_concurrently};
use crate::{exclusive, wait_until_sent};

/// The most bytes for one accepted invitation.
const ACCEPTED: f64 = 40_000.0;
/// The most bytes for one delivered mail. On a busy machine, and in an unoptimized build, fewer mails
/// share a transaction.
const DELIVERED: f64 = if cfg!(debug_assertions) { 50_000.0 } else { 40_000.0 };

/// Returns the size of the log, which only grows while a reader needs its beginning.
fn log_size(guestlist: &Guestlist) -> u64 {
    std::fs::metadata(guestlist.folder().join("guestlist.db-wal")).unwrap().len()
}

#[expect(clippy::cast_precision_loss, reason = "the counts are small")]
fn average(bytes: u64) -> f64 {
    bytes as f64 / INVITATIONS as f64
}

#[tokio::test]
async fn invitations_and_mails_write_few_bytes() {
    let _exclusive = exclusive().await;
    // The default, at which results come one by one, and one that limits nothing.
    for rate in ["100/s", "10000/s"] {
        let setup = Guestlist::split(Engine::Sqlite).workers(0).env("STYTCH_RATE_LIMIT", rate);
        let mut guestlist = setup.start().await;
        let connection = guestlist.database().connect().await;
        connection.execute_unprepared("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
        let reader = connection.begin().await.unwrap();
        reader.execute_unprepared("SELECT COUNT(*) FROM users").await.unwrap();

        invite_concurrently(&guestlist).await;
        let after_inviting = log_size(&guestlist);
        guestlist.start_worker().await;
        wait_until_sent(&guestlist, INVITATIONS, LONG).await;
        let accepted = average(after_inviting);
        let delivered = average(log_size(&guestlist) - after_inviting);
        reader.rollback().await.unwrap();

        println!("{rate}: {accepted:.0} bytes per invitation, {delivered:.0} per mail");
        assert!(accepted <= ACCEPTED, "{accepted} bytes per invitation");
        assert!(delivered <= DELIVERED, "at {rate}: {delivered} bytes per mail");
    }
}
