//! Measures lists and searches among 200,000 users and as many invitations: first and distant pages,
//! and searches that match few, many, all or no rows, with and without filters.
//!
//! `cargo run --release -p guestlist-database --example users [DATABASE_URL]` uses a new SQLite
//! file, or the given empty database.

use std::time::{Duration, Instant};

use apalis_sea_orm::Waker;
use guestlist_database::{SqlStore, connect_or_create};
use guestlist_domain::{
    Actor, Change, Cursor, Email, Ids, Invitation, InvitationFilter, InvitationId,
    InvitationStatus, Metadata, Name, Page, ReadInvitations, ReadUsers, Role, SearchPrefix, Store,
    SystemIds, User, UserFilter, UserId, UserStatus, Verdict,
};

const USERS: usize = 200_000;
/// The limit of a page in the API, plus one row that shows whether there is a next page.
const LIMIT: u64 = 51;
const PAGE: usize = 4_000;
const ROUNDS: usize = 15;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    let dir = tempfile::tempdir()?;
    let file = format!("sqlite://{}/bench.db?mode=rwc", dir.path().display());
    let database = connect_or_create(&std::env::args().nth(1).unwrap_or(file)).await?;
    guestlist_migrations::up(database.write().pool(), None).await?;
    let store = SqlStore::new(database, Waker::default());
    let started = Instant::now();
    let mut users = fill(&store).await?;
    println!("{USERS} users and invitations were inserted in {:.0?}", started.elapsed());
    let last = users[users.len() - (PAGE - 1) * 50].id;
    measure_users(&store, "page 1", UserFilter::default(), None).await?;
    measure_users(&store, "page 4,000", UserFilter::default(), Some(last.into())).await?;
    let all = UserFilter { q: SearchPrefix::of("u"), ..UserFilter::default() };
    users.sort_by(|a, b| a.email.cmp(&b.email));
    for page in [1, 2_000, PAGE] {
        let after = (page > 1).then(|| all.cursor(&users[(page - 1) * 50 - 1]));
        measure_users(&store, &format!("page {page} of a search for u"), all.clone(), after)
            .await?;
    }
    for q in [None, Some("u"), Some("uold"), Some("uold04"), Some("uold042117"), Some("zz")] {
        for (role, status) in [
            (None, None),
            (None, Some(UserStatus::Suspended)),
            (None, Some(UserStatus::Invited)),
            (Some(Role::Admin), None),
            (Some(Role::Admin), Some(UserStatus::Active)),
        ] {
            let filter = UserFilter { q: q.and_then(SearchPrefix::of), role, status };
            let label = format!("{filter:?}");
            measure_users(&store, &label, filter, None).await?;
        }
    }
    for q in ["ursula", "ursula old 42"] {
        let filter = UserFilter { q: SearchPrefix::of(q), ..UserFilter::default() };
        measure_users(&store, q, filter, None).await?;
    }
    for q in [None, Some("u"), Some("uold"), Some("uold042117")] {
        for status in [None, Some(InvitationStatus::Failed), Some(InvitationStatus::Sent)] {
            let filter = InvitationFilter { q: q.and_then(SearchPrefix::of), status };
            invitations(&store, filter).await?;
        }
    }
    Ok(())
}

/// Inserts users and invitations. The first half of the users is active, the second invited; their
/// addresses and names begin differently.
async fn fill(store: &SqlStore) -> Result<Vec<User>, Failure> {
    let mut users = Vec::new();
    for chunk in (0..USERS).collect::<Vec<_>>().chunks(1_000) {
        let mut change = Change::new();
        for n in chunk {
            let user = user(*n)?;
            change = change.insert_invitation(invitation(&user, *n)).insert_user(user.clone());
            users.push(user);
        }
        let Verdict::Applied = store.apply(change).await? else { return Err("not new".into()) };
    }
    Ok(users)
}

fn user(n: usize) -> Result<User, Failure> {
    let (word, name, status) = if n < USERS / 2 {
        ("uold", "Ursula Old", UserStatus::Active)
    } else {
        ("unew", "Udo New", UserStatus::Invited)
    };
    let email = Email::parse(&format!("{word}{n:06}@example.com"))?;
    let now = jiff::Timestamp::UNIX_EPOCH + Duration::from_hours(500_000);
    Ok(User {
        name: Name::parse(&format!("{name} {n}"))?,
        role: if n % 70_000 == 7 { Role::Admin } else { Role::Member },
        status: if n == 77 { UserStatus::Suspended } else { status },
        ..User::new(UserId(SystemIds.next()), email, status, now)
    })
}

fn invitation(user: &User, n: usize) -> Invitation {
    Invitation {
        id: InvitationId(SystemIds.next()),
        user_id: user.id,
        email: user.email.clone(),
        name: None,
        role: Role::Member,
        metadata: Metadata::default(),
        return_to: None,
        invited_by: Actor::Cli,
        status: match user.status {
            _ if n == 77 => InvitationStatus::Failed,
            UserStatus::Invited => InvitationStatus::Sent,
            _ => InvitationStatus::Accepted,
        },
        delivery: 1,
        attempts: 0,
        next_attempt_at: None,
        held_by: None,
        last_error: None,
        in_doubt_since: None,
        as_login: false,
        created_at: user.created_at,
        resent_at: None,
        sent_at: None,
        visited_at: None,
        accepted_at: None,
        expires_at: user.created_at + Duration::from_hours(168),
        version: 1,
    }
}

async fn measure_users(
    store: &SqlStore,
    label: &str,
    filter: UserFilter,
    after: Option<Cursor<UserId>>,
) -> Result<(), Failure> {
    let (mut times, mut found) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        found = store.users(&filter, Page { after: after.clone(), limit: LIMIT }).await?.len();
        times.push(started.elapsed());
    }
    print(label, found, times);
    Ok(())
}

async fn invitations(store: &SqlStore, filter: InvitationFilter) -> Result<(), Failure> {
    let (mut times, mut found) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        let started = Instant::now();
        found = store.invitations(&filter, Page { after: None, limit: LIMIT }).await?.len();
        times.push(started.elapsed());
    }
    print(&format!("{filter:?}"), found, times);
    Ok(())
}

fn print(label: &str, found: usize, mut times: Vec<Duration>) {
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("{median:7.1?} (at most {worst:7.1?}), {found:2} found: {label}");
}
