//! Presses on Continue: each link is authenticated once, and what comes of it is recorded even
//! where the database fails for a while.
//!
//! A press runs in a task of its own, so that a browser that goes away leaves no link half used.
//! Other presses of the link wait for it: those of this process by [`Presses`], those of others by
//! a claim in the store.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use guestlist_domain::flows::{
    self, RedeemError, LoggedIn, ClaimedLink, RedeemLink, authenticate_link, check_link, claim_link,
};
use guestlist_domain::{Ctx, StoreError, TokenHash, AuthenticatedSession};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::limits::Client;
use super::problem::{Code, Problem};
use super::state::App;

/// How long a press waits for another of the same link: longer than a call to Stytch may take, and
/// short enough that a request with all of its waits does not time out.
const OTHERS_PATIENCE: Duration = Duration::from_secs(12);
/// Between two looks at what another process makes of a link.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long the caller waits for the database before they are asked to press again.
const CALLERS_PATIENCE: Duration = Duration::from_secs(4);
/// For how long it is tried to record an authenticated link.
const RECORDING_PATIENCE: Duration = Duration::from_mins(5);
/// Between two attempts to record.
const RECORD_EVERY: Duration = Duration::from_millis(500);
/// How long a login that was recorded after its caller was answered waits for the next press.
const KEPT_FOR: Duration = Duration::from_mins(5);
/// After a process has ended in the middle of a press, or has lost the database: how long another
/// waits to see its result before the link counts as expired.
const LATE_RESULT_PATIENCE: Duration = Duration::from_secs(3);

/// Why a press logged nobody in.
#[derive(Debug)]
pub enum PressError {
    /// The link does not admit its holder.
    Refused(RedeemError),
    /// Too many links have been tried; the link is not used up.
    TooMany(Duration),
    /// The link was authenticated, and the database has not recorded it yet. The next press gets
    /// the result.
    NotRecorded,
}

impl From<RedeemError> for PressError {
    fn from(error: RedeemError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for PressError {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<PressError> for Problem {
    fn from(error: PressError) -> Self {
        match error {
            PressError::Refused(error) => error.into(),
            PressError::TooMany(wait) => {
                let problem = Self::too_many(Code::TooManyRequests, wait);
                let detail = format!("Too many links are being tried. {}", problem.detail);
                Self { detail: format!("{detail} The link is not used up."), ..problem }
            }
            PressError::NotRecorded => {
                let detail = "Your link was accepted, but the database can't be reached to log \
                              you in. It is tried again for five minutes: press Continue again in \
                              a moment.";
                let problem = Self::new(Code::DatabaseUnavailable, detail);
                Self { retry_after: Some(Duration::from_secs(2)), ..problem }
            }
        }
    }
}

/// Links that are being pressed in this process, by the hash of their token.
#[derive(Debug, Clone, Default)]
pub struct Presses(Arc<Mutex<HashMap<TokenHash, Arc<Running>>>>);

/// One press that is under way.
#[derive(Debug)]
struct Running {
    stage: watch::Sender<Stage>,
    /// The result of a press whose caller was answered before it was recorded.
    kept: Mutex<Option<Result<LoggedIn, PressError>>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The link is being checked, or its result recorded.
    Checking,
    /// The link is authenticated, and the database fails to record it.
    Failing,
    /// It is recorded, and the result kept for the next press.
    Kept,
    /// The next press is on its own.
    Ended,
}

/// The running press of a link; ends when dropped.
#[derive(Debug)]
struct Lead {
    presses: Presses,
    token: TokenHash,
    running: Arc<Running>,
}

impl Presses {
    /// The press of a link: this one, unless another is under way already.
    fn enter(&self, token: TokenHash) -> Result<Lead, Arc<Running>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.get(&token) {
            return Err(Arc::clone(running));
        }
        let stage = watch::Sender::new(Stage::Checking);
        let new = Arc::new(Running { stage, kept: Mutex::default() });
        running.insert(token, Arc::clone(&new));
        Ok(Lead { presses: self.clone(), token, running: new })
    }

    fn end(&self, token: TokenHash, running: &Arc<Running>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.get(&token).is_some_and(|there| Arc::ptr_eq(there, running)) {
            all.remove(&token);
        }
        drop(all);
        running.stage.send_replace(Stage::Ended);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.presses.end(self.token, &self.running);
    }
}

impl Lead {
    /// Keeps a result for the next press.
    async fn keep(self, result: Result<LoggedIn, PressError>) {
        *self.running.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        self.running.stage.send_replace(Stage::Kept);
        let mut stage = self.running.stage.subscribe();
        let taken = stage.wait_for(|stage| *stage == Stage::Ended);
        if timeout(KEPT_FOR, taken).await.is_err() {
            tracing::warn!("a login that was recorded late was not claimed");
        }
    }
}

/// Logs in the holder of a link, or says why not. A caller who is anonymous is held to the budget
/// of calls to Stytch.
pub async fn press(
    app: &App,
    ctx: Ctx,
    press: RedeemLink,
    anonymous: Option<Client>,
) -> Result<LoggedIn, PressError> {
    let token = press.token_hash;
    loop {
        match app.presses().enter(token) {
            Ok(lead) => return run(app.clone(), ctx, press, anonymous, lead).await,
            Err(running) => {
                if let Some(result) = join(app.presses(), token, &running).await {
                    end_replaced(&ctx, &press, &result).await?;
                    return result;
                }
            }
        }
    }
}

/// Ends the session that this browser held, if a login that was recorded late gives it another.
async fn end_replaced(
    ctx: &Ctx,
    press: &RedeemLink,
    result: &Result<LoggedIn, PressError>,
) -> Result<(), StoreError> {
    let old = press.previous_session.as_ref();
    match (old, result) {
        (Some(old), Ok(new)) if old.id != new.session.id => flows::end_replaced_session(ctx, old).await,
        _ => Ok(()),
    }
}

/// Waits for a concurrent press of the same link. Returns `None` if the caller must run its own.
async fn join(
    presses: &Presses,
    token: TokenHash,
    running: &Arc<Running>,
) -> Option<Result<LoggedIn, PressError>> {
    let mut stage = running.stage.subscribe();
    let has_left = |stage: &Stage| matches!(stage, Stage::Kept | Stage::Ended);
    // The call to Stytch has a bound of its own; only the database may take long.
    let failing = stage.wait_for(|stage| *stage != Stage::Checking).await.map(|stage| *stage);
    if failing.is_ok_and(|stage| stage == Stage::Failing)
        && timeout(CALLERS_PATIENCE, stage.wait_for(has_left)).await.is_err()
    {
        return Some(Err(PressError::NotRecorded));
    }
    let kept = running.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
    presses.end(token, running);
    kept
}

/// Redeems a link in its own task. Answers `NotRecorded` if recording takes longer than 4 s.
async fn run(
    app: App,
    ctx: Ctx,
    press: RedeemLink,
    anonymous: Option<Client>,
    lead: Lead,
) -> Result<LoggedIn, PressError> {
    let (answer, answered) = oneshot::channel();
    let task = tokio::spawn(async move {
        let vouched = match authenticate(&app, &ctx, &press, anonymous).await {
            Ok(vouched) => vouched,
            Err(error) => {
                drop(lead);
                return drop(answer.send(Err(error)));
            }
        };
        let mut recording = Box::pin(record(&ctx, &press, &vouched));
        if let Ok(result) = timeout(CALLERS_PATIENCE, &mut recording).await {
            // The caller may be gone; the next press gets the login then.
            if let Err(undelivered @ Ok(_)) = answer.send(result) {
                lead.keep(undelivered).await;
            }
            return;
        }
        lead.running.stage.send_replace(Stage::Failing);
        drop(answer.send(Err(PressError::NotRecorded)));
        let result = recording.await;
        lead.keep(result).await;
    });
    match answered.await {
        Ok(result) => result,
        // The task answers unless it panics.
        Err(_) => match task.await {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Ok(()) | Err(_) => Err(PressError::NotRecorded),
        },
    }
}

/// Has Stytch authenticate a link that no other press is about to use.
async fn authenticate(
    app: &App,
    ctx: &Ctx,
    press: &RedeemLink,
    anonymous: Option<Client>,
) -> Result<AuthenticatedSession, PressError> {
    let token = press.token_hash;
    check_link(ctx, token, press.invitation).await?;
    if let Some(client) = anonymous {
        app.provider_budget().admit(client).await.map_err(PressError::TooMany)?;
    }
    let claimed = claim(ctx, press, token).await?;
    match authenticate_link(ctx, &press.token, claimed).await {
        Err(RedeemError::LinkExpired) if claimed.is_taken_over => {
            Err(late_result(ctx, token).await?)
        }
        answer => Ok(answer?),
    }
}

/// Claims a link, after any press of another process has ended.
async fn claim(ctx: &Ctx, press: &RedeemLink, token: TokenHash) -> Result<ClaimedLink, RedeemError> {
    let until = Instant::now() + OTHERS_PATIENCE;
    loop {
        match claim_link(ctx, token).await {
            Err(RedeemError::InProgress) if Instant::now() < until => sleep(LOOK_EVERY).await,
            claimed => return claimed,
        }
        check_link(ctx, token, press.invitation).await?;
    }
}

/// Waits for another process to record a link that Stytch calls used or expired.
async fn late_result(ctx: &Ctx, token: TokenHash) -> Result<PressError, RedeemError> {
    let until = Instant::now() + LATE_RESULT_PATIENCE;
    while Instant::now() < until {
        check_link(ctx, token, None).await?;
        sleep(LOOK_EVERY).await;
    }
    Ok(RedeemError::LinkExpired.into())
}

/// Records what comes of an authenticated link, for as long as that takes.
async fn record(ctx: &Ctx, press: &RedeemLink, vouched: &AuthenticatedSession) -> Result<LoggedIn, PressError> {
    let until = Instant::now() + RECORDING_PATIENCE;
    let mut result = flows::redeem_link(ctx, press, vouched).await;
    let mut is_first = true;
    while let Err(RedeemError::Store(error)) = &result
        && error.is_transient()
        && Instant::now() < until
    {
        if std::mem::take(&mut is_first) {
            tracing::warn!(%error, "a login can't be recorded yet; it is tried again");
        }
        sleep(RECORD_EVERY).await;
        // The attempt whose answer was lost may have recorded it.
        result = match flows::find_redemption(ctx, press, vouched).await {
            Ok(Some(came_in)) => Ok(came_in),
            Ok(None) => flows::redeem_link(ctx, press, vouched).await,
            Err(error) => Err(error.into()),
        };
    }
    if let Err(RedeemError::Store(error)) = &result {
        tracing::error!(%error, "a login was lost: its link is used up");
        // A session without a row here must not stay valid at Stytch.
        if let Err(error) = ctx.provider.revoke_session(&vouched.session.provider_session_id).await {
            tracing::error!(code = %error.code, "nor could its session at Stytch be ended");
        }
    }
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: TokenHash = TokenHash([7; 32]);

    #[tokio::test]
    async fn a_second_press_waits_for_the_first_and_nothing_is_left_behind() {
        let presses = Presses::default();
        let lead = presses.enter(TOKEN).unwrap();
        let running = presses.enter(TOKEN).unwrap_err();
        let second = tokio::spawn({
            let presses = presses.clone();
            async move { join(&presses, TOKEN, &running).await.is_none() }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(lead);
        assert!(second.await.unwrap(), "it is on its own");
        assert!(presses.0.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_kept_is_for_one_press() {
        let presses = Presses::default();
        let lead = presses.enter(TOKEN).unwrap();
        lead.running.stage.send_replace(Stage::Failing);
        let keeping = tokio::spawn(lead.keep(Err(RedeemError::NotInvited.into())));
        let running = presses.enter(TOKEN).unwrap_err();
        let (one, other) =
            tokio::join!(join(&presses, TOKEN, &running), join(&presses, TOKEN, &running));
        let got = [one, other].into_iter().flatten().count();
        assert_eq!(got, 1);
        keeping.await.unwrap();
        assert!(presses.0.lock().unwrap().is_empty());
    }
}
