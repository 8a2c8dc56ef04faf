//! Both lists are read, page by page, and whoever differs is noted.
//!
//! Of our users who have an identity only a number each is kept in mind while Stytch tells of its
//! own: whoever it tells of is struck off, and whoever is left at the end is suspected to be gone.
//! They are read before the list begins, so nobody is suspected who only just got an identity.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::ReconcileError;
use crate::flows::configured_admin::bootstrap;
use crate::flows::deliver::CLOCK_SKEW;
use crate::{
    CallGate, Ctx, Difference, Drift, DriftCount, Email, IdentityPage, InvitationStatus, Profile,
    ProfileStatus, ProviderError, ProviderErrorKind, StoreError, User, UserId, UserStatus,
};

/// Rows of one read.
const ROWS: u64 = 1_000;
/// Differences of each kind that are shown.
const EXAMPLES: usize = 20;
/// How often one page of Stytch's list is asked for. Those who list keep their distance.
const TRIES: usize = 5;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) users: u64,
    pub(super) identities: u64,
    pub(super) counts: BTreeMap<Drift, DriftCount>,
    pub(super) examples: Vec<Difference>,
    pub(super) suspicions: Vec<RepairCandidate>,
}

/// What is to be repaired, if it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RepairCandidate {
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
    fn note(&mut self, difference: Difference) {
        let kind = difference.kind;
        self.counts.entry(kind).or_default().found += 1;
        if self.examples.iter().filter(|example| example.kind == kind).count() < EXAMPLES {
            self.examples.push(difference);
        }
    }

    fn suspect(&mut self, suspicion: RepairCandidate, user: Option<&User>, theirs: &[Email]) {
        self.note(Difference {
            kind: suspicion.kind(),
            user: user.map(|user| user.id),
            email: user.map(|user| user.email.clone()),
            provider_user_id: suspicion.identity().to_owned(),
            theirs: theirs.to_vec(),
        });
        self.suspicions.push(suspicion);
    }

    /// It was so, and is no more.
    pub(super) fn repaired(&mut self, suspicion: &RepairCandidate) {
        self.counts.entry(suspicion.kind()).or_default().repaired += 1;
    }

    /// It was not so, or is no more by itself.
    pub(super) fn dropped(&mut self, suspicion: &RepairCandidate) {
        let count = self.counts.entry(suspicion.kind()).or_default();
        count.found = count.found.saturating_sub(1);
        let (kind, identity) = (suspicion.kind(), suspicion.identity());
        self.examples.retain(|one| one.kind != kind || one.provider_user_id != identity);
    }
}

/// Whom Stytch has not told of yet, by a number of their identity each. Should two have the same
/// number, one of them is not found to be gone.
#[derive(Default)]
struct UnseenIdentities(HashMap<u64, UserId>);

impl UnseenIdentities {
    fn number(identity: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        identity.hash(&mut hasher);
        hasher.finish()
    }

    fn strike(&mut self, identity: &str) {
        self.0.remove(&Self::number(identity));
    }

    fn is_left(&self, user: &User) -> bool {
        let number = user.provider_user_id.as_deref().map(Self::number);
        number.is_some_and(|number| self.0.get(&number) == Some(&user.id))
    }
}

pub(super) async fn compare(ctx: &Ctx, lease: &dyn CallGate) -> Result<Findings, ReconcileError> {
    let mut comparing =
        Comparing { ctx, awaited: UnseenIdentities::default(), findings: Findings::default() };
    comparing.read_ours().await?;
    comparing.read_theirs(lease).await?;
    comparing.suspect_the_rest().await?;
    Ok(comparing.findings)
}

struct Comparing<'a> {
    ctx: &'a Ctx,
    awaited: UnseenIdentities,
    findings: Findings,
}

impl Comparing<'_> {
    async fn read_ours(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let users = self.ctx.store.users_from(after, ROWS).await?;
            self.findings.users += users.len() as u64;
            let known = users.iter().filter(|user| user.status != UserStatus::Deleting);
            self.awaited.0.extend(known.filter_map(|user| {
                Some((UnseenIdentities::number(user.provider_user_id.as_deref()?), user.id))
            }));
            match users.last() {
                Some(last) if users.len() as u64 >= ROWS => after = Some(last.id),
                _ => return Ok(()),
            }
        }
    }

    async fn read_theirs(&mut self, lease: &dyn CallGate) -> Result<(), ReconcileError> {
        let mut cursor: Option<String> = None;
        loop {
            if !lease.may_call().await {
                return Err(ReconcileError::Stopped { repaired: 0 });
            }
            let IdentityPage { profiles, next } = self.page(cursor.as_deref()).await?;
            self.look_at(&profiles).await?;
            if next.is_none() {
                return Ok(());
            }
            if next == cursor {
                return Err(ReconcileError::Listing(turns_in_circles()));
            }
            cursor = next;
        }
    }

    async fn page(&self, cursor: Option<&str>) -> Result<IdentityPage, ReconcileError> {
        let mut tries = 1;
        loop {
            match self.ctx.provider.identities(cursor).await {
                Ok(page) => return Ok(page),
                Err(error) if error.is_permanent() || tries == TRIES => {
                    return Err(ReconcileError::Listing(error));
                }
                Err(_) => tries += 1,
            }
        }
    }

    async fn look_at(&mut self, profiles: &[Profile]) -> Result<(), StoreError> {
        let known = Known::read(self.ctx, profiles).await?;
        for profile in profiles {
            self.findings.identities += 1;
            self.awaited.strike(&profile.provider_user_id);
            for found in known.differences(profile) {
                match found {
                    Found::Candidate(suspicion, user) => {
                        self.findings.suspect(suspicion, user, &profile.emails);
                    }
                    Found::Fact(kind, user) => {
                        self.findings.note(difference(kind, user, profile));
                    }
                }
            }
        }
        Ok(())
    }

    async fn suspect_the_rest(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        while !self.awaited.0.is_empty() {
            let users = self.ctx.store.users_from(after, ROWS).await?;
            for user in &users {
                let is_suspect = user.status != UserStatus::Deleting && self.awaited.is_left(user);
                if let (true, Some(identity)) = (is_suspect, user.provider_user_id.clone()) {
                    let suspicion = RepairCandidate::Gone { user: user.id, identity };
                    self.findings.suspect(suspicion, Some(user), &[]);
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

/// What is suspected of one identity, as it is described.
pub(super) async fn suspicion(
    ctx: &Ctx,
    profile: &Profile,
) -> Result<Option<RepairCandidate>, StoreError> {
    let known = Known::read(ctx, std::slice::from_ref(profile)).await?;
    let suspected = known.differences(profile).into_iter().find_map(|found| match found {
        Found::Candidate(suspicion, _) => Some(suspicion),
        Found::Fact(..) => None,
    });
    Ok(suspected)
}

/// How somebody at Stytch differs from what stands here of the user.
enum Found<'a> {
    /// To be repaired, if it is so.
    Candidate(RepairCandidate, Option<&'a User>),
    /// To be told.
    Fact(Drift, Option<&'a User>),
}

/// Whether an identity can be taken for that user's: their address is the only way in. With any
/// other it may be somebody's who would come in as them.
pub(super) fn is_theirs_alone(profile: &Profile, user: &User) -> bool {
    profile.emails == [user.email.clone()] && !profile.has_other_ways_in
}

fn difference(kind: Drift, user: Option<&User>, profile: &Profile) -> Difference {
    Difference {
        kind,
        user: user.map(|user| user.id),
        email: user.map(|user| user.email.clone()),
        provider_user_id: profile.provider_user_id.clone(),
        theirs: profile.emails.clone(),
    }
}

/// What is known here of the people of a page.
struct Known {
    by_identity: HashMap<String, User>,
    by_address: HashMap<Email, User>,
    /// Users whose invitation is on its way.
    being_sent: HashSet<UserId>,
    /// Identities of people who were removed.
    removed: HashSet<String>,
    /// Addresses without a user that may log in as administrators by configuration.
    expected: HashSet<Email>,
}

impl Known {
    /// Who is removed meanwhile is found as a user or, since those are read last, as removed.
    async fn read(ctx: &Ctx, profiles: &[Profile]) -> Result<Self, StoreError> {
        let identities: Vec<_> = profiles.iter().map(|p| p.provider_user_id.clone()).collect();
        let users = ctx.store.users_by_provider_ids(&identities).await?;
        let by_identity: HashMap<_, _> =
            users.into_iter().filter_map(|u| Some((u.provider_user_id.clone()?, u))).collect();
        let is_stranger = |p: &&Profile| !by_identity.contains_key(&p.provider_user_id);
        let strangers: Vec<_> = profiles.iter().filter(is_stranger).collect();
        let emails: Vec<_> = strangers.iter().flat_map(|p| p.emails.clone()).collect();
        let holders = ctx.store.users_by_emails(&emails).await?;
        let ids: Vec<_> = holders.iter().map(|user| user.id).collect();
        let latest = ctx.store.latest_invitations(&ids).await?;
        let queued = latest.iter().filter(|one| one.status == InvitationStatus::Queued);
        let being_sent = queued.map(|invitation| invitation.user_id).collect();
        let ids: Vec<_> = strangers.iter().map(|p| p.provider_user_id.clone()).collect();
        let removed = ctx.store.tombstones(&ids).await?;
        let mut expected = HashSet::new();
        for email in emails.iter().filter(|email| ctx.policy.admin_emails.contains(email)) {
            if bootstrap(ctx, email, None).await?.is_some() {
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
            Some(user) => of_known(user, profile),
            None => self.of_stranger(profile).into_iter().collect(),
        }
    }

    fn of_stranger(&self, profile: &Profile) -> Option<Found<'_>> {
        let mut holders = profile.emails.iter().filter_map(|email| self.by_address.get(email));
        let (holder, has_more) = (holders.next(), holders.next().is_some());
        let identity = profile.provider_user_id.clone();
        match holder {
            // Those on their way out look for their identity themselves.
            Some(user) if user.status == UserStatus::Deleting => None,
            Some(user) if user.provider_user_id.is_none() && is_theirs_alone(profile, user) => {
                // A mail on its way tells of the identity itself.
                let is_known_soon = self.being_sent.contains(&user.id);
                let suspicion = RepairCandidate::Unlinked { user: user.id, identity };
                (!is_known_soon).then_some(Found::Candidate(suspicion, holder))
            }
            Some(user) if has_more || !self.being_sent.contains(&user.id) => {
                Some(Found::Fact(Drift::Contested, holder))
            }
            Some(_) => None,
            None if self.removed.contains(&identity) => {
                Some(Found::Candidate(RepairCandidate::Removed { identity }, None))
            }
            // They have an identity from the first link they ask for, and a row from the first
            // time they come in.
            None if profile.emails.iter().any(|email| self.expected.contains(email)) => None,
            None => Some(Found::Fact(Drift::Orphan, None)),
        }
    }
}

fn of_known<'a>(user: &'a User, profile: &Profile) -> Vec<Found<'a>> {
    let mut found = Vec::new();
    if user.status == UserStatus::Deleting {
        return found;
    }
    if !profile.emails.contains(&user.email) {
        found.push(Found::Fact(Drift::Address, Some(user)));
    }
    // Whoever Stytch knew before us may well be active there.
    let is_of_ours = profile.created_at.is_some_and(|at| user.created_at <= at + CLOCK_SKEW);
    let is_active = profile.status == ProfileStatus::Active;
    if user.status == UserStatus::Invited && is_active && is_of_ours {
        found.push(Found::Fact(Drift::Status, Some(user)));
    }
    found
}

fn turns_in_circles() -> ProviderError {
    ProviderError {
        kind: ProviderErrorKind::Unavailable,
        code: "bad_answer".to_owned(),
        message: "the list of users does not go on from its cursor".to_owned(),
        request_id: None,
    }
}
