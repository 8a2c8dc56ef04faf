//! Compares identities with the stored users whom they concern.

use std::collections::{HashMap, HashSet};

use super::findings::{Found, RepairCandidate};
use crate::flows::bootstrap_admin::bootstrap_permission;
use crate::jobs::CLOCK_SKEW;
use crate::{
    Ctx, Drift, Email, InvitationStatus, Profile, ProfileStatus, StoreResult, User, UserId,
    UserStatus,
};

/// The stored state that concerns a page of identities.
pub(super) struct KnownUsers {
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
    pub(super) async fn read(ctx: &Ctx, profiles: &[Profile]) -> StoreResult<Self> {
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
            removed: removed.into_iter().map(|tombstone| tombstone.provider_user_id).collect(),
            expected,
        })
    }

    pub(super) fn differences(&self, profile: &Profile) -> Vec<Found> {
        match self.by_identity.get(&profile.provider_user_id) {
            Some(user) => linked_differences(user, profile),
            None => self.unlinked_difference(profile).into_iter().collect(),
        }
    }

    fn unlinked_difference(&self, profile: &Profile) -> Option<Found> {
        let emails = &profile.emails;
        let mut holders = emails.iter().filter_map(|email| self.by_address.get(email));
        let (holder, has_more) = (holders.next(), holders.next().is_some());
        let identity = profile.provider_user_id.clone();
        match holder {
            // The removal of a user finds the identity itself.
            Some(user) if user.status == UserStatus::Deleting => None,
            Some(user) if user.provider_user_id.is_none() && is_sole_owner(profile, user) => {
                // The mail that is being sent links the identity itself.
                let is_linked_soon = self.being_sent.contains(&user.id);
                let candidate = RepairCandidate::Unlinked { user: user.id, identity };
                let found = || Found::candidate(candidate, holder, emails);
                (!is_linked_soon).then(found)
            }
            Some(user) if has_more || !self.being_sent.contains(&user.id) => {
                Some(Found::fact(Drift::Contested, holder, &identity, emails))
            }
            Some(_) => None,
            None if self.removed.contains(&identity) => {
                Some(Found::candidate(RepairCandidate::Removed { identity }, None, emails))
            }
            // Such an administrator has an identity from the first login link on, and a user from the
            // first login on.
            None if emails.iter().any(|email| self.expected.contains(email)) => None,
            None => Some(Found::fact(Drift::Orphan, None, &identity, emails)),
        }
    }
}

fn linked_differences(user: &User, profile: &Profile) -> Vec<Found> {
    let mut found = Vec::new();
    if user.status == UserStatus::Deleting {
        return found;
    }
    let fact = |kind| Found::fact(kind, Some(user), &profile.provider_user_id, &profile.emails);
    if !profile.emails.contains(&user.email) {
        found.push(fact(Drift::Address));
    }
    // An identity that existed before the user may well be active.
    let is_newer = profile.created_at.is_some_and(|at| user.created_at <= at + CLOCK_SKEW);
    let is_active = profile.status == ProfileStatus::Active;
    if user.status == UserStatus::Invited && is_active && is_newer {
        found.push(fact(Drift::Status));
    }
    found
}

/// Returns the candidate for repair that one identity yields.
pub(crate) async fn repair_candidate(
    ctx: &Ctx,
    profile: &Profile,
) -> StoreResult<Option<RepairCandidate>> {
    let known = KnownUsers::read(ctx, std::slice::from_ref(profile)).await?;
    Ok(known.differences(profile).into_iter().find_map(|found| found.candidate))
}

/// Returns whether an identity can only belong to the user: their address is its only means of logging
/// in. An identity with other means may be another person's, who would gain the user's account.
pub(super) fn is_sole_owner(profile: &Profile, user: &User) -> bool {
    profile.emails == [user.email.clone()] && !profile.has_other_login_methods
}
