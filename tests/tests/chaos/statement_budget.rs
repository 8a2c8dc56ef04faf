//! The number of SQL statements for an invitation and for its mail, as the server counts them.

use guestlist_tests::{DatabaseServer, Engine, Guestlist, LONG, TestDatabase, wait_until};
use serde_json::json;
use tokio::task::JoinSet;

use crate::{exclusive, wait_until_sent};

const CLIENTS: usize = 32;
pub(crate) const INVITATIONS: usize = 1_000;
/// The most statements for one accepted invitation, with [`CLIENTS`] concurrent clients. Batches are
/// shorter in an unoptimized build, and on a busy machine.
const ACCEPTED: f64 = if cfg!(debug_assertions) { 1.6 } else { 1.2 };
/// The most statements for one delivered mail.
const DELIVERED: f64 = if cfg!(debug_assertions) { 2.4 } else { 1.2 };

/// Returns the server's counter of executed statements. Preparing one does not count.
async fn statements(database: &TestDatabase) -> i64 {
    let rows = database.query("SHOW GLOBAL STATUS LIKE 'Questions'").await;
    rows[0].try_get_by_index::<String>(1).unwrap().parse().unwrap()
}

pub(crate) async fn invite_concurrently(guestlist: &Guestlist) {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let api = guestlist.api();
        clients.spawn(async move {
            for n in (client..INVITATIONS).step_by(CLIENTS) {
                let body = json!({ "email": format!("guest{n}@example.com") });
                let _ = api.post("/v1/invitations", &body).await.is(202);
            }
        });
    }
    let _ = clients.join_all().await;
}

#[expect(clippy::cast_precision_loss, reason = "the counts are small")]
fn average(statements: i64) -> f64 {
    statements as f64 / INVITATIONS as f64
}

#[tokio::test]
async fn invitations_and_mails_take_few_statements() {
    let _exclusive = exclusive().await;
    for engine in Engine::with_server() {
        // Of its own, because the counter covers the whole server.
        let server = DatabaseServer::start(engine).await;
        let setup = Guestlist::split(engine).on_server(&server.url()).workers(0);
        let setup = setup.env("STYTCH_RATE_LIMIT", "10000/s");
        let mut guestlist = setup.start().await;
        let database = guestlist.database();

        let before = statements(database).await;
        invite_concurrently(&guestlist).await;
        let accepted = average(statements(database).await - before);

        let before = statements(database).await;
        guestlist.start_worker().await;
        let sent = json!(INVITATIONS);
        wait_until(LONG, "every mail is sent", async || {
            let stats = guestlist.sandbox().stats().await;
            (stats["requests"]["POST /v1/magic_links/email/invite"]["200"] == sent).then_some(())
        })
        .await;
        wait_until_sent(&guestlist, INVITATIONS, LONG).await;
        let delivered = average(statements(guestlist.database()).await - before);

        println!("{engine}: {accepted:.2} statements per invitation, {delivered:.2} per mail");
        assert!(accepted <= ACCEPTED, "{engine}: {accepted} statements per invitation");
        assert!(delivered <= DELIVERED, "{engine}: {delivered} statements per mail");
    }
}
