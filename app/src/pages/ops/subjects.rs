//! What jobs are about: invitations and people, by their address where the viewer may see it.

use std::collections::HashMap;

use guestlist_database::operations::JobRecord;
use guestlist_domain::{Email, InvitationId, JobId, UserId};
use uuid::Uuid;

use crate::pages::auth::PageOperator;
use crate::pages::invitations::page_path;
use crate::pages::people::person::person_url;
use crate::problem::Problem;

/// The row that a job is about.
#[derive(Debug)]
pub struct Subject {
    pub name: &'static str,
    /// The id, or for administrators the address.
    pub text: String,
    /// Page of the row, for administrators.
    pub url: Option<String>,
}

#[derive(Debug, Clone, Copy)]
enum SubjectId {
    Invitation(InvitationId),
    User(UserId),
}

impl SubjectId {
    fn of(job: &JobRecord) -> Option<Self> {
        let id = |name: &str| job.args.get(name)?.as_str();
        if let Some(id) = id("invitation") {
            return id.parse().ok().map(Self::Invitation);
        }
        id("user")?.parse().ok().map(Self::User)
    }

    fn uuid(self) -> Uuid {
        match self {
            Self::Invitation(id) => id.0,
            Self::User(id) => id.0,
        }
    }
}

/// The addresses of the people that jobs concern.
#[derive(Debug, Default)]
pub struct Subjects {
    is_admin: bool,
    addresses: HashMap<Uuid, Email>,
}

impl Subjects {
    /// Reads the addresses of a page of jobs, if the viewer is an administrator.
    pub async fn load(page: &PageOperator, jobs: &[JobRecord]) -> Result<Self, Problem> {
        if !page.is_admin() {
            return Ok(Self::default());
        }
        let (mut invitations, mut users) = (Vec::new(), Vec::new());
        for id in jobs.iter().filter_map(SubjectId::of) {
            match id {
                SubjectId::Invitation(id) => invitations.push(id),
                SubjectId::User(id) => users.push(id),
            }
        }
        let store = &page.app.store;
        let invitations = store.invitations_by_ids(&invitations).await?.into_iter();
        let users = store.users_by_ids(&users).await?.into_iter();
        let addresses = invitations.map(|invitation| (invitation.id.0, invitation.email));
        let addresses = addresses.chain(users.map(|user| (user.id.0, user.email))).collect();
        Ok(Self { is_admin: true, addresses })
    }

    /// Returns what a job is about.
    pub fn of(&self, job: &JobRecord) -> Option<Subject> {
        if let Some(id) = SubjectId::of(job) {
            let (name, url) = match id {
                SubjectId::Invitation(id) => ("invitation of", page_path(id)),
                SubjectId::User(id) => ("person", person_url(id)),
            };
            let uuid = id.uuid();
            let address = self.addresses.get(&uuid);
            let text = address.map_or_else(|| uuid.to_string(), |email| email.as_str().to_owned());
            let name =
                if address.is_none() && name == "invitation of" { "invitation" } else { name };
            return Some(Subject { name, text, url: self.is_admin.then_some(url) });
        }
        let others = [
            ("login_request", "login request"),
            ("provider_session", "session at Stytch"),
            ("identity", "person at Stytch"),
        ];
        let text = |name: &str| job.args.get(name)?.as_str().map(ToOwned::to_owned);
        let found = others.into_iter().find_map(|(field, name)| Some((name, text(field)?)));
        found.map(|(name, text)| Subject { name, text, url: None })
    }
}

/// Returns the page of what is searched by an id or an address: a job or, for administrators, an
/// invitation, a person's newest invitation, or else the person.
pub async fn find_page(page: &PageOperator, q: &str) -> Result<Option<String>, Problem> {
    let app = &page.app;
    if let Ok(id) = q.parse::<JobId>()
        && app.store.job_with_attempts(id, app.ctx.now()).await?.is_some()
    {
        return Ok(Some(format!("/ops/jobs/{id}")));
    }
    if !page.is_admin() {
        return Ok(None);
    }
    let store = &app.ctx.store;
    if let Ok(id) = q.parse::<InvitationId>() {
        return Ok(store.invitation(id).await?.map(|invitation| page_path(invitation.id)));
    }
    let Ok(email) = Email::parse(q) else { return Ok(None) };
    let Some(user) = store.user_by_email(&email).await? else { return Ok(None) };
    let latest = store.latest_invitation(user.id).await?;
    Ok(Some(latest.map_or_else(|| person_url(user.id), |invitation| page_path(invitation.id))))
}
