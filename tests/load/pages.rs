//! How long the server takes to deliver each page of an administrator.

use crate::client::{Until, load, request};
use crate::figures::Series;
use crate::installation::Installation;

const WARM_UP: u64 = 3;
const REQUESTS: u64 = 30;

/// The figure of each page, and its path. `{user}` stands for the id of a user.
const PAGES: [(&str, &str); 10] = [
    ("page_people", "/"),
    ("page_person", "/users/{user}"),
    ("page_people_search", "/?q=8"),
    ("page_people_status", "/?status=suspended&role=operator"),
    ("page_invitations", "/invitations"),
    ("page_invitation", "/invitations/{invitation}"),
    ("page_audit", "/audit"),
    ("page_audit_kind", "/audit?kind=session_started"),
    ("page_sessions", "/sessions"),
    ("page_connect", "/connect"),
];

/// Opens each page several times, one after the other, and adds the longest response time.
pub async fn measure(installation: &Installation, session: &str, series: &mut Series) {
    let users = installation.guestlist.api().get("/v1/users?limit=1").await.is(200).items();
    let user = users[0]["id"].as_str().expect("an id");
    let invitations =
        installation.guestlist.api().get("/v1/invitations?limit=1").await.is(200).items();
    let invitation = invitations[0]["id"].as_str().expect("an id");
    for (figure, path) in PAGES {
        let path = path.replace("{user}", user).replace("{invitation}", invitation);
        let page = request("GET", &path, session, "");
        let open = async |count| {
            load(&installation.address, 1, Until::Sent(count), 200, |_| page.clone()).await
        };
        let _ = open(WARM_UP).await;
        let result = open(REQUESTS).await;
        if let Some(failure) = &result.first_failure {
            panic!("{path}: {failure}");
        }
        series.add(figure, result.percentile_ms(100));
    }
}
