//! Compares the list of users with the list of identities, page by page.
//!
//! Users with an identity are read first; only a hash of each identity is kept in memory. Identities that
//! the provider lists are struck off, and those that remain are candidates for repair. An identity that is
//! linked during the comparison is therefore never a candidate.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::findings::{Findings, Found, ReconcileError, RepairCandidate};
use super::known_users::KnownUsers;
use crate::{
    CallGate, Ctx, IdentityPage, Profile, ProviderError, ProviderErrorKind, StoreResult, User,
    UserId, UserStatus,
};

const ROWS: u64 = 1_000;
/// Attempts at loading one page of identities. The provider's adapter paces them.
const MAX_TRIES: usize = 5;

/// Identities of users that the provider has not listed yet, by hash. If two hashes are equal, one of the
/// identities is not found to be gone.
#[derive(Default)]
struct UnseenIdentities(HashMap<u64, UserId>);

impl UnseenIdentities {
    fn hash(identity: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        identity.hash(&mut hasher);
        hasher.finish()
    }

    fn remove(&mut self, identity: &str) {
        self.0.remove(&Self::hash(identity));
    }

    fn contains(&self, user: &User) -> bool {
        let hash = user.provider_user_id.as_deref().map(Self::hash);
        hash.is_some_and(|hash| self.0.get(&hash) == Some(&user.id))
    }
}

pub(super) async fn compare(ctx: &Ctx, gate: &dyn CallGate) -> Result<Findings, ReconcileError> {
    let mut comparer =
        Comparer { ctx, unseen: UnseenIdentities::default(), findings: Findings::default() };
    comparer.read_users().await?;
    comparer.read_identities(gate).await?;
    comparer.add_unseen().await?;
    Ok(comparer.findings)
}

struct Comparer<'a> {
    ctx: &'a Ctx,
    unseen: UnseenIdentities,
    findings: Findings,
}

impl Comparer<'_> {
    async fn read_users(&mut self) -> StoreResult<()> {
        let mut after = None;
        loop {
            let users = self.ctx.store.users_from(after, ROWS).await?;
            self.findings.users += users.len() as u64;
            let present = users.iter().filter(|user| user.status != UserStatus::Deleting);
            self.unseen.0.extend(present.filter_map(|user| {
                Some((UnseenIdentities::hash(user.provider_user_id.as_deref()?), user.id))
            }));
            match users.last() {
                Some(last) if users.len() as u64 >= ROWS => after = Some(last.id),
                _ => return Ok(()),
            }
        }
    }

    async fn read_identities(&mut self, gate: &dyn CallGate) -> Result<(), ReconcileError> {
        let mut cursor: Option<String> = None;
        loop {
            if !gate.may_call().await {
                return Err(ReconcileError::Stopped { repaired: 0 });
            }
            let IdentityPage { profiles, next } = self.load_page(cursor.as_deref()).await?;
            self.compare_page(&profiles).await?;
            if next.is_none() {
                return Ok(());
            }
            if next == cursor {
                return Err(ReconcileError::Listing(repeated_cursor()));
            }
            cursor = next;
        }
    }

    async fn load_page(&self, cursor: Option<&str>) -> Result<IdentityPage, ReconcileError> {
        let mut tries = 1;
        loop {
            let error = match self.ctx.provider.identities(cursor).await {
                Ok(page) => return Ok(page),
                Err(error) => error,
            };
            let is_permanent =
                error.kind.is_rejection() || error.kind == ProviderErrorKind::Misconfigured;
            if is_permanent || tries == MAX_TRIES {
                return Err(ReconcileError::Listing(error));
            }
            tries += 1;
        }
    }

    async fn compare_page(&mut self, profiles: &[Profile]) -> StoreResult<()> {
        let known = KnownUsers::read(self.ctx, profiles).await?;
        for profile in profiles {
            self.findings.identities += 1;
            self.unseen.remove(&profile.provider_user_id);
            for found in known.differences(profile) {
                self.findings.add(found);
            }
        }
        Ok(())
    }

    async fn add_unseen(&mut self) -> StoreResult<()> {
        let mut after = None;
        while !self.unseen.0.is_empty() {
            let users = self.ctx.store.users_from(after, ROWS).await?;
            for user in &users {
                let is_unseen = user.status != UserStatus::Deleting && self.unseen.contains(user);
                if let (true, Some(identity)) = (is_unseen, user.provider_user_id.clone()) {
                    let candidate = RepairCandidate::Gone { user: user.id, identity };
                    self.findings.add(Found::candidate(candidate, Some(user), &[]));
                }
            }
            match users.last() {
                Some(last) if users.len() as u64 >= ROWS => after = Some(last.id),
                _ => break,
            }
        }
        Ok(())
    }
}

fn repeated_cursor() -> ProviderError {
    ProviderError {
        kind: ProviderErrorKind::Unavailable,
        code: "invalid_response".to_owned(),
        message: "the list of identities repeats a cursor".to_owned(),
        request_id: None,
    }
}
