//! The state of the fake provider: identities, links that work once, and sessions.

use std::time::Duration;

use guestlist_domain::{
    AuthenticatedSession, Email, IdentityPage, Profile, ProfileStatus, ProviderError,
    ProviderSession, SentMail, Tokens,
};
use jiff::Timestamp;

use super::errors::{address_taken, link_used_or_expired, rejected, session_not_found};

/// Identities per page.
const PAGE: usize = 2;

#[derive(Debug, Default)]
pub(crate) struct Identities {
    pub(crate) users: Vec<FakeIdentity>,
    pub(crate) mails: Vec<Mail>,
    pub(crate) sessions: Vec<StytchSession>,
    made: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FakeIdentity {
    pub(crate) id: String,
    pub(crate) email: Email,
    pub(crate) is_active: bool,
    /// Whether Guestlist's calls created it.
    pub(crate) created_by_guestlist: bool,
    /// `None` to leave it out of answers.
    pub(crate) created_at: Option<Timestamp>,
    /// Addresses that no user has.
    pub(crate) further_emails: Vec<Email>,
    pub(crate) has_password: bool,
}

impl FakeIdentity {
    fn profile(&self) -> Profile {
        let emails = std::iter::once(&self.email).chain(&self.further_emails);
        Profile {
            provider_user_id: self.id.clone(),
            emails: emails.cloned().collect(),
            has_other_login_methods: self.has_password,
            status: if self.is_active { ProfileStatus::Active } else { ProfileStatus::Pending },
            created_at: self.created_at,
        }
    }
}

/// A sent mail with its link.
#[derive(Debug, Clone)]
pub(crate) struct Mail {
    pub(crate) to: Email,
    pub(crate) kind: MailKind,
    pub(crate) token: String,
    pub(crate) redirect_url: String,
    pub(crate) minutes: u32,
    pub(crate) sent_at: Timestamp,
    pub(crate) link: Link,
    user: String,
    expires_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MailKind {
    Invitation,
    Login,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Outstanding,
    Used,
    Revoked,
}

#[derive(Debug, Clone)]
pub(crate) struct StytchSession {
    pub(crate) session: ProviderSession,
    pub(crate) token: String,
    pub(crate) is_revoked: bool,
}

type ProviderResult<T> = Result<T, ProviderError>;

impl Identities {
    pub(crate) fn invite(
        &mut self,
        mail: &NewMail<'_>,
        now: Timestamp,
    ) -> ProviderResult<SentMail> {
        match self.find(mail.to) {
            Some(known) if known.is_active => Err(address_taken()),
            Some(known) => Ok(self.send(known.id, MailKind::Invitation, mail, now)),
            None => {
                let id = self.create(mail.to, false, now);
                Ok(self.send(id, MailKind::Invitation, mail, now))
            }
        }
    }

    pub(crate) fn log_in_or_create(&mut self, mail: &NewMail<'_>, now: Timestamp) -> SentMail {
        let id = match self.find(mail.to) {
            Some(known) => known.id,
            None => self.create(mail.to, true, now),
        };
        self.send(id, MailKind::Login, mail, now)
    }

    pub(crate) fn revoke_invitations(&mut self, email: &Email) {
        for mail in self.mails.iter_mut().filter(|mail| mail.to == *email) {
            if mail.kind == MailKind::Invitation && mail.link == Link::Outstanding {
                mail.link = Link::Revoked;
            }
        }
    }

    pub(crate) fn authenticate(
        &mut self,
        token: &str,
        minutes: u32,
        now: Timestamp,
    ) -> ProviderResult<AuthenticatedSession> {
        let sent = self.mails.iter_mut().find(|mail| mail.token == token);
        let mail = sent.filter(|mail| mail.link != Link::Revoked);
        let mail = mail.ok_or_else(|| rejected("magic_link_not_found"))?;
        let user = self.users.iter_mut().find(|user| user.id == mail.user);
        let user = user.ok_or_else(|| rejected("magic_link_not_found"))?;
        if mail.link == Link::Used || mail.expires_at <= now {
            return Err(link_used_or_expired());
        }
        mail.link = Link::Used;
        user.is_active = true;
        let (user, email) = (user.id.clone(), mail.to.clone());
        Ok(AuthenticatedSession { email: Some(email), ..self.start_session(user, minutes, now) })
    }

    fn start_session(
        &mut self,
        user: String,
        minutes: u32,
        now: Timestamp,
    ) -> AuthenticatedSession {
        let session = ProviderSession {
            provider_session_id: self.name("session"),
            provider_user_id: user,
            started_at: now,
            expires_at: now + Duration::from_secs(u64::from(minutes) * 60),
        };
        let token = self.name("session-token");
        let begun = StytchSession { session, token, is_revoked: false };
        let authenticated = begun.authenticated(now);
        self.sessions.push(begun);
        authenticated
    }

    pub(crate) fn refresh(
        &self,
        token: &str,
        now: Timestamp,
    ) -> ProviderResult<AuthenticatedSession> {
        let known = self.sessions.iter().find(|one| one.token == token && one.is_live(now));
        known.map(|one| one.authenticated(now)).ok_or_else(session_not_found)
    }

    pub(crate) fn revoke_session(&mut self, id: &str) {
        let named = self.sessions.iter_mut().filter(|one| one.session.provider_session_id == id);
        named.for_each(|one| one.is_revoked = true);
    }

    pub(crate) fn delete_user(&mut self, id: &str) {
        self.users.retain(|user| user.id != id);
        let theirs = self.sessions.iter_mut().filter(|one| one.session.provider_user_id == id);
        theirs.for_each(|one| one.is_revoked = true);
    }

    pub(crate) fn find(&self, email: &Email) -> Option<FakeIdentity> {
        self.users.iter().find(|user| user.email == *email).cloned()
    }

    /// Returns a page by offset. Deleting an identity meanwhile makes the list skip another.
    pub(crate) fn page(&self, from: usize) -> IdentityPage {
        let profiles = self.users.iter().skip(from).take(PAGE).map(FakeIdentity::profile).collect();
        let has_more = from + PAGE < self.users.len();
        IdentityPage { profiles, next: has_more.then(|| (from + PAGE).to_string()) }
    }

    pub(crate) fn profile(&self, id: &str) -> Option<Profile> {
        self.users.iter().find(|user| user.id == id).map(FakeIdentity::profile)
    }

    /// Creates an identity as another application would.
    pub(crate) fn create_foreign(&mut self, email: &Email, created_at: Option<Timestamp>) {
        let id = self.create(email, false, Timestamp::UNIX_EPOCH);
        if let Some(known) = self.users.iter_mut().find(|user| user.id == id) {
            known.created_at = created_at;
            known.created_by_guestlist = false;
        }
    }

    fn create(&mut self, email: &Email, is_active: bool, now: Timestamp) -> String {
        let id = self.name("user");
        let (known, created_at) = (id.clone(), Some(now));
        let email = email.clone();
        self.users.push(FakeIdentity {
            id: known,
            email,
            is_active,
            created_by_guestlist: true,
            created_at,
            further_emails: Vec::new(),
            has_password: false,
        });
        id
    }

    fn send(
        &mut self,
        user: String,
        kind: MailKind,
        mail: &NewMail<'_>,
        now: Timestamp,
    ) -> SentMail {
        let token = self.name("link-token");
        self.mails.push(Mail {
            to: mail.to.clone(),
            kind,
            token,
            redirect_url: mail.redirect_url.to_owned(),
            minutes: mail.minutes,
            sent_at: now,
            link: Link::Outstanding,
            user: user.clone(),
            expires_at: now + Duration::from_secs(u64::from(mail.minutes) * 60),
        });
        SentMail { provider_user_id: user, request_id: Some(self.name("request-id")) }
    }

    fn name(&mut self, what: &str) -> String {
        self.made += 1;
        format!("{what}-test-{}", self.made)
    }
}

/// A mail to send.
pub(crate) struct NewMail<'a> {
    pub(crate) to: &'a Email,
    pub(crate) redirect_url: &'a str,
    pub(crate) minutes: u32,
}

impl StytchSession {
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        !self.is_revoked && now < self.session.expires_at
    }

    fn authenticated(&self, now: Timestamp) -> AuthenticatedSession {
        let session_jwt = super::jwt::issue(&self.session, now);
        AuthenticatedSession {
            session: self.session.clone(),
            tokens: Tokens { session_token: self.token.clone(), session_jwt },
            email: None,
        }
    }
}
