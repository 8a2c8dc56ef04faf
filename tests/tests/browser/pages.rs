//! The pages that are checked as a whole: for accessibility, for their size, and with hostile texts.

use guestlist_tests::{Guestlist, id};

use crate::steps::ADA;

/// A name for screenshots and messages, and a path. In a path, `{ada}` and `{long}` stand for
/// the ids of users, the second with an address of maximal length, `{accepted}` and `{failed}` for those
/// of invitations, and `{job}` for that of a job.
pub type Page = (&'static str, &'static str);

/// Pages that anyone may open.
pub const PUBLIC_PAGES: &[Page] = &[
    ("login", "/login"),
    ("login-return", "/login?return_to=%2Faudit"),
    ("login-revoked", "/login?ended=revoked"),
    ("login-expired", "/login?ended=expired&return_to=%2Faudit"),
    ("login-left", "/login?ended=left"),
    ("nowhere", "/nowhere"),
    ("link", "/authenticate?token=xxxxxxxxxxxxxxxxxxxxxxxx"),
    ("docs", "/docs"),
];

/// Pages that an administrator may open.
pub const ADMIN_PAGES: &[Page] = &[
    ("people", "/"),
    ("person", "/users/{ada}"),
    ("person-long", "/users/{long}"),
    ("remove", "/users/{ada}/remove"),
    ("people-search", "/?q=ada&role=member&status=active"),
    ("people-nobody", "/?q=nobody"),
    ("invitations", "/invitations"),
    ("invitations-failed", "/invitations?status=failed"),
    ("invite", "/invitations/new"),
    ("invitation-accepted", "/invitations/{accepted}"),
    ("invitation-failed", "/invitations/{failed}"),
    ("invitation-revoke", "/invitations/{failed}/revoke"),
    ("operations", "/ops"),
    ("jobs", "/ops/jobs"),
    ("jobs-done", "/ops/jobs?state=done"),
    ("job", "/ops/jobs/{job}"),
    ("jobs-retry", "/ops/jobs/retry?state=dead"),
    ("audit", "/audit"),
    ("audit-person", "/audit?user={ada}"),
    ("audit-system", "/audit?actor=system"),
    ("audit-refused", "/audit?actor=nobody%40example.com"),
    ("audit-empty", "/audit?since=2100-01-01"),
    ("connect", "/connect"),
    ("sessions", "/sessions"),
];

/// Ids of rows that pages show.
#[derive(Debug)]
pub struct Rows {
    ada: String,
    long: String,
    accepted: String,
    failed: String,
    job: String,
}

impl Rows {
    /// Creates a user of each status, and one with an address of maximal length.
    pub async fn create(guestlist: &Guestlist) -> Self {
        let _ = guestlist.member(ADA).await;
        for n in 0..4 {
            let _ = guestlist.invite_and_mail(&format!("guest{n}@example.com")).await;
        }
        let long = format!("{}@{}.example.com", "a".repeat(64), "long-".repeat(11) + "domain");
        let _ = guestlist.invite(&long).await;
        guestlist.wait_for_jobs().await;
        for (n, change) in [
            "status = 'expired', expires_at = created_at + 1",
            "status = 'failed', sent_at = NULL, last_error_code = 'invalid_email', \
             last_error_message = 'The address does not exist', last_error_at = created_at",
            "status = 'revoked'",
        ]
        .iter()
        .enumerate()
        {
            let change =
                format!("UPDATE invitations SET {change} WHERE email = 'guest{n}@example.com'");
            assert_eq!(guestlist.database().execute(&change).await, 1);
        }
        let user = async |email: &str| id(&guestlist.user(email).await).to_owned();
        let first = async |path: &str| {
            let items = guestlist.api().get(path).await.is(200).items();
            id(&items[0]).to_owned()
        };
        Self {
            ada: user(ADA).await,
            long: user(&long).await,
            accepted: first("/v1/invitations?status=accepted").await,
            failed: first("/v1/invitations?status=failed").await,
            job: first("/v1/jobs?queue=invitation").await,
        }
    }

    /// Returns the URL of a page.
    pub fn url(&self, guestlist: &Guestlist, path: &str) -> String {
        format!("{}{}", guestlist.public_url, self.fill(path))
    }

    /// Returns a path with the ids of rows.
    pub fn fill(&self, path: &str) -> String {
        let Self { ada, long, accepted, failed, job } = self;
        let ids = [ada, long, accepted, failed, job];
        let names = ["{ada}", "{long}", "{accepted}", "{failed}", "{job}"];
        names.iter().zip(ids).fold(path.to_owned(), |path, (name, id)| path.replace(name, id))
    }
}
