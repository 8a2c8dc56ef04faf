//! Title, accessibility and console of every page, on a light desktop and on a dark phone.

use std::path::{Path, PathBuf};

use guestlist_tests::browser::{Size, Window, start_with_browsers};
use guestlist_tests::{Guestlist, id};

use crate::steps::{ADA, log_in_admin, log_in_by_link, log_in_member};

const DESKTOP: Size = Size { width: 1000, height: 720, is_dark: false };
const PHONE: Size = Size { width: 390, height: 800, is_dark: true };

/// Checks pages at two screen sizes, and takes screenshots.
struct Inspector<'a> {
    window: &'a Window,
    folder: PathBuf,
    faults: Vec<String>,
}

impl<'a> Inspector<'a> {
    fn new(window: &'a Window, guestlist: &Guestlist) -> Self {
        Self { window, folder: pictures(guestlist.folder()), faults: Vec::new() }
    }

    async fn check(&mut self, name: &str, title: &str) {
        let what = format!("the title is {title:?}");
        let is = async || (self.window.title().await == title).then_some(());
        self.window.wait_for(&what, is).await;
        for (size, kind) in [(DESKTOP, "desktop"), (PHONE, "phone")] {
            self.window.resize(size).await;
            let faults = self.window.accessibility_faults().await;
            self.faults.extend(faults.iter().map(|fault| format!("{name}, {kind}: {fault}")));
            self.window.screenshot(&self.folder.join(format!("{name}-{kind}.png"))).await;
        }
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
async fn the_login_pages_are_accessible() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let mut inspector = Inspector::new(&window, &guestlist);
    window.open(&format!("{}/login", guestlist.public_url)).await;
    inspector.check("login", "Log in · Guestlist").await;
    window.fill("email", ADA).await;
    window.click("Mail me a link").await;
    inspector.check("login-sent", "Check your mail · Guestlist").await;
    window.open(&format!("{}/login?ended=revoked", guestlist.public_url)).await;
    inspector.check("login-ended", "Log in · Guestlist").await;
    window.open(&format!("{}/nowhere", guestlist.public_url)).await;
    inspector.check("nowhere", "Page not found · Guestlist").await;

    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    window.open(&mail.url).await;
    inspector.check("continue-invited", "Continue · Guestlist").await;
    log_in_by_link(&window, &mail).await;
    inspector.check("member", "Guestlist").await;
    window.open(guestlist.login_url.as_ref().unwrap()).await;
    inspector.check("continue-someone-else", "Continue · Guestlist").await;
    window.open(&format!("{}/login", guestlist.public_url)).await;
    inspector.check("login-logged-in", "Log in · Guestlist").await;
    inspector.assert_no_faults();
}

#[tokio::test]
async fn the_list_of_users_is_accessible() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let window = browsers.profile().await;
    let mut inspector = Inspector::new(&window, &guestlist);
    window.open(guestlist.login_url.as_ref().unwrap()).await;
    inspector.check("continue-login", "Continue · Guestlist").await;
    log_in_admin(&window, &guestlist).await;
    inspector.check("people-empty", "People · Guestlist").await;
    people(&guestlist).await;
    window.reload().await;
    inspector.check("people", "People · Guestlist").await;
    window.fill("email", ADA).await;
    window.click("Invite").await;
    window.wait_for("it is refused", async || window.text("[role=alert]").await).await;
    inspector.check("people-refused", "People · Guestlist").await;
    window.open(&format!("{}/connect", guestlist.public_url)).await;
    inspector.check("connect", "Connect your application · Guestlist").await;
    let ada = format!("{}/users/{}", guestlist.public_url, id(&guestlist.user(ADA).await));
    window.open(&ada).await;
    inspector.check("person", "ada@example.com · Guestlist").await;
    for (name, query) in [("audit", ""), ("audit-person", "?user=ada%40example.com")] {
        window.open(&format!("{}/audit{query}", guestlist.public_url)).await;
        inspector.check(name, "Audit log · Guestlist").await;
    }
    window.open(&format!("{}/audit?actor=nobody%40example.com", guestlist.public_url)).await;
    inspector.check("audit-refused", "Audit log · Guestlist").await;
    window.open(&format!("{ada}/remove")).await;
    inspector.check("remove", "Remove ada@example.com? · Guestlist").await;
    window.open(&format!("{}/sessions", guestlist.public_url)).await;
    inspector.check("sessions", "Your sessions · Guestlist").await;
    window.open(&format!("{}/inbox", guestlist.sandbox_url)).await;
    inspector.check("inbox", "Inbox · Stytch sandbox").await;
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
    inspector.check("link-used", "This link has been used · Guestlist").await;
    let page = format!("{}/authenticate?invitation={}", guestlist.public_url, id(&invitation));
    window.open(&format!("{page}&token=cut")).await;
    inspector.check("link-invalid", "This link does not work · Guestlist").await;
    let (invitation, mail) = guestlist.invite_and_mail("bob@example.com").await;
    guestlist.revoke(&invitation).await;
    window.open(&mail.url).await;
    inspector.check("link-revoked", "This invitation was revoked · Guestlist").await;
    inspector.assert_no_faults();
}

#[tokio::test]
async fn every_page_links_to_sessions_and_log_out() {
    let Some((browsers, guestlist)) = start_with_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    log_in_member(&ada, &guestlist, ADA).await;
    log_in_admin(&admin, &guestlist).await;
    let person = format!("/users/{}", id(&guestlist.user(ADA).await));
    let remove = format!("{person}/remove");
    let pages = ["/", "/audit", "/connect", "/sessions", &person, &remove];
    let pages = pages.map(|page| (&admin, guestlist.admin_email.as_str(), 3, page));
    let theirs = ["/", "/sessions"].map(|page| (&ada, ADA, 0, page));
    for (window, me, places, page) in pages.into_iter().chain(theirs) {
        window.open(&format!("{}{page}", guestlist.public_url)).await;
        window.wait_for(page, async || window.text("h1").await).await;
        let head = window.text("header").await.unwrap_or_default();
        assert!(head.contains(me), "{page}: {head}");
        for link in ["header a[href='/sessions']", "header form[action='/logout']"] {
            assert_eq!(window.count(link).await, 1, "{page}: {link}");
        }
        assert_eq!(window.count("header nav a").await, places, "{page}: {head}");
        let here = window.text("header [aria-current]").await;
        assert_eq!(
            here.is_some(),
            places > 0 && !page.starts_with("/users") || page == "/sessions"
        );
    }
}

/// Creates a user of each status, and one with an address of maximal length.
async fn people(guestlist: &Guestlist) {
    let _ = guestlist.member(ADA).await;
    for n in 0..4 {
        let _ = guestlist.invite_and_mail(&format!("guest{n}@example.com")).await;
    }
    let long = format!("{}@{}.example.com", "a".repeat(64), "long-".repeat(11) + "domain");
    let _ = guestlist.invite(&long).await;
    guestlist.wait_for_jobs().await;
    let change =
        |set, n| format!("UPDATE invitations SET {set} WHERE email = 'guest{n}@example.com'");
    for (n, status) in ["expired", "failed", "revoked"].iter().enumerate() {
        let _ = guestlist.database().execute(&change(format!("status = '{status}'"), n)).await;
    }
}
