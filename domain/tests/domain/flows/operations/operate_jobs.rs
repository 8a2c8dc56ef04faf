//! Pausing queues, and cancelling and retrying jobs.

use guestlist_domain::flows::{
    JobOperationError, NewInvitation, cancel_job, dismiss_job, retry_job,
};
use guestlist_domain::jobs::{
    DeleteIdentity, RevokeInvitation, RevokeSession, SendInvitation, SendLoginLink,
};
use guestlist_domain::{
    Actor, Event, EventKind, InvitationStatus, JobId, JobState, ManageableRoles, QueueName, Role,
    UserStatus,
};
use serde_json::json;

use crate::support::{Call, Fault, Link, Simulation, at, block_on, errors, hours};

/// Returns the events of operators, oldest first.
fn operations(t: &Simulation) -> Vec<Event> {
    use EventKind::{JobCancelled, JobRetried, QueuePaused, QueueResumed};
    let kinds = [JobCancelled, JobRetried, QueuePaused, QueueResumed];
    let tables = t.store.tables();
    tables.events.values().filter(|event| kinds.contains(&event.kind)).cloned().collect()
}

#[test]
fn a_paused_queues_jobs_are_not_claimed_until_it_resumes() {
    let t = Simulation::new();
    t.add("bob", Role::Member).unwrap();
    t.pause(QueueName::Invitation).unwrap();
    let ada = t.invited("ada");
    t.log_in("bob").unwrap();

    t.work_for(hours(1));
    assert_eq!(t.again(&ada).status, InvitationStatus::Queued);
    assert_eq!(t.inbox("bob").len(), 1, "other queues go on");

    t.resume(QueueName::Invitation).unwrap();
    t.work();
    assert_eq!(t.again(&ada).status, InvitationStatus::Sent);
    let recorded: Vec<_> = operations(&t).into_iter().map(|e| (e.kind, e.detail)).collect();
    let paused = json!({ "queue": "invitation", "reason": "a reason" });
    let resumed = json!({ "queue": "invitation" });
    assert_eq!(recorded, [(EventKind::QueuePaused, paused), (EventKind::QueueResumed, resumed)]);
}

#[test]
fn pausing_and_resuming_are_idempotent() {
    let t = Simulation::new();
    for _ in 0..2 {
        t.pause(QueueName::Login).unwrap();
    }
    for _ in 0..2 {
        t.resume(QueueName::Login).unwrap();
    }
    assert!(t.store.tables().paused.is_empty());
}

#[test]
fn operator_events_contain_no_address() {
    let t = Simulation::new();
    t.invited("ada");
    let job = t.job_id::<SendInvitation>();
    t.cancel(job).unwrap();
    t.retry(job).unwrap();

    let recorded = operations(&t);

    let kinds: Vec<_> = recorded.iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::JobCancelled, EventKind::JobRetried]);
    for event in recorded {
        assert_eq!(event.detail, json!({ "job": job, "kind": "send-invite" }));
        assert_eq!(event.actor.kind(), "cli");
    }
}

#[test]
fn jobs_in_the_wrong_state_are_unchanged() {
    let t = Simulation::new();
    t.sent("ada");
    let done = t.job_id::<SendInvitation>();
    assert!(matches!(t.cancel(done), Err(JobOperationError::WrongState(JobState::Done))));
    assert!(matches!(t.retry(done), Err(JobOperationError::WrongState(JobState::Done))));

    t.invited("bob");
    let bobs = t.job_id::<SendInvitation>();
    assert!(matches!(t.retry(bobs), Err(JobOperationError::WrongState(JobState::Ready))));
    let _in_flight = t.perform_next();
    assert!(matches!(t.retry(bobs), Err(JobOperationError::WrongState(JobState::Running))));
    t.rescue();
    t.cancel(bobs).unwrap();
    assert!(matches!(t.cancel(bobs), Err(JobOperationError::WrongState(JobState::Cancelled))));
    assert_eq!(operations(&t).len(), 1);
}

#[test]
fn unknown_jobs_are_not_found() {
    let t = Simulation::new();
    let unknown = JobId(t.ctx.ids.next());
    assert!(matches!(t.cancel(unknown), Err(JobOperationError::NotFound)));
    assert!(matches!(t.retry(unknown), Err(JobOperationError::NotFound)));
}

#[test]
fn an_erasure_is_neither_cancelled_nor_dismissed_but_retried() {
    let t = Simulation::new();
    let ada = t.logged_in("ada").user;
    t.remove(ada.id).unwrap();
    let deletion = t.job_id::<DeleteIdentity>();
    assert!(matches!(t.cancel(deletion), Err(JobOperationError::Erasure)));

    t.provider.refuses(Call::DeleteUser, 25, &errors::internal());
    t.work_for(hours(5));
    assert_eq!(t.job::<DeleteIdentity>().state, JobState::Dead);
    assert!(matches!(t.dismiss(deletion), Err(JobOperationError::Erasure)));
    assert_eq!(t.status("ada"), Some(UserStatus::Deleting));

    t.retry(deletion).unwrap();
    t.work_for(hours(1));
    assert_eq!(t.user("ada"), None);
}

#[test]
fn a_caller_limited_to_members_cannot_operate_jobs_of_higher_roles() {
    type About = fn(&Simulation, Role) -> JobId;
    let about: [(&str, About); 6] = [
        ("an invitation", |t, role| {
            t.invite_as(NewInvitation { role, ..Simulation::invitation_of("ada") }).unwrap();
            t.job_id::<SendInvitation>()
        }),
        ("a login", |t, role| {
            t.add("ada", role).unwrap();
            t.log_in("ada").unwrap();
            t.job_id::<SendLoginLink>()
        }),
        ("a revoked invitation", |t, role| {
            let ada =
                t.invite_as(NewInvitation { role, ..Simulation::invitation_of("ada") }).unwrap();
            t.revoke(ada.id).unwrap();
            t.job_id::<RevokeInvitation>()
        }),
        ("a session that ended", |t, role| {
            t.invite_as(NewInvitation { role, ..Simulation::invitation_of("ada") }).unwrap();
            t.work();
            let ada = t.redeem(&t.link("ada")).unwrap();
            t.log_out(&ada).unwrap();
            t.job_id::<RevokeSession>()
        }),
        ("a removal", |t, role| {
            let ada = t.add("ada", role).unwrap();
            t.remove(ada.id).unwrap();
            t.job_id::<DeleteIdentity>()
        }),
        ("a member's invitation, of a user who was promoted since", |t, role| {
            let ada = t.invited("ada");
            t.give_role(ada.user_id, role).unwrap();
            t.job_id::<SendInvitation>()
        }),
    ];
    for (what, about) in about {
        for role in [Role::Admin, Role::Operator, Role::Member] {
            let t = Simulation::new();
            t.admin("root");
            let job = about(&t, role);
            let results = [
                block_on(cancel_job(&t.ctx, job, ManageableRoles::MemberOnly, &Actor::Cli)),
                block_on(dismiss_job(&t.ctx, job, ManageableRoles::MemberOnly, &Actor::Cli)),
                block_on(retry_job(&t.ctx, job, ManageableRoles::MemberOnly, &Actor::Cli)),
            ];
            let refused = results.iter().filter(|r| matches!(r, Err(JobOperationError::Forbidden)));
            let expected = if role == Role::Member { 0 } else { 3 };
            assert_eq!(refused.count(), expected, "{what} of {role}: {results:?}");
        }
    }
}

#[test]
fn a_login_of_a_configured_administrator_is_an_administrators_job() {
    let t = Simulation::with_policy(|policy| policy.admin_emails = vec![at("root")]);
    t.log_in("root").unwrap();
    let job = t.job_id::<SendLoginLink>();
    let refused = block_on(cancel_job(&t.ctx, job, ManageableRoles::MemberOnly, &Actor::Cli));
    assert!(matches!(refused, Err(JobOperationError::Forbidden)), "{refused:?}");
}

#[test]
fn a_retried_job_has_all_its_attempts() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    t.provider.refuses(Call::RevokeInvite, 25, &errors::internal());
    t.work_for(hours(5));
    assert_eq!(t.job::<RevokeInvitation>().state, JobState::Dead);

    t.retry(t.job_id::<RevokeInvitation>()).unwrap();
    t.work_for(hours(1));

    assert_eq!(t.link_state("ada"), Link::Revoked);
    assert_eq!(t.job::<RevokeInvitation>().attempts, 6);
}

#[test]
fn a_cancelled_running_job_is_not_retried() {
    let failures = [
        Fault::Refused(errors::internal()),
        Fault::Refused(errors::rate_limited(None)),
        Fault::CallLost,
    ];
    for failure in failures {
        let t = Simulation::new();
        t.add("ada", Role::Member).unwrap();
        t.log_in("ada").unwrap();
        t.provider.next(Call::SendLogin, failure.clone());
        let in_flight = t.perform_next();
        t.cancel(t.job_id::<SendLoginLink>()).unwrap();

        t.settle(&in_flight).unwrap();
        t.work_for(hours(1));

        assert_eq!(t.job::<SendLoginLink>().state, JobState::Cancelled, "{failure:?}");
        assert!(t.inbox("ada").is_empty());
    }
}

#[test]
fn a_running_job_that_ends_before_its_cancellation_keeps_its_state() {
    for (failure, state) in
        [(None, JobState::Done), (Some(errors::rejected("bad_request")), JobState::Dead)]
    {
        let t = Simulation::new();
        t.add("ada", Role::Member).unwrap();
        t.log_in("ada").unwrap();
        if let Some(error) = &failure {
            t.provider.refuses(Call::SendLogin, 1, error);
        }
        let in_flight = t.perform_next();
        t.cancel(t.job_id::<SendLoginLink>()).unwrap();

        t.settle(&in_flight).unwrap();

        assert_eq!(t.job::<SendLoginLink>().state, state);
    }
}

#[test]
fn a_cancelled_running_job_is_not_rescued() {
    let t = Simulation::new();
    t.add("ada", Role::Member).unwrap();
    t.log_in("ada").unwrap();
    t.provider.next(Call::SendLogin, Fault::CallLost);
    let _dies = t.perform_next();
    t.cancel(t.job_id::<SendLoginLink>()).unwrap();

    t.rescue();
    t.work_for(hours(1));

    assert_eq!(t.job::<SendLoginLink>().state, JobState::Cancelled);
    assert_eq!(t.provider.call_count(Call::SendLogin), 1);
}

#[test]
fn a_dismissed_job_can_be_retried() {
    let t = Simulation::new();
    let ada = t.sent("ada");
    t.revoke(ada.id).unwrap();
    t.provider.refuses(Call::RevokeInvite, 1, &errors::rejected("bad_request"));
    t.work();
    let job = t.job_id::<RevokeInvitation>();
    assert_eq!(t.job::<RevokeInvitation>().state, JobState::Dead);

    t.dismiss(job).unwrap();

    let row = t.job::<RevokeInvitation>();
    assert_eq!((row.state, row.cancel_requested), (JobState::Cancelled, false));
    assert!(matches!(t.cancel(job), Err(JobOperationError::WrongState(JobState::Cancelled))));
    t.work_for(hours(1));
    assert_eq!(t.link_state("ada"), Link::Outstanding, "it is not done");
    t.retry(job).unwrap();
    t.work();
    assert_eq!(t.link_state("ada"), Link::Revoked);
    let recorded: Vec<_> = operations(&t).iter().map(|event| event.kind).collect();
    assert_eq!(recorded, [EventKind::JobCancelled, EventKind::JobRetried]);
}
