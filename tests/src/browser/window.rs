//! A browser window: navigation, contents, cookies, and the console.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::command::command;
use crate::{Caller, LONG, SHORT, wait_until};

/// A screen size and a color scheme.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// The width in pixels.
    pub width: u32,
    /// The height in pixels.
    pub height: u32,
    /// Whether `prefers-color-scheme` is `dark`.
    pub is_dark: bool,
}

/// The window of a browser.
#[derive(Debug)]
pub struct Window {
    caller: Caller,
    session: String,
    /// Whether the scripts of pages run.
    pub(super) has_scripts: bool,
}

impl Window {
    pub(super) fn new(caller: Caller, id: &str, has_scripts: bool) -> Self {
        Self { caller, session: format!("/session/{id}"), has_scripts }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        command(&self.caller, Method::GET, &format!("{}{path}", self.session), None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let path = format!("{}{path}", self.session);
        command(&self.caller, Method::POST, &path, Some(body)).await
    }

    /// Opens a URL.
    pub async fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url })).await.unwrap();
    }

    /// Reloads the page.
    pub async fn reload(&self) {
        self.post("/refresh", &json!({})).await.unwrap();
    }

    /// Goes back in the history.
    pub async fn back(&self) {
        self.post("/back", &json!({})).await.unwrap();
    }

    /// Returns the URL.
    pub async fn url(&self) -> Url {
        self.get("/url").await.unwrap().as_str().unwrap().parse().unwrap()
    }

    /// Returns the path and query of the URL.
    pub async fn path(&self) -> String {
        let url = self.url().await;
        let query = url.query().map(|query| format!("?{query}"));
        format!("{}{}", url.path(), query.unwrap_or_default())
    }

    /// Returns the title.
    pub async fn title(&self) -> String {
        self.get("/title").await.unwrap().as_str().unwrap().to_owned()
    }

    /// Returns the visible text; empty while the page is being replaced.
    pub async fn body_text(&self) -> String {
        self.text("body").await.unwrap_or_default()
    }

    /// Waits until the visible text contains `words`.
    pub async fn wait_for_text(&self, words: &str) {
        let what = format!("{words:?} is visible");
        self.wait_for(&what, async || self.body_text().await.contains(words).then_some(())).await;
    }

    /// Waits until the `h1` has this text.
    pub async fn wait_for_heading(&self, headline: &str) {
        let what = format!("the heading is {headline:?}");
        let is = async || (self.text("h1").await.as_deref() == Some(headline)).then_some(());
        self.wait_for(&what, is).await;
    }

    /// Waits until the path and query of the URL are these.
    pub async fn wait_for_path(&self, path: &str) {
        let what = format!("the path is {path}");
        self.wait_for(&what, async || (self.path().await == path).then_some(())).await;
    }

    /// Waits until `poll` returns a value; panics with the page's text if it never does.
    pub async fn wait_for<T>(&self, what: &str, poll: impl AsyncFn() -> Option<T>) -> T {
        if let Ok(found) = tokio::time::timeout(SHORT, wait_until(LONG, what, poll)).await {
            return found;
        }
        let (url, words) = (self.url().await, self.body_text().await);
        panic!("{what}: not in time, at {url}:\n{words}");
    }

    /// Returns the handle of the tab that commands go to.
    pub async fn current_tab(&self) -> String {
        self.get("/window").await.unwrap().as_str().unwrap().to_owned()
    }

    /// Opens an empty tab, and sends it all further commands.
    pub async fn open_tab(&self) {
        let opened = self.post("/window/new", &json!({ "type": "tab" })).await.unwrap();
        self.switch_to(opened["handle"].as_str().unwrap()).await;
    }

    /// Waits for another tab than the current one, and returns the handle of the newest.
    pub async fn newest_tab(&self) -> String {
        let current = self.current_tab().await;
        self.wait_for("another tab is open", async || {
            let tabs = self.get("/window/handles").await.ok()?;
            let newest = tabs.as_array()?.last()?.as_str()?.to_owned();
            (newest != current).then_some(newest)
        })
        .await
    }

    /// Brings a tab to the front, and sends it all further commands.
    pub async fn switch_to(&self, tab: &str) {
        self.post("/window", &json!({ "handle": tab })).await.unwrap();
        self.devtools("Page.bringToFront", &json!({})).await;
    }

    /// Runs a script and returns its result, even if scripts of pages are turned off.
    pub async fn script(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.post("/execute/sync", &body).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// Runs a script at the start of every page that is opened from now on.
    pub async fn script_on_new_pages(&self, script: &str) {
        self.devtools("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script })).await;
    }

    /// Returns the value of a cookie that the page receives, including `HttpOnly` cookies.
    pub async fn cookie(&self, name: &str) -> Option<String> {
        let cookie = self.get(&format!("/cookie/{name}")).await.ok()?;
        Some(cookie["value"].as_str().unwrap().to_owned())
    }

    /// Changes the value of an existing cookie, and keeps its attributes.
    pub async fn set_cookie(&self, name: &str, value: &str) {
        let mut cookie = self.get(&format!("/cookie/{name}")).await.unwrap();
        cookie["value"] = json!(value);
        self.post("/cookie", &json!({ "cookie": cookie })).await.unwrap();
    }

    /// Returns every cookie of a name that the page receives.
    pub async fn cookies(&self, name: &str) -> Vec<Value> {
        let all = self.get("/cookie").await.unwrap();
        let of_name = all.as_array().unwrap().iter().filter(|cookie| cookie["name"] == name);
        of_name.cloned().collect()
    }

    /// Adds a host-only cookie.
    pub async fn add_host_cookie(&self, name: &str, value: &str) {
        let cookie = json!({ "name": name, "value": value, "path": "/" });
        self.post("/cookie", &json!({ "cookie": cookie })).await.unwrap();
    }

    /// Sets a variable of the document, which a reload removes.
    pub async fn mark_document(&self) {
        self.script("window.marked = true").await;
    }

    /// Returns whether the document is the one of [`Self::mark_document`].
    pub async fn has_mark(&self) -> bool {
        self.script("return window.marked === true").await == true
    }

    /// Sends a command of the Chrome `DevTools` protocol.
    pub async fn devtools(&self, name: &str, params: &Value) -> Value {
        let body = json!({ "cmd": name, "params": params });
        self.post("/goog/cdp/execute", &body).await.unwrap()
    }

    /// Emulates a screen size and a color scheme.
    pub async fn resize(&self, size: Size) {
        let metrics = json!({
            "width": size.width, "height": size.height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics).await;
        let scheme = if size.is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", &media).await;
    }

    /// Writes a screenshot to a PNG file.
    pub async fn screenshot(&self, file: &Path) {
        let png = self.get("/screenshot").await.unwrap();
        std::fs::write(file, STANDARD.decode(png.as_str().unwrap()).unwrap()).unwrap();
    }

    /// Returns the messages of the console since the last call: script errors, failed resources,
    /// violations of the content security policy.
    ///
    /// Two messages are left out: that a page itself has a 4xx status, which tests ask for, and
    /// that autofocus was blocked because the test had already focused a field.
    pub async fn console_errors(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" })).await.unwrap();
        let lines = log.as_array().unwrap().iter();
        let lines = lines.map(|line| format!("{} {}", line["level"], line["message"]));
        lines.filter(|line| !is_failed_page(line) && !line.contains(AUTOFOCUS)).collect()
    }

    /// Asserts that the console has no messages.
    pub async fn assert_no_console_errors(&self) {
        let errors = self.console_errors().await;
        assert!(errors.is_empty(), "at {}: {errors:#?}", self.url().await);
    }
}

const AUTOFOCUS: &str = "Autofocus processing was blocked because a document already has a focused";

fn is_failed_page(line: &str) -> bool {
    let Some((url, rest)) = line.split_once(" - Failed to load resource: ") else { return false };
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let is_file = path.split('?').next().unwrap_or_default().contains('.');
    !is_file && rest.contains("responded with a status of 4")
}
