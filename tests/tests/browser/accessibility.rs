//! Accessibility, content security policy and console of every page, on a phone and on a desktop, in
//! light and in dark.

use std::path::{Path, PathBuf};

use guestlist_tests::browser::{Size, Window, start_with_browsers};
use guestlist_tests::{Guestlist, id};

use crate::pages::{ADMIN_PAGES, PUBLIC_PAGES, Rows};
use crate::steps::{ADA, log_in_admin, log_in_by_link, log_in_member};

const SCREENS: [(&str, Size); 4] = [
    ("phone-light", Size { width: 360, height: 740, is_dark: false }),
    ("phone-dark", Size { width: 360, height: 740, is_dark: true }),
    ("desktop-light", Size { width: 1440, height: 900, is_dark: false }),
    ("desktop-dark", Size { width: 1440, height: 900, is_dark: true }),
];

/// Checks pages on every screen, and takes screenshots.
struct Inspector<'a> {
    window: &'a Window,
    folder: PathBuf,
    faults: Vec<String>,
}

impl<'a> Inspector<'a> {
    fn new(window: &'a Window, guestlist: &Guestlist) -> Self {
        Self { window, folder: pictures(guestlist.folder()), faults: Vec::new() }
    }

    async fn open(&mut self, name: &str, url: &str) {
        self.window.open(url).await;
        self.check(name).await;
    }

    async fn check(&mut self, name: &str) {
        self.window.wait_for("the page has a heading", async || self.window.text("h1").await).await;
        for (kind, size) in SCREENS {
            self.window.resize(size).await;
            let faults = self.window.accessibility_faults().await;
            self.faults.extend(faults.iter().map(|fault| format!("{name}, {kind}: {fault}")));
            self.window.screenshot(&self.folder.join(format!("{name}-{kind}.png"))).await;
        }
        // The console also has violations of the content security policy.
        let messages = self.window.console_errors().await;
        self.faults.extend(messages.iter().map(|text| format!("{name}: console: {text}")));
    }

    fn assert_no_faults(self) {
        assert!(self.faults.is_empty(), "{:#?}", self.faults);
    }
}

/// Returns the folder in `GUESTLIST_TEST_PICTURES`, or a temporary one.
fn pictures(folder: &Path) -> PathBuf {
    let folder_variable = std::env::var_os("GUESTLIST_TEST_PICTURES").map(PathBuf::from);
    let folder = folder_variable.unwrap_or_else(|| folder.join("pictures"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn the_public_pages_are_accessible() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let mut inspector = Inspector::new(&window, &guestlist);
    for (name, path) in PUBLIC_PAGES {
        inspector.open(name, &format!("{}{path}", guestlist.public_url)).await;
    }
    window.open(&format!("{}/login", guestlist.public_url)).await;
    window.fill("email", ADA).await;
    window.submit("form[action='/login']").await;
    window.wait_for_heading("Check your mail").await;
    inspector.check("login-sent").await;

    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    inspector.open("continue-invited", &mail.url).await;
    log_in_by_link(&window, &mail).await;
    inspector.check("member").await;
    inspector.open("continue-someone-else", guestlist.login_url.as_ref().unwrap()).await;
    inspector.open("login-logged-in", &format!("{}/login", guestlist.public_url)).await;
    inspector.open("audit-forbidden", &format!("{}/audit", guestlist.public_url)).await;
    inspector.assert_no_faults();
}

#[tokio::test]
async fn the_pages_of_administrators_are_accessible() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let mut inspector = Inspector::new(&window, &guestlist);
    inspector.open("continue-login", guestlist.login_url.as_ref().unwrap()).await;
    log_in_admin(&window, &guestlist).await;
    inspector.check("people-empty").await;
    let rows = Rows::create(&guestlist).await;
    for (name, path) in ADMIN_PAGES {
        inspector.open(name, &rows.url(&guestlist, path)).await;
    }
    window.open(&guestlist.public_url).await;
    window.fill("email", ADA).await;
    window.submit("form[action='/users/invite']").await;
    window.wait_for("it is refused", async || window.text("[role=alert]").await).await;
    inspector.check("people-refused").await;
    inspector.assert_no_faults();
}

#[tokio::test]
async fn the_inbox_of_the_sandbox_is_accessible() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let mut inspector = Inspector::new(&window, &guestlist);
    let inbox = format!("{}/inbox", guestlist.sandbox_url);
    inspector.open("inbox-empty", &format!("{inbox}?to=nobody%40example.com")).await;
    let _ = guestlist.member(ADA).await;
    let (invitation, _) = guestlist.invite_and_mail("bob@example.com").await;
    guestlist.revoke(&invitation).await;
    let _ = guestlist.invite_and_mail("carol@example.com").await;
    inspector.open("inbox", &inbox).await;
    inspector.assert_no_faults();
}

#[tokio::test]
async fn the_pages_of_failed_links_are_accessible() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let mut inspector = Inspector::new(&window, &guestlist);
    let (invitation, mail) = guestlist.invite_and_mail(ADA).await;
    let _ = guestlist.redeem_link(&mail.token).await;
    window.open(&mail.url).await;
    window.click("Continue").await;
    window.wait_for_heading("This link has been used").await;
    inspector.check("link-used").await;
    let page = format!("{}/authenticate?invitation={}", guestlist.public_url, id(&invitation));
    inspector.open("link-invalid", &format!("{page}&token=cut")).await;
    let (invitation, mail) = guestlist.invite_and_mail("bob@example.com").await;
    guestlist.revoke(&invitation).await;
    inspector.open("link-revoked", &mail.url).await;
    inspector.assert_no_faults();
}

#[tokio::test]
async fn the_checks_notice_what_is_wrong() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    window.open(&format!("{}/login", guestlist.public_url)).await;
    window.assert_no_console_errors().await;
    for (fault, script) in [
        ("image-alt", "const image = new Image(); document.querySelector('main').append(image)"),
        ("color-contrast", "document.querySelector('h1').style.color = '#999'"),
        ("px wide", "document.querySelector('h1').style.width = '3000px'"),
        ("region", "document.body.insertAdjacentHTML('beforeend', '<p>Beside the landmarks')"),
    ] {
        let _ = window.script(script).await;
        let faults = window.accessibility_faults().await;
        assert!(faults.iter().any(|text| text.contains(fault)), "{fault}: {faults:#?}");
    }
    let inline = "const script = document.createElement('script'); script.textContent = '1'; \
                  document.body.append(script)";
    let _ = window.script(inline).await;
    let messages = window.console_errors().await;
    assert!(messages.iter().any(|text| text.contains("Content Security Policy")), "{messages:?}");
}

#[tokio::test]
async fn every_page_links_to_sessions_and_log_out() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    log_in_member(&ada, &guestlist, ADA).await;
    log_in_admin(&admin, &guestlist).await;
    for (window, path, sections) in
        [(&admin, "/audit", 5), (&admin, "/sessions", 5), (&ada, "/sessions", 0)]
    {
        window.open(&format!("{}{path}", guestlist.public_url)).await;
        window.wait_for(path, async || window.text("h1").await).await;
        for link in ["header a[href='/sessions']", "header form[action='/logout']"] {
            assert_eq!(window.count(link).await, 1, "{path}: {link}");
        }
        assert_eq!(window.count("header nav a").await, sections, "{path}");
        let current = window.count("header nav [aria-current]").await;
        assert_eq!(current, u64::from(path == "/audit"), "{path}");
    }
}
