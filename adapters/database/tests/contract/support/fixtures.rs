//! Rows to write: minimal ones, and full ones with a value in every field.

use std::time::Duration;

use guestlist_domain::{
    Actor, ApiKey, ApiKeyId, Change, DeliveryError, Drift, DriftCount, Email, Event, EventId,
    EventKind, HeldBy, Ids, Invitation, InvitationId, InvitationStatus, JobId, LoginRequest,
    LoginRequestId, Metadata, Name, NewJob, QueueName, Reconciliation, ReconciliationId,
    RepairAction, ReturnTo, Role, Scope, Session, SessionId, SystemIds, TokenHash, UsedLink, User,
    UserId, UserStatus,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

pub(crate) fn id() -> Uuid {
    SystemIds.next()
}

/// Returns a time with a fraction of microseconds.
pub(crate) fn now() -> Timestamp {
    "2026-11-23T10:20:30.123456Z".parse().unwrap()
}

pub(crate) fn after(seconds: u64) -> Timestamp {
    now() + Duration::from_secs(seconds)
}

pub(crate) fn before(seconds: u64) -> Timestamp {
    now() - Duration::from_secs(seconds)
}

pub(crate) fn email(text: &str) -> Email {
    Email::parse(text).unwrap()
}

/// Returns a new address.
pub(crate) fn unique_email() -> Email {
    email(&format!("{}@example.com", id().simple()))
}

pub(crate) fn name(text: &str) -> Option<Name> {
    Name::parse(text).unwrap()
}

pub(crate) fn metadata(value: Value) -> Metadata {
    let Value::Object(map) = value else { panic!("metadata is an object") };
    Metadata::new(map).unwrap()
}

pub(crate) fn hash(text: &str) -> TokenHash {
    TokenHash::of(text)
}

pub(crate) fn user() -> User {
    User::new(UserId(id()), unique_email(), UserStatus::Invited, now())
}

pub(crate) fn full_user() -> User {
    User {
        id: UserId(id()),
        email: unique_email(),
        name: name("Ada Lovelace, née Byron 🙂"),
        role: Role::Operator,
        status: UserStatus::Active,
        metadata: metadata(json!({"team": "analysis", "level": 3, "tags": ["a", "ü", "'\\\""]})),
        provider_user_id: Some(format!("user-test-{}", id())),
        created_at: now(),
        last_seen_at: Some(after(60)),
        version: 1,
    }
}

pub(crate) fn active_user() -> User {
    User::new(UserId(id()), unique_email(), UserStatus::Active, now())
}

pub(crate) fn invitation(user: &User) -> Invitation {
    Invitation {
        id: InvitationId(id()),
        user_id: user.id,
        email: user.email.clone(),
        name: None,
        role: Role::Member,
        metadata: Metadata::default(),
        return_to: None,
        invited_by: Actor::Cli,
        status: InvitationStatus::Queued,
        delivery: 1,
        attempts: 0,
        next_attempt_at: None,
        held_by: None,
        last_error: None,
        in_doubt_since: None,
        as_login: false,
        created_at: now(),
        resent_at: None,
        sent_at: None,
        visited_at: None,
        accepted_at: None,
        expires_at: after(604_800),
        version: 1,
    }
}

pub(crate) fn full_invitation(user: &User) -> Invitation {
    Invitation {
        name: name("Ada"),
        role: Role::Admin,
        metadata: metadata(json!({"plan": "pro"})),
        return_to: Some(ReturnTo::checked(format!("https://app.example/{}", "x".repeat(2000)))),
        invited_by: Actor::User { id: UserId(id()), name: "Grace <grace@example.com>".to_owned() },
        delivery: 7,
        attempts: 19,
        next_attempt_at: Some(after(1)),
        held_by: Some(HeldBy::ProviderDown),
        last_error: Some(DeliveryError {
            code: "too_many_requests".to_owned(),
            message: "Slow down, 'please'\n– Stytch".to_owned(),
            at: after(2),
        }),
        in_doubt_since: Some(after(2)),
        as_login: true,
        resent_at: Some(after(3)),
        sent_at: Some(after(4)),
        visited_at: Some(after(5)),
        accepted_at: Some(after(6)),
        ..invitation(user)
    }
}

pub(crate) fn session(user: &User) -> Session {
    Session {
        id: SessionId(id()),
        user_id: user.id,
        provider_session_id: format!("session-test-{}", id()),
        token_hash: hash(&id().to_string()),
        started_at: now(),
        expires_at: after(3600),
        last_used_at: now(),
        user_agent: None,
        ip: None,
        ended: None,
    }
}

pub(crate) fn used_link() -> UsedLink {
    UsedLink { token_hash: hash(&id().to_string()), user_id: Some(UserId(id())), at: now() }
}

pub(crate) fn login_request(email: &Email, ordinal: i64) -> LoginRequest {
    LoginRequest {
        id: LoginRequestId(id()),
        email: email.clone(),
        ordinal,
        return_to: Some(ReturnTo::checked("/sessions".to_owned())),
        at: now(),
        send_at: after(1),
    }
}

pub(crate) fn api_key() -> ApiKey {
    ApiKey {
        id: ApiKeyId(id()),
        name: "ci".to_owned(),
        hash: hash(&id().to_string()),
        prefix: "glk_abcd".to_owned(),
        scopes: vec![Scope::InvitationsRead, Scope::InvitationsWrite],
        created_at: now(),
        last_used_at: None,
        revoked_at: None,
        version: 1,
    }
}

pub(crate) fn event(user: &User, invitation: Option<&Invitation>) -> Event {
    Event {
        id: EventId(id()),
        kind: EventKind::Requested,
        at: now(),
        actor: Actor::System,
        from_ip: None,
        user_id: Some(user.id),
        invitation_id: invitation.map(|invitation| invitation.id),
        detail: Value::Null,
    }
}

pub(crate) fn job() -> NewJob {
    NewJob {
        id: JobId(id()),
        queue: QueueName::Invitation,
        kind: "send-invite",
        args: json!({"invitation": id()}),
        priority: 10,
        run_at: now(),
        max_attempts: 20,
        unique_key: None,
        created_at: now(),
    }
}

/// Returns the change of a new invitation: a user, the invitation, an event and a job.
pub(crate) fn invite(user: &User) -> Change {
    let invitation = invitation(user);
    let event = event(user, Some(&invitation));
    Change::new().insert_user(user.clone()).insert_invitation(invitation).event(event).job(job())
}

pub(crate) fn reconciliation() -> Reconciliation {
    Reconciliation {
        id: ReconciliationId(id()),
        started_at: before(60),
        finished_at: now(),
        repair_action: RepairAction::Repaired,
        users: 200_000,
        identities: 3,
        counts: [(Drift::Gone, DriftCount { found: 2, repaired: 1 })].into(),
    }
}
