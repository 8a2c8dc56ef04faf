//! Invitations are counted by status up to a limit, along an index, and the held among the queued.

use std::time::Duration;

use guestlist_database::operations::CappedCount;
use guestlist_domain::jobs::SendInvitation;
use guestlist_domain::{Change, HeldBy, Invitation, InvitationStatus, Operation, QueueName};

use crate::support::fixtures::*;
use crate::support::query_plan::{fill, plans};
use crate::support::test_database::{Engine, TestDatabase};
use crate::support::test_store::contract;

contract!(; sql:
    each_status_is_counted,
    counts_above_the_limit_are_capped,
    held_invitations_are_counted,
    counting_reads_rows_along_an_index,
    events_of_several_invitations_are_found,
    the_jobs_of_an_invitation_are_found,
);

fn exactly(count: u64) -> CappedCount {
    CappedCount { count, is_capped: false }
}

async fn insert(db: &TestDatabase, invitations: Vec<Invitation>) {
    let mut change = Change::new();
    change.invitations.insert = invitations;
    db.apply(change).await;
}

async fn each_status_is_counted(db: &TestDatabase) {
    assert_eq!(db.store.count_invitations(now()).await.unwrap().total(), exactly(0));
    let mut all = Vec::new();
    for (n, status) in InvitationStatus::ALL.iter().enumerate() {
        all.extend((0..=n).map(|_| Invitation { status: *status, ..invitation(&user()) }));
    }
    insert(db, all).await;

    let counts = db.store.count_invitations(now()).await.unwrap();

    let of_each = InvitationStatus::ALL.iter().map(|status| counts.of(*status).count);
    assert_eq!(of_each.collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert_eq!((counts.total(), counts.held), (exactly(21), exactly(0)));
}

async fn counts_above_the_limit_are_capped(db: &TestDatabase) {
    let sent = |_| Invitation { status: InvitationStatus::Sent, ..invitation(&user()) };
    for _ in 0..10 {
        insert(db, (0..1_000).map(sent).collect()).await;
    }
    let sent_count = async || db.store.count_invitations(now()).await.unwrap().of(sent(0).status);
    assert_eq!(sent_count().await, exactly(10_000));
    insert(db, vec![sent(0)]).await;
    assert_eq!(sent_count().await, CappedCount { count: 10_000, is_capped: true });
}

async fn held_invitations_are_counted(db: &TestDatabase) {
    let queued = |held_by, next| Invitation {
        held_by,
        next_attempt_at: Some(now() + Duration::from_secs(next)),
        ..invitation(&user())
    };
    let limited = Some(HeldBy::RateLimit);
    // Postponed for a reason, postponed without one, and due though it was held before.
    insert(db, vec![queued(limited, 60), queued(None, 60), queued(limited, 0)]).await;
    assert_eq!(db.store.count_invitations(now()).await.unwrap().held, exactly(1));

    let (queue, by) = (QueueName::Invitation, "Ada".to_owned());
    let pause = Operation::Pause { queue, by, reason: None, at: now() };
    db.apply(Change::new().operation(pause)).await;

    assert_eq!(db.store.count_invitations(now()).await.unwrap().held, exactly(2));
}

async fn counting_reads_rows_along_an_index(db: &TestDatabase) {
    fill(db).await;
    db.store.count_invitations(now()).await.unwrap();
    let steps = plans(db).await;
    let of_invitations = steps.iter().filter(|step| match db.engine {
        Engine::Sqlite => step.text.contains(" invitations "),
        Engine::MySql | Engine::MariaDb => step.text.contains("table=invitations "),
    });
    let of_invitations: Vec<_> = of_invitations.collect();
    assert_eq!(of_invitations.len(), InvitationStatus::ALL.len() + 1, "{steps:#?}");
    for step in of_invitations {
        assert!(!step.scans && !step.sorts, "{step:?}");
        // Both indexes begin with the status and contain the id.
        let indexes = ["invitations_status", "invitations_expiry"];
        assert!(indexes.iter().any(|index| step.text.contains(index)), "{step:?}");
    }
}

async fn events_of_several_invitations_are_found(db: &TestDatabase) {
    let user = user();
    let invitations: Vec<_> = (0..3).map(|_| invitation(&user)).collect();
    let mut change = Change::new();
    for one in &invitations {
        change.events.push(event(&user, Some(one)));
    }
    let events = change.events.clone();
    db.apply(change).await;
    let found = db.store.events_of_invitations(&[invitations[2].id, invitations[0].id]).await;
    assert_eq!(found.unwrap(), [events[0].clone(), events[2].clone()]);
    assert_eq!(db.store.events_of_invitations(&[]).await.unwrap(), []);
}

async fn the_jobs_of_an_invitation_are_found(db: &TestDatabase) {
    let resent = Invitation { delivery: 2, ..invitation(&user()) };
    let mut change = Change::new();
    for (invitation, delivery) in [(resent.id, 1), (resent.id, 2), (invitation(&user()).id, 1)] {
        let mut job = job();
        job.unique_key = Some(SendInvitation::key_of(invitation, delivery));
        change.jobs.push(job);
    }
    let ids: Vec<_> = change.jobs.iter().take(2).map(|job| job.id).collect();
    db.apply(change).await;
    let jobs = db.store.delivery_jobs(&resent, now()).await.unwrap();
    assert_eq!(jobs.iter().map(|(job, _)| job.id).collect::<Vec<_>>(), ids);
}
