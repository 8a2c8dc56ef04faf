// Live updates, the end of the session, and small conveniences. All pages work without this script.
"use strict";

// Live updates: replaces the elements marked data-live whose HTML has changed on the server.
(() => {
  const body = document.body;
  const toggle = document.querySelector("[data-live-toggle]");
  const live = () => document.querySelectorAll("[data-live]");
  const isPaused = () => localStorage.getItem("live") === "paused";
  // Neither a form that is being filled in nor an open menu is replaced.
  const isInUse = (element) => element.contains(document.activeElement) || element.querySelector("details[open]");

  async function refresh() {
    if (document.hidden || isPaused() || live().length === 0) return;
    const response = await fetch(body.dataset.url, { headers: { accept: "text/html" } });
    // A redirect leads to the login page: the session has ended.
    if (response.redirected) return window.dispatchEvent(new Event("guestlist:ended"));
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    body.toggleAttribute("data-changing", page.body.hasAttribute("data-changing"));
    for (const element of live()) {
      const fresh = page.querySelector(`[data-live="${element.dataset.live}"]`);
      if (fresh && fresh.outerHTML !== element.outerHTML && !isInUse(element)) element.replaceWith(fresh);
    }
  }

  if (!body.dataset.url) return;
  const interval = () => (body.hasAttribute("data-changing") ? 1000 : 3000);
  const tick = () => refresh().catch(() => {}).finally(() => setTimeout(tick, interval()));
  setTimeout(tick, interval());

  const showToggle = () => {
    toggle.hidden = false;
    toggle.querySelector("span").textContent = isPaused() ? "Resume live updates" : "Pause live updates";
  };
  if (toggle) {
    showToggle();
    toggle.addEventListener("click", () => {
      localStorage.setItem("live", isPaused() ? "on" : "paused");
      showToggle();
    });
  }
})();

// The end of the session is noticed when the page is looked at again or a form is sent. A form is
// kept as it is, and can be sent after logging in again in another tab.
(() => {
  const notice = document.getElementById("session-ended");
  if (!notice || !document.body.hasAttribute("data-session")) return;
  const show = (hasEnded) => {
    if (hasEnded && notice.hidden) notice.scrollIntoView({ block: "nearest" });
    notice.hidden = !hasEnded;
  };

  // Returns whether the session has ended; false if the server can't be reached.
  async function hasEnded() {
    try {
      return (await fetch("/v1/session", { cache: "no-store" })).status === 401;
    } catch {
      return false;
    }
  }

  const check = async () => { if (!document.hidden) show(await hasEnded()); };
  document.addEventListener("visibilitychange", check);
  window.addEventListener("pageshow", (event) => { if (event.persisted) check(); });
  window.addEventListener("guestlist:ended", () => show(true));

  const checked = new WeakSet();
  document.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    if (event.defaultPrevented || form.method !== "post" || checked.delete(form)) return;
    event.preventDefault();
    const ended = await hasEnded();
    show(ended);
    if (ended) return notice.scrollIntoView();
    checked.add(form);
    form.requestSubmit(submitter);
  });
})();

// Submits a form marked data-once only once on a double click. The browser would show the response
// to the second request, which says that the link is already used.
for (const form of document.querySelectorAll("form[data-once]")) {
  let submitted = false;
  form.addEventListener("submit", (event) => {
    if (submitted) event.preventDefault();
    submitted = true;
  });
  // A page restored by the back button can be submitted again.
  window.addEventListener("pageshow", () => { submitted = false; });
}

// A page marked data-continue waits until the browser is logged in, then continues to that URL.
(() => {
  const waiting = document.querySelector("[data-continue]");
  if (!waiting) return;
  waiting.hidden = false;
  const tick = async () => {
    if (!document.hidden) {
      const response = await fetch("/v1/session", { cache: "no-store" }).catch(() => null);
      if (response?.ok) return location.assign(waiting.dataset.continue);
    }
    setTimeout(tick, 3000);
  };
  setTimeout(tick, 3000);
})();

// Copies the text of the element before the button.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const text = button.firstChild;
    await navigator.clipboard.writeText(button.previousElementSibling.textContent);
    text.textContent = "Copied";
    setTimeout(() => { text.textContent = "Copy"; }, 2000);
  });
}

// Escape, or a click elsewhere, closes an open menu.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
