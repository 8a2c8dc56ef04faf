//! What every page owes to those who can't see it, or see it small.

use super::window::Window;

const FAULTS: &str = r"
const faults = [];
const said = (e) => (e.labels?.[0] ?? e).textContent.trim() || e.getAttribute('aria-label');
const all = (css) => [...document.querySelectorAll(css)];
if (!document.documentElement.lang) faults.push('the page names no language');
if (all('h1').length !== 1) faults.push(`the page has ${all('h1').length} h1`);
if (all('main').length !== 1) faults.push('the page has no main part');
if (!document.title.trim()) faults.push('the page has no title');
for (const e of all('input:not([type=hidden]), select, textarea'))
  if (!e.labels?.length && !e.getAttribute('aria-label')) faults.push(`no label: ${e.outerHTML}`);
for (const e of all('button, a')) if (!said(e)) faults.push(`no name: ${e.outerHTML}`);
for (const e of all('img')) if (!e.hasAttribute('alt')) faults.push(`no alt: ${e.outerHTML}`);
for (const e of all('[tabindex]')) if (e.tabIndex > 0) faults.push(`a tabindex: ${e.outerHTML}`);
const names = all('main button').map((e) => e.getAttribute('aria-label') ?? e.innerText);
for (const name of new Set(names.filter((name, i) => names.indexOf(name) !== i)))
  faults.push(`two buttons are called ${name}`);
const ids = all('[id]').map((e) => e.id);
if (new Set(ids).size !== ids.length) faults.push('two elements share an id');
const wide = document.documentElement;
if (wide.scrollWidth > wide.clientWidth)
  faults.push(`it is ${wide.scrollWidth} px wide on a screen of ${wide.clientWidth}`);
const end = Math.max(0, ...all('body > *').map((e) => e.getBoundingClientRect().bottom));
if (wide.scrollHeight > wide.clientHeight && end + scrollY <= wide.clientHeight)
  faults.push('it scrolls, with nothing to scroll to');
for (const e of all('th:not(:has(.hidden)), .status, .verdict, .moment')) {
  const words = document.createRange();
  words.selectNodeContents(e);
  const lines = new Set([...words.getClientRects()].map((line) => line.top)).size;
  if (lines > e.innerText.split(/\s+/).length) faults.push(`a word is broken: ${e.innerText}`);
}
return [...new Set(faults)];
";

impl Window {
    /// What is wrong with the page for a screen reader, for the keyboard, or for a small screen.
    pub async fn faults(&self) -> Vec<String> {
        let faults = self.script(FAULTS).await;
        faults.as_array().unwrap().iter().map(|fault| fault.as_str().unwrap().to_owned()).collect()
    }
}
