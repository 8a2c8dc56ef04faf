//! Accessibility checks that every page must pass: our own, and those of axe-core.

use std::sync::LazyLock;

use serde_json::Value;

use super::window::Window;
use crate::coverage;

/// The source of axe-core; `None` if it is not installed.
static AXE: LazyLock<Option<String>> = LazyLock::new(|| {
    let path = coverage::tool("GUESTLIST_TEST_AXE", "axe-core")?;
    Some(std::fs::read_to_string(path).expect("GUESTLIST_TEST_AXE is the path of axe.min.js"))
});

/// Runs the rules of WCAG 2.2 up to level AA, and axe's best practices.
const RUN_AXE: &str = r"
const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
return axe.run(document, { runOnly: tags, resultTypes: ['violations'] }).then(({ violations }) =>
  violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `axe: ${id}: ${help}: ${html.slice(0, 300)}: ${failureSummary}`)));
";

const FAULTS: &str = r"
const faults = [];
const name = (e) => (e.labels?.[0] ?? e).textContent.trim() || e.getAttribute('aria-label');
const all = (css) => [...document.querySelectorAll(css)];
if (!document.documentElement.lang) faults.push('the page has no lang attribute');
if (all('h1').length !== 1) faults.push(`the page has ${all('h1').length} h1`);
if (all('main').length !== 1) faults.push('the page has not one main element');
if (!document.title.trim()) faults.push('the page has no title');
for (const e of all('input:not([type=hidden]), select, textarea'))
  if (!e.labels?.length && !e.getAttribute('aria-label')) faults.push(`no label: ${e.outerHTML}`);
for (const e of all('button, a')) if (!name(e)) faults.push(`no name: ${e.outerHTML}`);
for (const e of all('img')) if (!e.hasAttribute('alt')) faults.push(`no alt: ${e.outerHTML}`);
for (const e of all('[tabindex]')) if (e.tabIndex > 0) faults.push(`positive tabindex: ${e.outerHTML}`);
const names = all('main button').map((e) => e.getAttribute('aria-label') ?? e.textContent.trim());
for (const twice of new Set(names.filter((other, i) => names.indexOf(other) !== i)))
  faults.push(`two buttons are called ${twice}`);
const ids = all('[id]').map((e) => e.id);
if (new Set(ids).size !== ids.length) faults.push('two elements share an id');
const wide = document.documentElement;
if (wide.scrollWidth > wide.clientWidth)
  faults.push(`the page is ${wide.scrollWidth} px wide on a screen of ${wide.clientWidth}`);
const end = Math.max(0, ...all('body > *').map((e) => e.getBoundingClientRect().bottom));
if (wide.scrollHeight > wide.clientHeight && end + scrollY <= wide.clientHeight)
  faults.push('the page scrolls past its content');
for (const e of all('th:not(:has(.off-screen)), .st, time')) {
  if (!e.checkVisibility()) continue;
  const words = document.createRange();
  words.selectNodeContents(e);
  const lines = new Set([...words.getClientRects()].map((line) => line.top)).size;
  if (lines > e.innerText.split(/\s+/).length) faults.push(`a word is broken over two lines: ${e.innerText}`);
}
return [...new Set(faults)];
";

impl Window {
    /// Returns what is wrong with the page for a screen reader, a keyboard, or a small screen. axe-core
    /// does not run where scripts are turned off.
    pub async fn accessibility_faults(&self) -> Vec<String> {
        let mut faults = texts(&self.script(FAULTS).await);
        if let (true, Some(axe)) = (self.has_scripts, &*AXE) {
            if self.script("return typeof axe").await != "object" {
                let _ = self.script(axe).await;
            }
            faults.extend(texts(&self.script(RUN_AXE).await));
        }
        faults
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
