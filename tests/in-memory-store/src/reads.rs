//! The store's queries.

use std::cmp::Reverse;

use async_trait::async_trait;
use guestlist_domain::{
    ApiKey, ApiKeyId, Cursor, Email, Event, GuardName, Invitation, InvitationFilter, InvitationId,
    JobId, LoginRequest, LoginRequestId, Name, Page, QueuedJob, ReadInvitations, ReadJobs,
    ReadKeys, ReadReconciliation, ReadSessions, ReadUsers, Reconciliation, RemovedAddress,
    SearchPrefix, Session, SessionId, SortKey, TokenHash, Tombstone, UsedLink, User, UserFilter,
    UserId,
};
use jiff::Timestamp;

use crate::jobs::JobRow;
use crate::store::{InMemoryStore, StoreResult};
use crate::tables::Tables;

#[async_trait]
impl ReadUsers for InMemoryStore {
    async fn user(&self, id: UserId) -> StoreResult<Option<User>> {
        Ok(self.tables().users.get(&id).cloned())
    }

    async fn user_by_email(&self, email: &Email) -> StoreResult<Option<User>> {
        Ok(self.tables().users.values().find(|user| user.email == *email).cloned())
    }

    async fn user_by_provider_id(&self, provider_user_id: &str) -> StoreResult<Option<User>> {
        let matches = |user: &&User| user.provider_user_id.as_deref() == Some(provider_user_id);
        Ok(self.tables().users.values().find(matches).cloned())
    }

    async fn users(
        &self,
        filter: &UserFilter,
        page: Page<Cursor<UserId>>,
    ) -> StoreResult<Vec<User>> {
        let matches = |user: &User| {
            let name = user.name.as_ref().map(Name::key).unwrap_or_default();
            let starts_with = |q: &SearchPrefix| q.matches(user.email.as_str()) || q.matches(&name);
            filter.role.is_none_or(|role| user.role == role)
                && filter.status.is_none_or(|status| user.status == status)
                && filter.q.as_ref().is_none_or(starts_with)
        };
        let tables = self.tables();
        let found = tables.users.values().filter(|user| matches(user)).cloned();
        Ok(page_of(found, page, |user| filter.cursor(user)))
    }

    async fn was_removed(&self, email: &Email) -> StoreResult<bool> {
        Ok(self.tables().removed_addresses.contains(&RemovedAddress::of(email)))
    }

    async fn count_active_admins(&self) -> StoreResult<u64> {
        Ok(self.tables().users.values().filter(|user| user.is_active_admin()).count() as u64)
    }

    async fn guard(&self, name: GuardName) -> StoreResult<i64> {
        Ok(self.tables().guards.get(&name).copied().unwrap_or_default())
    }
}

#[async_trait]
impl ReadInvitations for InMemoryStore {
    async fn invitation(&self, id: InvitationId) -> StoreResult<Option<Invitation>> {
        Ok(self.tables().invitations.get(&id).cloned())
    }

    async fn latest_invitation(&self, user: UserId) -> StoreResult<Option<Invitation>> {
        self.before_latest_invitation();
        Ok(invitations_of(&self.tables(), user).next())
    }

    async fn invitations_of(&self, user: UserId) -> StoreResult<Vec<Invitation>> {
        Ok(invitations_of(&self.tables(), user).collect())
    }

    async fn invitations(
        &self,
        filter: &InvitationFilter,
        page: Page<Cursor<InvitationId>>,
    ) -> StoreResult<Vec<Invitation>> {
        let matches = |invitation: &Invitation| {
            filter.status.is_none_or(|status| invitation.status == status)
                && filter.q.as_ref().is_none_or(|q| q.matches(invitation.email.as_str()))
        };
        let tables = self.tables();
        let found = tables.invitations.values().filter(|one| matches(one)).cloned();
        Ok(page_of(found, page, |invitation| filter.cursor(invitation)))
    }

    async fn timeline(&self, id: InvitationId) -> StoreResult<Vec<Event>> {
        let tables = self.tables();
        let events = tables.events.values().filter(|event| event.invitation_id == Some(id));
        Ok(events.cloned().collect())
    }

    async fn overdue_invitations(
        &self,
        now: Timestamp,
        limit: u64,
    ) -> StoreResult<Vec<Invitation>> {
        let tables = self.tables();
        let open = tables.invitations.values().filter(|one| one.status.is_open());
        let mut overdue: Vec<_> = open.filter(|one| one.expires_at <= now).cloned().collect();
        overdue.sort_by_key(|invitation| invitation.expires_at);
        overdue.truncate(to_usize(limit));
        Ok(overdue)
    }
}

#[async_trait]
impl ReadSessions for InMemoryStore {
    async fn session_by_token(&self, token: TokenHash) -> StoreResult<Option<(Session, User)>> {
        Ok(find_session(&self.tables(), |session| session.token_hash == token))
    }

    async fn session_by_provider_id(&self, id: &str) -> StoreResult<Option<(Session, User)>> {
        Ok(find_session(&self.tables(), |session| session.provider_session_id == id))
    }

    async fn session(&self, id: SessionId) -> StoreResult<Option<Session>> {
        Ok(self.tables().sessions.get(&id).cloned())
    }

    async fn live_sessions(&self, user: UserId, now: Timestamp) -> StoreResult<Vec<Session>> {
        let tables = self.tables();
        let sessions = tables.sessions.values().rev().filter(|session| session.user_id == user);
        Ok(sessions.filter(|session| session.is_live(now)).cloned().collect())
    }

    async fn sessions(
        &self,
        user: UserId,
        now: Timestamp,
        page: Page<SessionId>,
    ) -> StoreResult<Vec<Session>> {
        let live = self.live_sessions(user, now).await?.into_iter();
        let rest = live.filter(|session| page.after.is_none_or(|after| session.id < after));
        Ok(rest.take(to_usize(page.limit)).collect())
    }

    async fn used_link(&self, token: TokenHash) -> StoreResult<Option<UsedLink>> {
        Ok(self.tables().used_links.iter().find(|link| link.token_hash == token).cloned())
    }

    async fn login_request(&self, id: LoginRequestId) -> StoreResult<Option<LoginRequest>> {
        Ok(self.tables().login_requests.iter().find(|request| request.id == id).cloned())
    }

    async fn login_requests(&self, email: &Email, limit: u64) -> StoreResult<Vec<LoginRequest>> {
        let tables = self.tables();
        let requests = tables.login_requests.iter().filter(|request| request.email == *email);
        let mut requests: Vec<_> = requests.cloned().collect();
        requests.sort_by_key(|request| Reverse(request.ordinal));
        requests.truncate(to_usize(limit));
        Ok(requests)
    }

    async fn has_newer_due_login_request(
        &self,
        email: &Email,
        ordinal: i64,
        now: Timestamp,
    ) -> StoreResult<bool> {
        let tables = self.tables();
        let mut requests = tables.login_requests.iter().filter(|request| request.email == *email);
        Ok(requests.any(|request| request.ordinal > ordinal && request.send_at <= now))
    }
}

#[async_trait]
impl ReadKeys for InMemoryStore {
    async fn api_key_by_hash(&self, hash: TokenHash) -> StoreResult<Option<ApiKey>> {
        Ok(self.tables().api_keys.values().find(|key| key.hash == hash).cloned())
    }

    async fn api_key(&self, id: ApiKeyId) -> StoreResult<Option<ApiKey>> {
        Ok(self.tables().api_keys.get(&id).cloned())
    }

    async fn api_keys(&self) -> StoreResult<Vec<ApiKey>> {
        Ok(self.tables().api_keys.values().rev().cloned().collect())
    }
}

#[async_trait]
impl ReadJobs for InMemoryStore {
    async fn job(&self, id: JobId) -> StoreResult<Option<QueuedJob>> {
        Ok(self.tables().jobs.get(&id).map(JobRow::to_queued_job))
    }

    async fn first_lost_attempt(
        &self,
        id: JobId,
        since: Timestamp,
    ) -> StoreResult<Option<Timestamp>> {
        let tables = self.tables();
        let lost = tables.jobs.get(&id).map(|row| &*row.lost).unwrap_or_default();
        Ok(lost.iter().copied().filter(|began_at| *began_at >= since).min())
    }
}

#[async_trait]
impl ReadReconciliation for InMemoryStore {
    async fn users_from(&self, after: Option<UserId>, limit: u64) -> StoreResult<Vec<User>> {
        let tables = self.tables();
        let rest = tables.users.values().filter(|user| after.is_none_or(|after| user.id > after));
        Ok(rest.take(to_usize(limit)).cloned().collect())
    }

    async fn users_by_provider_ids(&self, ids: &[String]) -> StoreResult<Vec<User>> {
        let matches =
            |user: &&User| user.provider_user_id.as_ref().is_some_and(|id| ids.contains(id));
        Ok(self.tables().users.values().filter(matches).cloned().collect())
    }

    async fn users_by_emails(&self, emails: &[Email]) -> StoreResult<Vec<User>> {
        let matches = |user: &&User| emails.contains(&user.email);
        Ok(self.tables().users.values().filter(matches).cloned().collect())
    }

    async fn tombstones(&self, ids: &[String]) -> StoreResult<Vec<Tombstone>> {
        let matches = |tombstone: &&Tombstone| ids.contains(&tombstone.provider_user_id);
        Ok(self.tables().tombstones.iter().filter(matches).cloned().collect())
    }

    async fn last_reconciliation(&self) -> StoreResult<Option<Reconciliation>> {
        Ok(self.tables().reconciliations.last().cloned())
    }
}

/// Returns the newest first.
fn invitations_of(tables: &Tables, user: UserId) -> impl Iterator<Item = Invitation> {
    let newest_first = tables.invitations.values().rev();
    newest_first.filter(move |invitation| invitation.user_id == user).cloned()
}

fn find_session(tables: &Tables, matches: impl Fn(&Session) -> bool) -> Option<(Session, User)> {
    let session = tables.sessions.values().find(|session| matches(session))?;
    Some((session.clone(), tables.users.get(&session.user_id)?.clone()))
}

/// Returns a page in the order of addresses, then of names, then newest first.
fn page_of<T, Id: Ord>(
    found: impl Iterator<Item = T>,
    page: Page<Cursor<Id>>,
    cursor: impl Fn(&T) -> Cursor<Id>,
) -> Vec<T> {
    let order = |cursor: Cursor<Id>| {
        let key = cursor.sort_key.map(|by| match by {
            SortKey::Email(email) => (0, email),
            SortKey::Name(name) => (1, name),
        });
        (key, Reverse(cursor.id))
    };
    let after = page.after.map(order);
    let mut found: Vec<T> = found
        .filter(|row| after.as_ref().is_none_or(|after| order(cursor(row)) > *after))
        .collect();
    found.sort_by_key(|row| order(cursor(row)));
    found.truncate(to_usize(page.limit));
    found
}

fn to_usize(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
