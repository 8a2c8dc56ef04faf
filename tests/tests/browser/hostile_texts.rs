//! Names, addresses, metadata and errors that are made to do harm, on every page that shows them.

use guestlist_tests::browser::{Size, Window, start_with_browsers};
use guestlist_tests::{Guestlist, id};
use serde_json::json;

use crate::pages::{ADMIN_PAGES, Rows};
use crate::steps::{ADA, log_in_admin};

/// An address that is allowed and has characters of HTML.
const EMAIL: &str = "o'b{{7*7}}`@example.com";
const REVERSED: char = '\u{202e}';

/// A text that runs a script where it is not escaped, reverses what follows where it is not isolated,
/// and is too long for a line.
fn hostile_text() -> String {
    let script = "<script>window.ran=1</script><img src=x onerror=\"window.ran=1\">";
    format!("\"'>{script}{REVERSED}\u{200b}\u{2066}{}", "W".repeat(10_000))
}

/// Returns what the text does to the page. The stylesheet isolates `code` as browsers isolate `bdi`.
const HARM: &str = "
const harm = [];
if (window.ran) harm.push('a script ran');
if (document.querySelector('main img, main script, [onerror]')) harm.push('the text is HTML');
for (const link of document.querySelectorAll('[href], [action]'))
  if (/^\\s*javascript:/i.test(link.getAttribute('href') ?? link.getAttribute('action')))
    harm.push(`a link runs a script: ${link.outerHTML.slice(0, 200)}`);
const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (texts.nextNode()) {
  const { data, parentElement } = texts.currentNode;
  if (data.includes('\\u202e') && !parentElement.closest('bdi, code, [dir], textarea, option'))
    harm.push(`the text is not isolated: ${parentElement.outerHTML.slice(0, 200)}`);
}
const { scrollWidth, clientWidth } = document.documentElement;
if (scrollWidth > clientWidth) harm.push(`the page is ${scrollWidth} px wide`);
return harm;
";

/// Writes the text wherever a text of others is stored, also where the API would refuse it.
async fn store_hostile_texts(guestlist: &Guestlist) {
    let text = hostile_text().replace('\'', "''");
    // Metadata is limited to 8 KiB.
    let note: String = hostile_text().chars().take(7_000).collect();
    let metadata = json!({ "note": note }).to_string().replace('\'', "''");
    for change in [
        format!(
            "UPDATE users SET name = '{text}', metadata = '{metadata}' WHERE email <> 'admin@example.com'"
        ),
        format!(
            "UPDATE invitations SET name = '{text}', metadata = '{metadata}', \
             invited_by_type = 'key', invited_by_name = '{text}'"
        ),
        format!(
            "UPDATE invitations SET last_error_code = '{text}', last_error_message = '{text}', \
             last_error_at = created_at WHERE status = 'failed'"
        ),
        format!("UPDATE sessions SET user_agent = '{text}'"),
        format!("UPDATE events SET actor_name = '{text}' WHERE actor_type IN ('user', 'key')"),
        format!("UPDATE api_keys SET name = '{text}'"),
        format!(
            "UPDATE jobs SET state = 'dead', last_error_code = '{text}', last_error = '{text}' \
             WHERE queue = 'invitation'"
        ),
    ] {
        assert_ne!(guestlist.database().execute(&change).await, 0, "{}", &change[..80]);
    }
}

/// Returns what the texts do to the page, on a phone and on a desktop.
async fn harm(window: &Window, name: &str) -> Vec<String> {
    window.wait_for(name, async || window.text("h1").await).await;
    let mut all = Vec::new();
    for width in [360, 1440] {
        window.resize(Size { width, height: 800, is_dark: false }).await;
        let harm = window.script(HARM).await;
        all.extend(
            harm.as_array().unwrap().iter().map(|harm| format!("{name}, {width} px: {harm}")),
        );
    }
    let messages = window.console_errors().await;
    all.extend(messages.iter().map(|message| format!("{name}: {message}")));
    all
}

#[tokio::test]
async fn hostile_texts_are_shown_harmlessly() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let rows = Rows::create(&guestlist).await;
    let (_, mail) = guestlist.invite_and_mail(EMAIL).await;
    log_in_admin(&window, &guestlist).await;
    store_hostile_texts(&guestlist).await;
    let mut all = Vec::new();
    for (name, path) in ADMIN_PAGES {
        window.open(&rows.url(&guestlist, path)).await;
        all.extend(harm(&window, name).await);
    }
    let other = guestlist.user(EMAIL).await;
    for path in [format!("/users/{}", id(&other)), format!("/users/{}/remove", id(&other))] {
        window.open(&format!("{}{path}", guestlist.public_url)).await;
        all.extend(harm(&window, &path).await);
    }
    for url in [mail.url, format!("{}/inbox", guestlist.sandbox_url)] {
        window.open(&url).await;
        all.extend(harm(&window, &url).await);
    }
    assert!(all.is_empty(), "{all:#?}");
}

#[tokio::test]
async fn a_hostile_return_to_leads_nowhere() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    for return_to in [
        "javascript:window.ran=1",
        "//evil.example",
        "data:text/html,x",
        "\"><script>window.ran=1</script>",
    ] {
        let mut url = reqwest::Url::parse(&format!("{}/login", guestlist.public_url)).unwrap();
        url.query_pairs_mut().append_pair("return_to", return_to);
        window.open(url.as_str()).await;
        assert_eq!(harm(&window, return_to).await, Vec::<String>::new());
        window.fill("email", ADA).await;
        window.submit("form[action='/login']").await;
        assert_eq!(harm(&window, return_to).await, Vec::<String>::new());
        assert_eq!(window.count("main a[href*='evil'], input[value*='evil']").await, 0);
    }
}
