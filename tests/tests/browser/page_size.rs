//! The size of a page's first load.

use guestlist_tests::{Caller, Engine, Guestlist, Response};

use crate::pages::{ADMIN_PAGES, PUBLIC_PAGES, Rows};

/// Bytes of a page, its stylesheet and its scripts.
const LIMIT: usize = 100_000;

fn size(response: &Response) -> usize {
    response.header("content-length").unwrap().parse().unwrap()
}

/// Returns the URLs of the stylesheet and the scripts of a page.
fn assets(html: &str) -> Vec<String> {
    let parts = html.split("\"/static/").skip(1);
    parts.map(|part| format!("/static/{}", part.split('"').next().unwrap())).collect()
}

async fn assert_small(caller: &Caller, path: &str) {
    let page = caller.get(path).await;
    // A compressed page is read again as text.
    let text = caller.with("accept-encoding", "identity").get(path).await.body;
    let assets = assets(&text);
    assert!(assets.len() >= 2, "{path}: a stylesheet and a script: {assets:?}");
    let mut total = size(&page);
    for asset in &assets {
        let asset = caller.get(asset).await.is(200);
        assert!(asset.header("cache-control").unwrap().contains("immutable"), "{asset:?}");
        total += size(&asset);
    }
    println!("{path}: {total} bytes, of which {} HTML", size(&page));
    assert!(total < LIMIT, "{path}: {total} bytes, of which {} HTML", size(&page));
}

#[tokio::test]
async fn the_first_load_of_every_page_is_small() {
    let guestlist = Guestlist::dev(Engine::Sqlite).start().await;
    let rows = Rows::create(&guestlist).await;
    // So many that every list has a full page.
    for n in 0..120 {
        let _ = guestlist.invite(&format!("one-of-many{n}@example.com")).await;
    }
    let anonymous = guestlist.anonymous().with("accept", "text/html,*/*");
    let admin = guestlist.admin().await.caller();
    for (_, path) in PUBLIC_PAGES {
        assert_small(&anonymous.with("accept-encoding", "gzip"), path).await;
    }
    for (_, path) in ADMIN_PAGES {
        assert_small(&admin.with("accept-encoding", "gzip"), &rows.fill(path)).await;
    }
}
