//! Every page: its title, fit for everybody, on a desk by day and in a pocket by night, and
//! nothing in the console.

use std::path::{Path, PathBuf};

use guestlist_tests::browser::{Size, Window, seen_by_browsers};
use guestlist_tests::{Guestlist, id};

use crate::steps::{ADA, admin_comes_in, comes_in_by, member_comes_in};

const DESK: Size = Size { width: 1000, height: 720, is_dark: false };
const POCKET: Size = Size { width: 390, height: 800, is_dark: true };

/// Somebody who looks at every page twice, and takes pictures.
struct Inspector<'a> {
    window: &'a Window,
    folder: PathBuf,
    faults: Vec<String>,
}

impl<'a> Inspector<'a> {
    fn new(window: &'a Window, guestlist: &Guestlist) -> Self {
        Self { window, folder: pictures(guestlist.folder()), faults: Vec::new() }
    }

    async fn looks_at(&mut self, name: &str, title: &str) {
        let what = format!("the title is {title:?}");
        let is = async || (self.window.title().await == title).then_some(());
        self.window.until(&what, is).await;
        for (size, kind) in [(DESK, "desk"), (POCKET, "pocket")] {
            self.window.resize(size).await;
            let faults = self.window.faults().await;
            self.faults.extend(faults.iter().map(|fault| format!("{name}, {kind}: {fault}")));
            self.window.screenshot(&self.folder.join(format!("{name}-{kind}.png"))).await;
        }
        let complaints = self.window.complaints().await;
        self.faults.extend(complaints.iter().map(|said| format!("{name}: console: {said}")));
    }

    fn concludes(self) {
        assert!(self.faults.is_empty(), "{:#?}", self.faults);
    }
}

/// `GUESTLIST_TEST_PICTURES` names a folder where they are to stay.
fn pictures(folder: &Path) -> PathBuf {
    let told = std::env::var_os("GUESTLIST_TEST_PICTURES").map(PathBuf::from);
    let folder = told.unwrap_or_else(|| folder.join("pictures"));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[tokio::test]
async fn the_way_in_is_fit_for_everybody() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let mut inspector = Inspector::new(&window, &guestlist);
    window.open(&format!("{}/login", guestlist.public_url)).await;
    inspector.looks_at("login", "Log in · Guestlist").await;
    window.write("email", ADA).await;
    window.press("Mail me a link").await;
    inspector.looks_at("login-sent", "Check your mail · Guestlist").await;
    window.open(&format!("{}/login?ended=revoked", guestlist.public_url)).await;
    inspector.looks_at("login-ended", "Log in · Guestlist").await;
    window.open(&format!("{}/nowhere", guestlist.public_url)).await;
    inspector.looks_at("nowhere", "Page not found · Guestlist").await;

    let (_, mail) = guestlist.invite_and_mail(ADA).await;
    window.open(&mail.url).await;
    inspector.looks_at("continue-invited", "Continue · Guestlist").await;
    comes_in_by(&window, &mail).await;
    inspector.looks_at("member", "Guestlist").await;
    window.open(guestlist.login_url.as_ref().unwrap()).await;
    inspector.looks_at("continue-someone-else", "Continue · Guestlist").await;
    window.open(&format!("{}/login", guestlist.public_url)).await;
    inspector.looks_at("login-logged-in", "Log in · Guestlist").await;
    inspector.concludes();
}

#[tokio::test]
async fn the_list_of_people_is_fit_for_everybody() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let mut inspector = Inspector::new(&window, &guestlist);
    window.open(guestlist.login_url.as_ref().unwrap()).await;
    inspector.looks_at("continue-login", "Continue · Guestlist").await;
    admin_comes_in(&window, &guestlist).await;
    inspector.looks_at("people-empty", "People · Guestlist").await;
    people(&guestlist).await;
    window.reload().await;
    inspector.looks_at("people", "People · Guestlist").await;
    window.write("email", ADA).await;
    window.press("Invite").await;
    window.until("it is refused", async || window.text("[role=alert]").await).await;
    inspector.looks_at("people-refused", "People · Guestlist").await;
    window.open(&format!("{}/connect", guestlist.public_url)).await;
    inspector.looks_at("connect", "Connect your application · Guestlist").await;
    let ada = format!("{}/users/{}", guestlist.public_url, id(&guestlist.user(ADA).await));
    window.open(&ada).await;
    inspector.looks_at("person", "ada@example.com · Guestlist").await;
    for (name, query) in [("audit", ""), ("audit-person", "?user=ada%40example.com")] {
        window.open(&format!("{}/audit{query}", guestlist.public_url)).await;
        inspector.looks_at(name, "Audit log · Guestlist").await;
    }
    window.open(&format!("{}/audit?actor=nobody%40example.com", guestlist.public_url)).await;
    inspector.looks_at("audit-refused", "Audit log · Guestlist").await;
    window.open(&format!("{ada}/remove")).await;
    inspector.looks_at("remove", "Remove ada@example.com? · Guestlist").await;
    window.open(&format!("{}/sessions", guestlist.public_url)).await;
    inspector.looks_at("sessions", "Your sessions · Guestlist").await;
    window.open(&format!("{}/inbox", guestlist.sandbox_url)).await;
    inspector.looks_at("inbox", "Inbox · Stytch sandbox").await;
    inspector.concludes();
}

#[tokio::test]
async fn the_pages_of_failed_links_are_fit_for_everybody() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let window = browsers.profile().await;
    let mut inspector = Inspector::new(&window, &guestlist);
    let (invitation, mail) = guestlist.invite_and_mail(ADA).await;
    let _ = guestlist.press(&mail.token).await;
    window.open(&mail.url).await;
    window.press("Continue").await;
    inspector.looks_at("link-used", "This link has been used · Guestlist").await;
    let page = format!("{}/authenticate?invitation={}", guestlist.public_url, id(&invitation));
    window.open(&format!("{page}&token=cut")).await;
    inspector.looks_at("link-invalid", "This link does not work · Guestlist").await;
    let (invitation, mail) = guestlist.invite_and_mail("bob@example.com").await;
    let revoke = format!("/v1/invitations/{}/revoke", id(&invitation));
    let _ = guestlist.api().post_nothing(&revoke).await.is(200);
    window.open(&mail.url).await;
    inspector.looks_at("link-revoked", "This invitation was revoked · Guestlist").await;
    inspector.concludes();
}

#[tokio::test]
async fn every_page_of_somebody_who_is_in_leads_to_their_sessions_and_out() {
    let Some((browsers, guestlist)) = seen_by_browsers().await else { return };
    let (admin, ada) = (browsers.profile().await, browsers.profile().await);
    member_comes_in(&ada, &guestlist, ADA).await;
    admin_comes_in(&admin, &guestlist).await;
    let person = format!("/users/{}", id(&guestlist.user(ADA).await));
    let remove = format!("{person}/remove");
    let pages = ["/", "/audit", "/connect", "/sessions", &person, &remove];
    let pages = pages.map(|page| (&admin, guestlist.admin_email.as_str(), 3, page));
    let theirs = ["/", "/sessions"].map(|page| (&ada, ADA, 0, page));
    for (window, me, places, page) in pages.into_iter().chain(theirs) {
        window.open(&format!("{}{page}", guestlist.public_url)).await;
        window.until(page, async || window.text("h1").await).await;
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

/// One of each kind, and one whose address is as long as addresses get.
async fn people(guestlist: &Guestlist) {
    let _ = guestlist.member(ADA).await;
    for n in 0..4 {
        let _ = guestlist.invite_and_mail(&format!("guest{n}@example.com")).await;
    }
    let long = format!("{}@{}.example.com", "a".repeat(64), "long-".repeat(11) + "domain");
    let _ = guestlist.invite(&long).await;
    guestlist.settled().await;
    let change =
        |set, n| format!("UPDATE invitations SET {set} WHERE email = 'guest{n}@example.com'");
    for (n, status) in ["expired", "failed", "revoked"].iter().enumerate() {
        let _ = guestlist.database().run(&change(format!("status = '{status}'"), n)).await;
    }
}
