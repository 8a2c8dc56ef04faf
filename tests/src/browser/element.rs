//! Finding elements, clicking, and typing.

use serde_json::{Value, json};

use super::window::Window;

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The Enter key, as `WebDriver` encodes it.
pub const ENTER: &str = "\u{E007}";
/// The Escape key, as `WebDriver` encodes it.
pub const ESCAPE: &str = "\u{E00C}";
/// The Tab key, as `WebDriver` encodes it.
pub const TAB: &str = "\u{E004}";

impl Window {
    async fn find(&self, using: &str, value: &str) -> Result<String, String> {
        let found = self.post("/element", &json!({ "using": using, "value": value })).await?;
        Ok(format!("/element/{}", found[ELEMENT].as_str().unwrap()))
    }

    /// Returns the text of the first element that matches.
    pub async fn text(&self, css: &str) -> Option<String> {
        self.text_of("css selector", css).await
    }

    async fn text_of(&self, using: &str, value: &str) -> Option<String> {
        let element = self.find(using, value).await.ok()?;
        let text = self.get(&format!("{element}/text")).await.ok()?;
        Some(text.as_str().unwrap().to_owned())
    }

    /// Returns the number of elements that match.
    pub async fn count(&self, css: &str) -> u64 {
        let script = format!("return document.querySelectorAll({}).length", json!(css));
        self.script(&script).await.as_u64().unwrap()
    }

    /// Returns the value of a field.
    pub async fn value(&self, css: &str) -> Value {
        self.script(&format!("return document.querySelector({})?.value", json!(css))).await
    }

    /// Clicks the button or link with this text.
    pub async fn click(&self, words: &str) {
        self.click_in("body", words).await;
    }

    /// Clicks the button or link with this text in the row of a list, or of the inbox, that contains
    /// `neighbour`.
    pub async fn click_in_row(&self, neighbour: &str, words: &str) {
        let row = format!("*[self::tr or self::article][contains(., '{neighbour}')]");
        self.click_in(&row, words).await;
    }

    async fn click_in(&self, place: &str, words: &str) {
        let xpath = format!("//{place}//*[self::button or self::a][normalize-space()='{words}']");
        self.once(&format!("{words:?} can be clicked"), &xpath, "click", json!({})).await;
    }

    /// Clicks the button of the first form that matches.
    pub async fn submit(&self, form: &str) {
        let css = format!("{form} [type=submit]");
        self.once_by("css selector", &format!("{form} can be sent"), &css, "click", json!({}))
            .await;
    }

    /// Replaces the value of a field by typing.
    pub async fn fill(&self, id: &str, words: &str) {
        let xpath = format!("//*[@id='{id}']");
        let what = format!("{id} accepts input");
        self.once(&what, &xpath, "clear", json!({})).await;
        self.once(&what, &xpath, "value", json!({ "text": words })).await;
    }

    /// Sends a command to an element as soon as the element accepts it. A list may be refreshed
    /// between finding the element and sending the command.
    async fn once(&self, what: &str, xpath: &str, act: &str, body: Value) {
        self.once_by("xpath", what, xpath, act, body).await;
    }

    async fn once_by(&self, using: &str, what: &str, value: &str, act: &str, body: Value) {
        const NOT_YET: [&str; 4] = [
            "no such element",
            "stale element",
            "element click intercepted",
            "element not interactable",
        ];
        self.wait_for(what, async || {
            let done = match self.find(using, value).await {
                Ok(element) => self.post(&format!("{element}/{act}"), &body).await,
                Err(error) => Err(error),
            };
            match done {
                Ok(_) => Some(()),
                Err(error) if NOT_YET.iter().any(|code| error.starts_with(code)) => None,
                Err(error) => panic!("{what}: {error}"),
            }
        })
        .await;
    }

    /// Presses keys, one after the other.
    pub async fn press_keys(&self, keys: &str) {
        let both = |key| {
            let key = String::from(key);
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(both).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", &json!({ "actions": [keyboard] })).await.unwrap();
    }

    /// Returns the id of the element that has the focus, or its text if it has no id.
    pub async fn focus(&self) -> String {
        let script = "const e = document.activeElement; return e.id || e.innerText.trim()";
        self.script(script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a line of the state in an address's row begins with `status`.
    pub async fn wait_for_row_status(&self, email: &str, status: &str) {
        let xpath = format!("//tr[contains(., '{email}')]//td[contains(@class, 'state')]");
        self.wait_for(&format!("{email} is {status}"), async || {
            let state = self.text_of("xpath", &xpath).await?;
            state.lines().any(|line| line.starts_with(status)).then_some(())
        })
        .await;
    }
}
