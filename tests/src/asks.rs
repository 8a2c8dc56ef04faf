//! What tests ask an installation, in a word each.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::setup::{PROJECT_ID, SECRET};
use crate::{Caller, Guestlist, LONG, Mail, Stytch, Visitor, wait_until};

impl Guestlist {
    /// Its Stytch.
    pub fn stytch(&self) -> Stytch {
        Stytch::by(Caller::by(self.http.clone(), &self.sandbox_url))
    }

    /// The project and the secret that the processes show to Stytch, where they are several.
    pub fn stytch_credentials(&self) -> (&'static str, &'static str) {
        (PROJECT_ID, SECRET)
    }

    /// Stytch's own API, as a backend calls it, where it is a process of its own.
    pub fn stytch_api(&self) -> Caller {
        Caller::by(self.http.clone(), &self.sandbox_url).basic(PROJECT_ID, SECRET)
    }

    /// Somebody without credentials.
    pub fn anybody(&self) -> Caller {
        Caller::by(self.http.clone(), &self.url).told()
    }

    /// Somebody with a key that may do everything.
    pub fn api(&self) -> Caller {
        self.anybody().bearer(&self.api_key)
    }

    /// A browser without cookies.
    pub fn browser(&self) -> Visitor {
        Visitor::by(&self.anybody())
    }

    /// Invites, and answers the invitation.
    pub async fn invite(&self, email: &str) -> Value {
        let body = json!({ "email": email });
        self.api().post("/v1/invitations", &body).await.is(202).json()
    }

    /// Invites so many new addresses, sixteen at a time: `guest0@example.com` and so on.
    pub async fn invite_many(&self, count: usize) {
        let mut asking = JoinSet::new();
        for n in 0..count {
            let api = self.api();
            asking.spawn(async move {
                let body = json!({ "email": format!("guest{n}@example.com") });
                let _ = api.post("/v1/invitations", &body).await.is(202);
            });
            if asking.len() >= 16 {
                asking.join_next().await.unwrap().unwrap();
            }
        }
        let _ = asking.join_all().await;
    }

    /// Invites, waits until it is sent, and answers the invitation and its mail.
    pub async fn invite_and_mail(&self, email: &str) -> (Value, Mail) {
        let before = self.stytch().emails(email).await.len();
        let invitation = self.invite(email).await;
        let mail = self.stytch().mail(email, before + 1).await;
        (self.wait_for_status(id(&invitation), "sent").await, mail)
    }

    /// An invitation.
    pub async fn invitation(&self, id: &str) -> Value {
        self.api().get(&format!("/v1/invitations/{id}")).await.is(200).json()
    }

    /// Waits until an invitation has come to a status.
    pub async fn wait_for_status(&self, id: &str, status: &str) -> Value {
        wait_until(LONG, &format!("the invitation is {status}"), async || {
            Some(self.invitation(id).await).filter(|invitation| invitation["status"] == status)
        })
        .await
    }

    /// An invitation's timeline.
    pub async fn events(&self, id: &str) -> Vec<Value> {
        let events = self.api().get(&format!("/v1/invitations/{id}/events")).await.is(200).json();
        events["items"].as_array().unwrap().clone()
    }

    /// The kinds of an invitation's events, in order.
    pub async fn timeline(&self, id: &str) -> Vec<String> {
        let events = self.events(id).await;
        events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
    }

    /// The first page of users, newest first.
    pub async fn users(&self) -> Vec<Value> {
        let users = self.api().get("/v1/users?limit=200").await.is(200).json();
        users["items"].as_array().unwrap().clone()
    }

    /// The user of an address.
    pub async fn user(&self, email: &str) -> Value {
        let users = self.users().await;
        users.into_iter().find(|user| user["email"] == email).expect("a user of that address")
    }

    /// Presses Continue in a fresh browser, and comes in.
    pub async fn press(&self, token: &str) -> Visitor {
        let mut browser = self.browser();
        let _ = browser.press(token).await.is(303);
        browser
    }

    /// Invites somebody, who comes in.
    pub async fn member(&self, email: &str) -> Visitor {
        let (_, mail) = self.invite_and_mail(email).await;
        self.press(&mail.token).await
    }

    /// The administrator comes in by a link that they ask for.
    pub async fn admin(&self) -> Visitor {
        self.log_in(&self.admin_email).await
    }

    /// Somebody asks for a link and comes in by it.
    pub async fn log_in(&self, email: &str) -> Visitor {
        let before = self.stytch().emails(email).await.len();
        let _ = self.api().post("/v1/login", &json!({ "email": email })).await.is(202);
        let mail = self.stytch().mail(email, before + 1).await;
        self.press(&mail.token).await
    }

    /// Waits until no job is left to do but the sweeps, which never end.
    pub async fn settled(&self) {
        let sql = "SELECT COUNT(*) FROM jobs WHERE kind <> 'sweep' \
                   AND state IN ('ready', 'running', 'scheduled', 'retrying')";
        wait_until(LONG, "all jobs are done", async || {
            (self.database().number(sql).await == 0).then_some(())
        })
        .await;
    }
}

/// The id of a thing.
#[track_caller]
pub fn id(thing: &Value) -> &str {
    thing["id"].as_str().expect("an id")
}
