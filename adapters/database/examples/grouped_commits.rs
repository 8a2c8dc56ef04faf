//! Measures the throughput of grouped commits: invitations per second (user, address, invitation,
//! event, job) of 64 concurrent clients, through the store and in one transaction each.
//!
//! `cargo run --release -p guestlist-database --example grouped_commits [DATABASE_URL]` uses a
//! new SQLite file, or the given empty database.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use apalis_sea_orm::Waker;
use guestlist_database::{Database, SqlStore, connect_or_create};
use guestlist_domain::{
    Actor, Change, Email, Event, EventId, EventKind, Ids, Invitation, InvitationId,
    InvitationStatus, JobId, Metadata, NewJob, QueueName, Role, Store, SystemIds, User, UserId,
    UserStatus, Verdict,
};
use sea_orm::{
    ConnectionTrait, DbErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
    Value,
};
use serde_json::json;

const CLIENTS: usize = 64;
const DURATION: Duration = Duration::from_secs(4);
const ROUNDS: usize = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let file = format!("sqlite://{}/bench.db?mode=rwc", dir.path().display());
    let database = connect_or_create(&std::env::args().nth(1).unwrap_or(file)).await?;
    guestlist_migrations::up(database.write().pool(), None).await?;
    let store = Arc::new(SqlStore::new(database.clone(), Waker::default()));
    let (mut plain, mut grouped) = (0.0, 0.0);
    for round in 1..=ROUNDS {
        let one = database.clone();
        let a = rate(move |change| one_transaction(one.clone(), change)).await?;
        let store = store.clone();
        let b = rate(move |change| through_the_store(store.clone(), change)).await?;
        println!("round {round}: ungrouped {a:6.0}/s, grouped {b:6.0}/s, {:.1}x", b / a);
        (plain, grouped) = (plain + a, grouped + b);
    }
    println!("grouped commits are {:.1} times as fast", grouped / plain);
    Ok(())
}

/// Returns the number of invitations per second.
async fn rate<F, D>(invite: F) -> Result<f64, Failure>
where
    F: Fn(Change) -> D + Clone + Send + 'static,
    D: Future<Output = Result<(), Failure>> + Send,
{
    let done = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (done, invite) = (done.clone(), invite.clone());
            tokio::spawn(async move {
                while started.elapsed() < DURATION {
                    invite(change()).await?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<_, Failure>(())
            })
        })
        .collect();
    for client in clients {
        client.await??;
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for display")]
    let done = done.load(Ordering::Relaxed) as f64;
    Ok(done / started.elapsed().as_secs_f64())
}

async fn through_the_store(store: Arc<SqlStore>, change: Change) -> Result<(), Failure> {
    match store.apply(change).await? {
        Verdict::Applied => Ok(()),
        other => Err(format!("{other:?}").into()),
    }
}

/// Writes the same rows through the same pool, with one INSERT per row and one COMMIT per change.
async fn one_transaction(database: Database, change: Change) -> Result<(), Failure> {
    let sqlite_transaction_mode = Some(SqliteTransactionMode::Immediate);
    let options = TransactionOptions { sqlite_transaction_mode, ..Default::default() };
    let tx = database.write().pool().begin_with_options(options).await?;
    let (user, invitation) = (&change.users.insert[0], &change.invitations.insert[0]);
    let address = vec![user.email.as_str().into(), user.id.0.into()];
    insert(&tx, "user_emails (email, user_id)", address).await?;
    let columns = "(id, email, role, status, metadata, created_at, version)";
    insert(&tx, &format!("users {columns}"), user_row(user)).await?;
    let columns = "(id, user_id, email, open_email, role, metadata, invited_by_type, status, \
                   delivery, attempts, created_at, expires_at, version)";
    insert(&tx, &format!("invitations {columns}"), invitation_row(invitation)).await?;
    let columns = "(id, kind, at, actor_type, user_id, invitation_id, detail)";
    insert(&tx, &format!("events {columns}"), event_row(&change.events[0])).await?;
    let columns = "(id, queue, kind, args, state, priority, run_at, attempts, max_attempts, \
                   fence, created_at)";
    insert(&tx, &format!("jobs {columns}"), job_row(&change.jobs[0])).await?;
    Ok(tx.commit().await?)
}

fn user_row(user: &User) -> Vec<Value> {
    vec![
        user.id.0.into(),
        user.email.as_str().into(),
        user.role.as_str().into(),
        user.status.as_str().into(),
        user.metadata.to_json().into(),
        user.created_at.as_microsecond().into(),
        user.version.into(),
    ]
}

fn invitation_row(invitation: &Invitation) -> Vec<Value> {
    vec![
        invitation.id.0.into(),
        invitation.user_id.0.into(),
        invitation.email.as_str().into(),
        invitation.email.as_str().into(),
        invitation.role.as_str().into(),
        invitation.metadata.to_json().into(),
        invitation.invited_by.kind().into(),
        invitation.status.as_str().into(),
        invitation.delivery.into(),
        invitation.attempts.into(),
        invitation.created_at.as_microsecond().into(),
        invitation.expires_at.as_microsecond().into(),
        invitation.version.into(),
    ]
}

fn event_row(event: &Event) -> Vec<Value> {
    vec![
        event.id.0.into(),
        event.kind.as_str().into(),
        event.at.as_microsecond().into(),
        event.actor.kind().into(),
        event.user_id.map(|id| id.0).into(),
        event.invitation_id.map(|id| id.0).into(),
        event.detail.to_string().into(),
    ]
}

fn job_row(job: &NewJob) -> Vec<Value> {
    vec![
        job.id.0.into(),
        job.queue.as_str().into(),
        job.kind.into(),
        job.args.to_string().into(),
        "ready".into(),
        job.priority.into(),
        job.run_at.as_microsecond().into(),
        0.into(),
        job.max_attempts.into(),
        0_i64.into(),
        job.created_at.as_microsecond().into(),
    ]
}

async fn insert<C: ConnectionTrait>(tx: &C, into: &str, values: Vec<Value>) -> Result<(), DbErr> {
    let placeholders = vec!["?"; values.len()].join(", ");
    let sql = format!("INSERT INTO {into} VALUES ({placeholders})");
    tx.execute_raw(Statement::from_sql_and_values(tx.get_database_backend(), sql, values)).await?;
    Ok(())
}

fn change() -> Change {
    let now = jiff::Timestamp::UNIX_EPOCH + Duration::from_hours(500_000);
    let id = SystemIds.next();
    let Ok(email) = Email::parse(&format!("{}@example.com", id.simple())) else {
        return Change::new();
    };
    let user = User::new(UserId(id), email, UserStatus::Invited, now);
    let invitation = Invitation {
        id: InvitationId(SystemIds.next()),
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
        next_attempt_at: Some(now),
        held_by: None,
        last_error: None,
        in_doubt_since: None,
        as_login: false,
        created_at: now,
        resent_at: None,
        sent_at: None,
        visited_at: None,
        accepted_at: None,
        expires_at: now + Duration::from_hours(168),
        version: 1,
    };
    let event = Event {
        id: EventId(SystemIds.next()),
        kind: EventKind::Requested,
        at: now,
        actor: Actor::Cli,
        from_ip: None,
        user_id: Some(user.id),
        invitation_id: Some(invitation.id),
        detail: json!({}),
    };
    let job = NewJob {
        id: JobId(SystemIds.next()),
        queue: QueueName::Invitation,
        kind: "send-invite",
        args: json!({ "invitation": invitation.id, "delivery": 1 }),
        priority: 10,
        run_at: now,
        max_attempts: 20,
        unique_key: None,
        created_at: now,
    };
    Change::new().insert_user(user).insert_invitation(invitation).event(event).job(job)
}
