//! Short forms of the requests that many tests send.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Guestlist;
use super::setup::{PROJECT_ID, SECRET};
use crate::{Caller, LONG, Mail, Response, SHORT, SandboxClient, Visitor, wait_until};

/// A well-formed id that no row has.
pub const UNKNOWN_ID: &str = "01890000-0000-7000-8000-000000000000";

impl Guestlist {
    /// Returns a client of the sandbox's control API.
    pub fn sandbox(&self) -> SandboxClient {
        SandboxClient::new(Caller::with_client(self.http.clone(), &self.sandbox_url))
    }

    /// Returns the project id and the secret of an installation that is several processes.
    pub fn stytch_credentials(&self) -> (&'static str, &'static str) {
        (PROJECT_ID, SECRET)
    }

    /// Returns a caller of the Stytch API of an installation that is several processes.
    pub fn stytch_api(&self) -> Caller {
        let caller = Caller::with_client(self.http.clone(), &self.sandbox_url);
        caller.basic(PROJECT_ID, SECRET)
    }

    /// Returns a caller without credentials.
    pub fn anonymous(&self) -> Caller {
        Caller::with_client(self.http.clone(), &self.url).validated()
    }

    /// Returns a caller with an API key that has every scope.
    pub fn api(&self) -> Caller {
        self.anonymous().bearer(&self.api_key)
    }

    /// Returns a visitor without cookies.
    pub fn browser(&self) -> Visitor {
        Visitor::new(&self.anonymous())
    }

    /// Invites an address, and returns the invitation.
    pub async fn invite(&self, email: &str) -> Value {
        let body = json!({ "email": email });
        self.api().post("/v1/invitations", &body).await.is(202).json()
    }

    /// Invites `guest0@example.com` and so on, sixteen at a time.
    pub async fn invite_many(&self, count: usize) {
        let mut requests = JoinSet::new();
        for n in 0..count {
            let api = self.api();
            requests.spawn(async move {
                let body = json!({ "email": format!("guest{n}@example.com") });
                let _ = api.post("/v1/invitations", &body).await.is(202);
            });
            if requests.len() >= 16 {
                requests.join_next().await.unwrap().unwrap();
            }
        }
        let _ = requests.join_all().await;
    }

    /// Invites an address, waits until the invitation is sent, and returns it and its email.
    pub async fn invite_and_mail(&self, email: &str) -> (Value, Mail) {
        let before = self.sandbox().emails(email).await.len();
        let invitation = self.invite(email).await;
        let mail = self.sandbox().nth_email(email, before + 1).await;
        (self.wait_for_status(id(&invitation), "sent").await, mail)
    }

    /// Returns an invitation.
    pub async fn invitation(&self, id: &str) -> Value {
        self.api().get(&format!("/v1/invitations/{id}")).await.is(200).json()
    }

    /// Revokes an invitation.
    pub async fn revoke(&self, invitation: &Value) {
        let path = format!("/v1/invitations/{}/revoke", id(invitation));
        let _ = self.api().post_nothing(&path).await.is(200);
    }

    /// Waits until an invitation has a status, and returns it.
    pub async fn wait_for_status(&self, id: &str, status: &str) -> Value {
        wait_until(LONG, &format!("the invitation is {status}"), async || {
            Some(self.invitation(id).await).filter(|invitation| invitation["status"] == status)
        })
        .await
    }

    /// Returns the events of an invitation.
    pub async fn events(&self, id: &str) -> Vec<Value> {
        self.api().get(&format!("/v1/invitations/{id}/events")).await.is(200).items()
    }

    /// Returns the kinds of an invitation's events, oldest first.
    pub async fn timeline(&self, id: &str) -> Vec<String> {
        let events = self.events(id).await;
        events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// Adds a user with a role, without an invitation.
    pub async fn add_user(&self, email: &str, role: &str) -> Value {
        let body = json!({ "email": email, "role": role });
        self.api().post("/v1/users", &body).await.is(201).json()
    }

    /// Changes a user.
    pub async fn patch_user(&self, user: &Value, body: &Value) -> Response {
        self.api().patch(&user_path(user), body).await
    }

    /// Suspends the user who has an address.
    pub async fn suspend(&self, email: &str) {
        let user = self.user(email).await;
        let _ = self.patch_user(&user, &json!({ "status": "suspended" })).await.is(200);
    }

    /// Returns the first page of users, newest first.
    pub async fn users(&self) -> Vec<Value> {
        self.api().get("/v1/users?limit=200").await.is(200).items()
    }

    /// Returns the user who has an address.
    pub async fn user(&self, email: &str) -> Value {
        let users = self.users().await;
        users.into_iter().find(|user| user["email"] == email).expect("a user of that address")
    }

    /// Requests a login link, and returns its email.
    pub async fn login_link(&self, email: &str) -> Mail {
        let before = self.sandbox().emails(email).await.len();
        let _ = self.api().post("/v1/login", &json!({ "email": email })).await.is(202);
        self.sandbox().nth_email(email, before + 1).await
    }

    /// Requests a link from Stytch itself, without Guestlist, and returns its token.
    pub async fn stytch_link(&self, email: &str) -> String {
        let before = self.sandbox().emails(email).await.len();
        let (path, body) = ("/v1/magic_links/email/login_or_create", json!({ "email": email }));
        // The sandbox sends at most one email a second to an address.
        wait_until(SHORT, "the sandbox sends a link", async || {
            (self.stytch_api().post(path, &body).await.status == 200).then_some(())
        })
        .await;
        self.sandbox().nth_email(email, before + 1).await.token
    }

    /// Redeems a link in a new browser, which is then logged in.
    pub async fn redeem_link(&self, token: &str) -> Visitor {
        let mut browser = self.browser();
        let _ = browser.redeem_link(token).await.is(303);
        browser
    }

    /// Invites an address and redeems the link; returns the browser that is logged in.
    pub async fn member(&self, email: &str) -> Visitor {
        let (_, mail) = self.invite_and_mail(email).await;
        self.redeem_link(&mail.token).await
    }

    /// Returns a browser in which the configured administrator is logged in.
    pub async fn admin(&self) -> Visitor {
        self.log_in(&self.admin_email).await
    }

    /// Requests a login link and redeems it; returns the browser that is logged in.
    pub async fn log_in(&self, email: &str) -> Visitor {
        let mail = self.login_link(email).await;
        self.redeem_link(&mail.token).await
    }

    /// Waits until every job has ended except the recurring sweeps.
    pub async fn wait_for_jobs(&self) {
        let sql = "SELECT COUNT(*) FROM jobs WHERE kind <> 'sweep' \
                   AND state IN ('ready', 'running', 'scheduled', 'retrying')";
        wait_until(LONG, "every job has ended", async || {
            (self.database().integer(sql).await == 0).then_some(())
        })
        .await;
    }

    /// Waits until the application is ready.
    pub async fn wait_until_ready(&self) {
        wait_until(LONG, "the application is ready", async || {
            (self.anonymous().get("/readyz").await.status == 200).then_some(())
        })
        .await;
    }
}

/// Returns the `id` of an object.
#[track_caller]
pub fn id(object: &Value) -> &str {
    object["id"].as_str().expect("an id")
}

/// Returns the path of a user in the API.
#[track_caller]
pub fn user_path(user: &Value) -> String {
    format!("/v1/users/{}", id(user))
}
