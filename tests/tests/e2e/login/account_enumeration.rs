//! Login requests do not reveal whether an address is known: neither by the response, nor by its
//! duration, nor by the rate limit.

use std::time::{Duration, Instant};

use guestlist_tests::{
    Caller, Engine, Guestlist, Response, Setup, id, on_every_engine, one_engine_at_a_time,
};
use serde_json::json;

/// The number of users of each kind.
const USERS: usize = 25;
const KINDS: [&str; 4] = ["member", "invited", "suspended", "revoked"];
/// The number of requests per address, which is the default limit.
const REQUESTS: usize = 5;

/// How a link is requested: through the API or the form.
#[derive(Clone, Copy)]
enum Channel {
    Api,
    Page,
}

impl Channel {
    async fn ask(self, guestlist: &Guestlist, email: &str) -> Response {
        match self {
            Self::Api => guestlist.anonymous().post("/v1/login", &json!({ "email": email })).await,
            Self::Page => form_caller(guestlist).form("/login", &[("email", email)]).await,
        }
    }
}

fn form_caller(guestlist: &Guestlist) -> Caller {
    guestlist.anonymous().with("sec-fetch-site", "same-origin").with("accept", "text/html")
}

fn setup(engine: Engine) -> Setup {
    Guestlist::split(engine).workers(1).env("LOGIN_LIMIT_PER_CLIENT", "1000000/m")
}

fn setup_with_high_limit(engine: Engine) -> Setup {
    setup(engine).env("LOGIN_LIMIT_PER_ADDRESS", "100/h")
}

/// Returns addresses of equal length, because the page repeats the address.
fn address(kind: &str, n: usize) -> String {
    format!("{kind:x>9}{n:03}@example.com")
}

/// Creates users of each kind, and returns their addresses and as many unknown addresses.
async fn create_users(guestlist: &Guestlist, of_each: usize) -> (Vec<String>, Vec<String>) {
    let known: Vec<_> = (0..of_each).flat_map(|n| KINDS.map(|kind| address(kind, n))).collect();
    let unknown = (0..known.len()).map(|n| address("unknown", n)).collect();
    let mut asking = tokio::task::JoinSet::new();
    for email in known.clone() {
        let (api, invitation) = (guestlist.api(), json!({ "email": email }));
        asking.spawn(async move {
            let asked = api.post("/v1/invitations", &invitation).await.is(202).json();
            (email, id(&asked).to_owned())
        });
    }
    let invited = asking.join_all().await;
    guestlist.wait_for_jobs().await;
    for (email, invitation) in &invited {
        apply_status(guestlist, email, invitation).await;
    }
    guestlist.wait_for_jobs().await;
    (known, unknown)
}

async fn apply_status(guestlist: &Guestlist, email: &str, invitation: &str) {
    if email.contains("invited") {
        return;
    }
    if email.contains("revoked") {
        let revoke = format!("/v1/invitations/{invitation}/revoke");
        let _ = guestlist.api().post_nothing(&revoke).await.is(200);
        return;
    }
    let _ = guestlist.redeem_link(&guestlist.sandbox().nth_email(email, 1).await.token).await;
    if email.contains("suspended") {
        let user = guestlist.api().get(&format!("/v1/users?q={email}")).await.is(200).json();
        let user = format!("/v1/users/{}", id(&user["items"][0]));
        let suspended = json!({ "status": "suspended" });
        let _ = guestlist.api().patch(&user, &suspended).await.is(200);
    }
}

/// A pseudo-random number generator with a fixed seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn shuffle<T>(&mut self, things: &mut [T]) {
        for n in (1..things.len()).rev() {
            things.swap(n, self.below(n + 1));
        }
    }
}

/// Returns status, body and headers without the request id, the date and the address.
fn observable(response: &Response, email: &str) -> (u16, String, Vec<(String, String)>) {
    let headers =
        response.headers.iter().filter(|(name, _)| *name != "x-request-id" && *name != "date");
    let text = |(name, value): (_, &reqwest::header::HeaderValue)| {
        (ToString::to_string(name), value.to_str().unwrap().to_owned())
    };
    (response.status, response.body.replace(email, "ADDRESS"), headers.map(text).collect())
}

/// Returns a confidence interval for the median difference between known and unknown addresses,
/// in milliseconds. It is wrong once in ten thousand times. It uses ranks, so that a pause of the
/// machine counts as one pair, however long it is.
fn median_difference(differences: &mut [f64]) -> (f64, f64) {
    const SIGMAS: f64 = 4.0;
    differences.sort_by(f64::total_cmp);
    let half = differences.len() / 2;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "some hundreds"
    )]
    let around = (SIGMAS * (differences.len() as f64).sqrt() / 2.0) as usize;
    (differences[half - around], differences[half + around])
}

fn repeated(emails: &[String]) -> Vec<&String> {
    (0..REQUESTS).flat_map(|_| emails).collect()
}

/// Measures until the interval is narrow enough, at most three times, and asserts that it does
/// not show a difference.
async fn assert_indistinguishable(
    guestlist: &Guestlist,
    channel: Channel,
    known: &[String],
    unknown: &[String],
) {
    const WELL_ENOUGH: f64 = 2.0;
    let (mut random, mut differences) = (Random(7), Vec::new());
    let (least, most) = loop {
        measure_pairs(guestlist, channel, &mut random, (known, unknown), &mut differences).await;
        let (least, most) = median_difference(&mut differences);
        eprintln!("{} pairs: {least:.2} to {most:.2} ms longer if known", differences.len());
        if most - least < WELL_ENOUGH || differences.len() >= 3 * REQUESTS * known.len() {
            break (least, most);
        }
    };
    assert!(least < 1.0 && most > -1.0, "known addresses take {least} to {most} ms longer");
}

/// Requests a link for each pair of a known and an unknown address in random order, and asserts
/// that every response equals that for an unknown address.
async fn measure_pairs(
    guestlist: &Guestlist,
    channel: Channel,
    random: &mut Random,
    (known, unknown): (&[String], &[String]),
    differences: &mut Vec<f64>,
) {
    let (mut known, mut unknown) = (repeated(known), repeated(unknown));
    random.shuffle(&mut known);
    random.shuffle(&mut unknown);
    let nobody = address("nobody", 0);
    let model = observable(&channel.ask(guestlist, &nobody).await, &nobody);
    for (known, unknown) in known.into_iter().zip(unknown) {
        let mut pair = [(known, 1.0), (unknown, -1.0)];
        random.shuffle(&mut pair);
        let mut difference = 0.0;
        for (email, sign) in pair {
            let began = Instant::now();
            let response = channel.ask(guestlist, email).await;
            difference += sign * began.elapsed().as_secs_f64() * 1000.0;
            assert_eq!(observable(&response, email), model, "{email}");
        }
        differences.push(difference);
    }
}

#[tokio::test]
async fn login_requests_do_not_reveal_whether_an_address_is_known() {
    one_engine_at_a_time(|engine| async move {
        let mut guestlist = setup_with_high_limit(engine).start().await;
        let (known, unknown) = create_users(&guestlist, USERS).await;
        // Without the worker, only the response is measured.
        guestlist.stop_worker(0).await;
        assert!(known.len() * REQUESTS >= 500);
        assert_indistinguishable(&guestlist, Channel::Api, &known, &unknown).await;
    })
    .await;
}

#[tokio::test]
async fn the_login_form_does_not_reveal_whether_an_address_is_known() {
    one_engine_at_a_time(|engine| async move {
        let mut guestlist = setup_with_high_limit(engine).start().await;
        let (known, unknown) = create_users(&guestlist, 5).await;
        guestlist.stop_worker(0).await;
        assert_indistinguishable(&guestlist, Channel::Page, &known, &unknown).await;
    })
    .await;
}

/// Returns body and headers of a 429, and separately the time to wait, which depends on the clock.
fn refusal(response: &Response, email: &str) -> (String, Vec<(String, String)>, Duration) {
    let (status, body, headers) = observable(response, email);
    assert_eq!(status, 429, "{response:?}");
    let wait = response.header("retry-after").expect("Retry-After").to_owned();
    let request = response.header("x-request-id").unwrap();
    let body = body.replace(request, "REQUEST").replace(&format!("{wait} s"), "WAIT");
    let headers =
        headers.into_iter().filter(|(name, _)| name != "retry-after" && name != "content-length");
    (body, headers.collect(), Duration::from_secs(wait.parse().unwrap()))
}

#[tokio::test]
async fn throttling_does_not_reveal_whether_an_address_is_known() {
    on_every_engine(|engine| async move {
        let guestlist = setup(engine).start().await;
        let (known, unknown) = create_users(&guestlist, 1).await;
        for channel in [Channel::Api, Channel::Page] {
            let mut refusals = Vec::new();
            for email in known.iter().chain(&unknown[..2]) {
                for _ in 0..REQUESTS {
                    let _ = Channel::Api.ask(&guestlist, email).await;
                }
                refusals.push(refusal(&channel.ask(&guestlist, email).await, email));
            }
            let (body, headers, wait) = &refusals[0];
            for (other_body, other_headers, other_wait) in &refusals {
                assert_eq!((body, headers), (other_body, other_headers));
                // The window of an hour begins with the first request for any address.
                assert!(wait.abs_diff(*other_wait) < Duration::from_mins(1), "{refusals:?}");
            }
            let kept = "SELECT COUNT(*) FROM login_requests WHERE email LIKE 'xxunknown%'";
            assert_eq!(guestlist.database().integer(kept).await, 10);
        }
    })
    .await;
}
