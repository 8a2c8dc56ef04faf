//! Compares the list of users with the list of identities, page by page.
//!
//! Users with an identity are read first; only a hash of each identity is kept in memory. Identities that
//! the provider lists are struck off, and those that remain are candidates for repair. An identity that is
//! linked during the comparison is therefore never a candidate.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::error::ReconcileError;
use crate::flows::bootstrap_admin::bootstrap_permission;
use crate::jobs::CLOCK_SKEW;
use crate::{
    CallGate, Ctx, Difference, Drift, DriftCount, Email, IdentityPage, InvitationStatus, Profile,
    ProfileStatus, ProviderError, ProviderErrorKind, StoreResult, User, UserId, UserStatus,
};

/// Rows per query.
const ROWS: u64 = 1_000;
/// Examples kept of each kind of difference.
const MAX_EXAMPLES: usize = 20;
/// Attempts at loading one page of identities. The provider's adapter paces them.
const MAX_TRIES: usize = 5;

/// The result of a comparison.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) users: u64,
    pub(super) identities: u64,
    pub(super) counts: BTreeMap<Drift, DriftCount>,
    pub(super) examples: Vec<Difference>,
    pub(super) candidates: Vec<RepairCandidate>,
}

/// A difference to repair, if it is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RepairCandidate {
    Gone { user: UserId, identity: String },
    Unlinked { user: UserId, identity: String },
    Removed { identity: String },
}

impl RepairCandidate {
    fn kind(&self) -> Drift {
        match self {
            Self::Gone { .. } => Drift::Gone,
            Self::Unlinked { .. } => Drift::Unlinked,
            Self::Removed { .. } => Drift::Removed,
        }
    }

    pub(super) fn identity(&self) -> &str {
        match self {
            Self::Gone { identity, .. }
            | Self::Unlinked { identity, .. }
            | Self::Removed { identity } => identity,
        }
    }
}

impl Findings {
    fn add(&mut self, difference: Difference) {
        let kind = difference.kind;
        self.counts.entry(kind).or_default().found += 1;
        if self.examples.iter().filter(|example| example.kind == kind).count() < MAX_EXAMPLES {
            self.examples.push(difference);
        }
    }

    fn add_candidate(&mut self, candidate: RepairCandidate, user: Option<&User>, emails: &[Email]) {
        self.add(difference(candidate.kind(), user, candidate.identity(), emails));
        self.candidates.push(candidate);
    }

    /// Counts a candidate as repaired.
    pub(super) fn mark_repaired(&mut self, candidate: &RepairCandidate) {
        self.counts.entry(candidate.kind()).or_default().repaired += 1;
    }

    /// Removes a candidate that was not confirmed.
    pub(super) fn discard(&mut self, candidate: &RepairCandidate) {
        let (kind, identity) = (candidate.kind(), candidate.identity());
        let count = self.counts.entry(kind).or_default();
        count.found = count.found.saturating_sub(1);
        self.examples.retain(|one| one.kind != kind || one.provider_user_id != identity);
    }
}

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

/// Compares all users with all identities.
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
            let (id, emails) = (&profile.provider_user_id, &profile.emails);
            for found in known.differences(profile) {
                match found {
                    Found::Candidate(candidate, user) => {
                        self.findings.add_candidate(candidate, user, emails);
                    }
                    Found::Fact(kind, user) => {
                        self.findings.add(difference(kind, user, id, emails));
                    }
                }
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
                    self.findings.add_candidate(candidate, Some(user), &[]);
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

/// Returns the candidate for repair that one identity yields.
pub(crate) async fn repair_candidate(
    ctx: &Ctx,
    profile: &Profile,
) -> StoreResult<Option<RepairCandidate>> {
    let known = KnownUsers::read(ctx, std::slice::from_ref(profile)).await?;
    Ok(known.differences(profile).into_iter().find_map(|found| match found {
        Found::Candidate(candidate, _) => Some(candidate),
        Found::Fact(..) => None,
    }))
}

/// Returns whether an identity can only belong to the user: their address is its only means of logging
/// in. An identity with other means may be another person's, who would gain the user's account.
pub(super) fn is_sole_owner(profile: &Profile, user: &User) -> bool {
    profile.emails == [user.email.clone()] && !profile.has_other_login_methods
}

fn difference(kind: Drift, user: Option<&User>, identity: &str, emails: &[Email]) -> Difference {
    Difference {
        kind,
        user: user.map(|user| user.id),
        email: user.map(|user| user.email.clone()),
        provider_user_id: identity.to_owned(),
        provider_emails: emails.to_vec(),
    }
}

/// A difference between an identity and a user.
enum Found<'a> {
    /// A difference to repair.
    Candidate(RepairCandidate, Option<&'a User>),
    /// A difference to report.
    Fact(Drift, Option<&'a User>),
}

/// The stored state that concerns a page of identities.
struct KnownUsers {
    by_identity: HashMap<String, User>,
    by_address: HashMap<Email, User>,
    /// Users whose invitation is queued.
    being_sent: HashSet<UserId>,
    /// Identities of removed users.
    removed: HashSet<String>,
    /// Addresses without a user that may log in as administrators by configuration.
    expected: HashSet<Email>,
}

impl KnownUsers {
    /// Reads the users before the tombstones, so that a user who is removed in between is found as one or
    /// the other.
    async fn read(ctx: &Ctx, profiles: &[Profile]) -> StoreResult<Self> {
        let identities: Vec<_> = profiles.iter().map(|p| p.provider_user_id.clone()).collect();
        let users = ctx.store.users_by_provider_ids(&identities).await?;
        let by_identity: HashMap<_, _> =
            users.into_iter().filter_map(|u| Some((u.provider_user_id.clone()?, u))).collect();
        let is_unlinked = |p: &&Profile| !by_identity.contains_key(&p.provider_user_id);
        let unlinked: Vec<_> = profiles.iter().filter(is_unlinked).collect();
        let emails: Vec<_> = unlinked.iter().flat_map(|p| p.emails.clone()).collect();
        let holders = ctx.store.users_by_emails(&emails).await?;
        let ids: Vec<_> = holders.iter().map(|user| user.id).collect();
        let latest = ctx.store.latest_invitations(&ids).await?;
        let queued = latest.iter().filter(|one| one.status == InvitationStatus::Queued);
        let being_sent = queued.map(|invitation| invitation.user_id).collect();
        let ids: Vec<_> = unlinked.iter().map(|p| p.provider_user_id.clone()).collect();
        let removed = ctx.store.tombstones(&ids).await?;
        let mut expected = HashSet::new();
        for email in emails.iter().filter(|email| ctx.policy.admin_emails.contains(email)) {
            if bootstrap_permission(ctx, email, None).await?.is_some() {
                expected.insert(email.clone());
            }
        }
        Ok(Self {
            by_identity,
            by_address: holders.into_iter().map(|user| (user.email.clone(), user)).collect(),
            being_sent,
            removed: removed.into_iter().map(|gone| gone.provider_user_id).collect(),
            expected,
        })
    }

    fn differences(&self, profile: &Profile) -> Vec<Found<'_>> {
        match self.by_identity.get(&profile.provider_user_id) {
            Some(user) => linked_differences(user, profile),
            None => self.unlinked_difference(profile).into_iter().collect(),
        }
    }

    fn unlinked_difference(&self, profile: &Profile) -> Option<Found<'_>> {
        let mut holders = profile.emails.iter().filter_map(|email| self.by_address.get(email));
        let (holder, has_more) = (holders.next(), holders.next().is_some());
        let identity = profile.provider_user_id.clone();
        match holder {
            // The removal of a user finds the identity itself.
            Some(user) if user.status == UserStatus::Deleting => None,
            Some(user) if user.provider_user_id.is_none() && is_sole_owner(profile, user) => {
                // The mail that is being sent links the identity itself.
                let is_linked_soon = self.being_sent.contains(&user.id);
                let candidate = RepairCandidate::Unlinked { user: user.id, identity };
                (!is_linked_soon).then_some(Found::Candidate(candidate, holder))
            }
            Some(user) if has_more || !self.being_sent.contains(&user.id) => {
                Some(Found::Fact(Drift::Contested, holder))
            }
            Some(_) => None,
            None if self.removed.contains(&identity) => {
                Some(Found::Candidate(RepairCandidate::Removed { identity }, None))
            }
            // Such an administrator has an identity from the first login link on, and a user from the
            // first login on.
            None if profile.emails.iter().any(|email| self.expected.contains(email)) => None,
            None => Some(Found::Fact(Drift::Orphan, None)),
        }
    }
}

fn linked_differences<'a>(user: &'a User, profile: &Profile) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    if user.status == UserStatus::Deleting {
        return found;
    }
    if !profile.emails.contains(&user.email) {
        found.push(Found::Fact(Drift::Address, Some(user)));
    }
    // An identity that existed before the user may well be active.
    let is_newer = profile.created_at.is_some_and(|at| user.created_at <= at + CLOCK_SKEW);
    let is_active = profile.status == ProfileStatus::Active;
    if user.status == UserStatus::Invited && is_active && is_newer {
        found.push(Found::Fact(Drift::Status, Some(user)));
    }
    found
}

fn repeated_cursor() -> ProviderError {
    ProviderError {
        kind: ProviderErrorKind::Unavailable,
        code: "invalid_response".to_owned(),
        message: "the list of identities repeats a cursor".to_owned(),
        request_id: None,
    }
}
