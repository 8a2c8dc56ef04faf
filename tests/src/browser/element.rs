//! What people do with what they see: read, press, type.

use serde_json::{Value, json};

use super::window::Window;

const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// The key, as `WebDriver` writes it.
pub const ENTER: &str = "\u{E007}";
/// The same, for the key that leads to the next field.
pub const TAB: &str = "\u{E004}";

impl Window {
    async fn find(&self, using: &str, value: &str) -> Result<String, String> {
        let found = self.post("/element", &json!({ "using": using, "value": value })).await?;
        Ok(format!("/element/{}", found[ELEMENT].as_str().unwrap()))
    }

    /// What the first of these elements says, if there is one.
    pub async fn text(&self, css: &str) -> Option<String> {
        self.text_of("css selector", css).await
    }

    async fn text_of(&self, using: &str, value: &str) -> Option<String> {
        let element = self.find(using, value).await.ok()?;
        let text = self.get(&format!("{element}/text")).await.ok()?;
        Some(text.as_str().unwrap().to_owned())
    }

    /// How many of these elements there are.
    pub async fn count(&self, css: &str) -> u64 {
        let script = format!("return document.querySelectorAll({}).length", json!(css));
        self.script(&script).await.as_u64().unwrap()
    }

    /// What stands in a field.
    pub async fn value(&self, css: &str) -> Value {
        self.script(&format!("return document.querySelector({})?.value", json!(css))).await
    }

    /// Presses the button or the link that says this.
    pub async fn press(&self, words: &str) {
        self.press_in("body", words).await;
    }

    /// The same, in somebody's row of a list, or of the inbox.
    pub async fn press_beside(&self, neighbour: &str, words: &str) {
        let row = format!("*[self::tr or self::article][contains(., '{neighbour}')]");
        self.press_in(&row, words).await;
    }

    async fn press_in(&self, place: &str, words: &str) {
        let xpath = format!("//{place}//*[self::button or self::a][normalize-space()='{words}']");
        self.once(&format!("{words:?} can be pressed"), &xpath, "click", json!({})).await;
    }

    /// Types into a field, over what stands there.
    pub async fn write(&self, id: &str, words: &str) {
        let xpath = format!("//*[@id='{id}']");
        let what = format!("{id} can be written in");
        self.once(&what, &xpath, "clear", json!({})).await;
        self.once(&what, &xpath, "value", json!({ "text": words })).await;
    }

    /// Does something with an element as soon as it lets it be done; a list may be refreshed
    /// between finding and pressing.
    async fn once(&self, what: &str, xpath: &str, act: &str, body: Value) {
        const NOT_YET: [&str; 4] = [
            "no such element",
            "stale element",
            "element click intercepted",
            "element not interactable",
        ];
        self.until(what, async || {
            let done = match self.find("xpath", xpath).await {
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

    /// Presses keys, one after the other, wherever the focus is.
    pub async fn keys(&self, keys: &str) {
        let both = |key| {
            let key = String::from(key);
            [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]
        };
        let actions: Vec<Value> = keys.chars().flat_map(both).collect();
        let keyboard = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.post("/actions", &json!({ "actions": [keyboard] })).await.unwrap();
    }

    /// What has the focus: an id, else what a button says.
    pub async fn focus(&self) -> String {
        let script = "const e = document.activeElement; return e.id || e.innerText.trim()";
        self.script(script).await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until somebody's row says this status.
    pub async fn row_says(&self, email: &str, status: &str) {
        let xpath = format!("//tr[contains(., '{email}')]//*[contains(@class, 'status')]");
        self.until(&format!("{email} is {status}"), async || {
            self.text_of("xpath", &xpath).await.filter(|text| text == status)
        })
        .await;
    }
}
