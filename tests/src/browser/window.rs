//! A browser's window: where it is, what it shows, and what it complains of.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Url};
use serde_json::{Value, json};

use super::driver::command;
use crate::{Caller, LONG, SHORT, wait_until};

/// How large a screen is, and whether its owner likes the dark.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// `prefers-color-scheme: dark`.
    pub is_dark: bool,
}

/// A window of a browser with a profile of its own.
#[derive(Debug)]
pub struct Window {
    caller: Caller,
    session: String,
}

impl Window {
    pub(super) fn new(caller: Caller, id: &str) -> Self {
        Self { caller, session: format!("/session/{id}") }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Value, String> {
        command(&self.caller, Method::GET, &format!("{}{path}", self.session), None).await
    }

    pub(super) async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let path = format!("{}{path}", self.session);
        command(&self.caller, Method::POST, &path, Some(body)).await
    }

    /// Opens an address, as if typed.
    pub async fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url })).await.unwrap();
    }

    /// Loads the page again.
    pub async fn reload(&self) {
        self.post("/refresh", &json!({})).await.unwrap();
    }

    /// The back button.
    pub async fn back(&self) {
        self.post("/back", &json!({})).await.unwrap();
    }

    /// The address.
    pub async fn url(&self) -> Url {
        self.get("/url").await.unwrap().as_str().unwrap().parse().unwrap()
    }

    /// The address without its host.
    pub async fn path(&self) -> String {
        let url = self.url().await;
        let query = url.query().map(|query| format!("?{query}"));
        format!("{}{}", url.path(), query.unwrap_or_default())
    }

    /// The title.
    pub async fn title(&self) -> String {
        self.get("/title").await.unwrap().as_str().unwrap().to_owned()
    }

    /// All that can be read; nothing while the page is being replaced.
    pub async fn words(&self) -> String {
        self.text("body").await.unwrap_or_default()
    }

    /// Waits until it can be read.
    pub async fn sees(&self, words: &str) {
        let what = format!("{words:?} can be read");
        self.until(&what, async || self.words().await.contains(words).then_some(())).await;
    }

    /// Waits until the headline is this.
    pub async fn is_headed(&self, headline: &str) {
        let what = format!("the headline is {headline:?}");
        let is = async || (self.text("h1").await.as_deref() == Some(headline)).then_some(());
        self.until(&what, is).await;
    }

    /// Waits until the address, without its host, is this.
    pub async fn is_at(&self, path: &str) {
        let what = format!("it is at {path}");
        self.until(&what, async || (self.path().await == path).then_some(())).await;
    }

    /// Waits for something; shows the page if it never comes.
    pub async fn until<T>(&self, what: &str, look: impl AsyncFn() -> Option<T>) -> T {
        if let Ok(found) = tokio::time::timeout(SHORT, wait_until(LONG, what, look)).await {
            return found;
        }
        let (url, words) = (self.url().await, self.words().await);
        panic!("waited in vain until {what}; this is {url}:\n{words}");
    }

    /// What a script returns; it runs whether or not the page's own may.
    pub async fn script(&self, script: &str) -> Value {
        let body = json!({ "script": script, "args": [] });
        self.post("/execute/sync", &body).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    /// A cookie that the page gets, even one that no script may read.
    pub async fn cookie(&self, name: &str) -> Option<String> {
        let cookie = self.get(&format!("/cookie/{name}")).await.ok()?;
        Some(cookie["value"].as_str().unwrap().to_owned())
    }

    /// Gives a cookie that is there another value, and leaves the rest of it.
    pub async fn set_cookie(&self, name: &str, value: &str) {
        let mut cookie = self.get(&format!("/cookie/{name}")).await.unwrap();
        cookie["value"] = json!(value);
        self.post("/cookie", &json!({ "cookie": cookie })).await.unwrap();
    }

    /// Every cookie of that name that the page gets.
    pub async fn cookies(&self, name: &str) -> Vec<Value> {
        let all = self.get("/cookie").await.unwrap();
        let of_name = all.as_array().unwrap().iter().filter(|cookie| cookie["name"] == name);
        of_name.cloned().collect()
    }

    /// Adds a cookie that no other host gets.
    pub async fn add_cookie_of_this_host(&self, name: &str, value: &str) {
        let cookie = json!({ "name": name, "value": value, "path": "/" });
        self.post("/cookie", &json!({ "cookie": cookie })).await.unwrap();
    }

    /// Puts a mark on the document that no reload leaves there.
    pub async fn mark(&self) {
        self.script("window.marked = true").await;
    }

    /// Whether the document is still the one that was marked.
    pub async fn is_marked(&self) -> bool {
        self.script("return window.marked === true").await == true
    }

    /// Sends a command of Chromium's own protocol.
    pub async fn chromium(&self, name: &str, params: &Value) -> Value {
        let body = json!({ "cmd": name, "params": params });
        self.post("/goog/cdp/execute", &body).await.unwrap()
    }

    /// Becomes another screen.
    pub async fn resize(&self, size: Size) {
        let metrics = json!({
            "width": size.width, "height": size.height, "deviceScaleFactor": 1, "mobile": false,
        });
        self.chromium("Emulation.setDeviceMetricsOverride", &metrics).await;
        let scheme = if size.is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.chromium("Emulation.setEmulatedMedia", &media).await;
    }

    /// Writes a picture of what is seen.
    pub async fn screenshot(&self, file: &Path) {
        let png = self.get("/screenshot").await.unwrap();
        std::fs::write(file, STANDARD.decode(png.as_str().unwrap()).unwrap()).unwrap();
    }

    /// What the console has said since this was last asked: errors, refused resources, what the
    /// policy kept out. That a page's own answer was a refusal, which the test wanted, is left out,
    /// and so is that the test was in a field before the browser could set the focus, as it is on a
    /// busy machine.
    pub async fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", &json!({ "type": "browser" })).await.unwrap();
        let lines = log.as_array().unwrap().iter();
        let lines = lines.map(|line| format!("{} {}", line["level"], line["message"]));
        lines.filter(|line| !is_a_page_refused(line) && !line.contains(FOCUSED)).collect()
    }

    /// Demands that there are none.
    pub async fn is_quiet(&self) {
        let complaints = self.complaints().await;
        assert!(complaints.is_empty(), "at {}: {complaints:#?}", self.url().await);
    }
}

const FOCUSED: &str = "Autofocus processing was blocked because a document already has a focused";

fn is_a_page_refused(line: &str) -> bool {
    let Some((url, rest)) = line.split_once(" - Failed to load resource: ") else { return false };
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    let is_a_file = path.split('?').next().unwrap_or_default().contains('.');
    !is_a_file && rest.contains("responded with a status of 4")
}
