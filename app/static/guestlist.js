// Live updates, the end of the session, and small conveniences. All pages work without this script.
"use strict";

// Returns a promise that fails when the server takes too long, so that nothing waits for it forever.
const request = (url, options) => fetch(url, { signal: AbortSignal.timeout(5000), ...options });

// Live updates: replaces the elements marked data-live whose HTML has changed on the server.
(() => {
  const body = document.body;
  const toggle = document.querySelector("[data-live-toggle]");
  const live = () => document.querySelectorAll("[data-live]");
  if (!body.dataset.url) return;
  // A page of which only the navigation changes is not rendered again and again.
  const isLive = [...live()].some((element) => element.dataset.live !== "sending");
  if (!isLive) return;

  // The choice is remembered where the browser permits, and otherwise holds for this page.
  let isPaused = false;
  try {
    isPaused = localStorage.getItem("live") === "paused";
  } catch {}
  const setPaused = (value) => {
    isPaused = value;
    try {
      localStorage.setItem("live", value ? "paused" : "on");
    } catch {}
  };

  const isChanged = (field) =>
    field.tagName === "SELECT"
      ? [...field.options].some((option) => option.selected !== option.defaultSelected)
      : field.value !== field.defaultValue || field.checked !== field.defaultChecked;
  const isSelected = (element) => {
    const selection = getSelection();
    return !selection.isCollapsed && selection.containsNode(element, true);
  };
  // What a person uses is not replaced: the focus, an open menu, a form that was filled in or is being
  // sent, and selected text.
  const isInUse = (element) =>
    element.contains(document.activeElement) ||
    element.querySelector("details[open], form[data-sending]") ||
    [...element.querySelectorAll("input, select, textarea")].some(isChanged) ||
    isSelected(element);

  async function refresh() {
    if (document.hidden || isPaused) return;
    const response = await request(body.dataset.url, { headers: { accept: "text/html" } });
    const hasEnded = response.redirected && new URL(response.url).pathname === "/login";
    if (hasEnded || response.ok) window.dispatchEvent(new CustomEvent("guestlist:session", { detail: { hasEnded } }));
    if (response.redirected || !response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (isPaused) return;
    body.toggleAttribute("data-changing", page.body.hasAttribute("data-changing"));
    for (const element of live()) {
      const fresh = page.querySelector(`[data-live="${element.dataset.live}"]`);
      if (fresh && fresh.outerHTML !== element.outerHTML && !isInUse(element)) element.replaceWith(fresh);
    }
  }

  const interval = () => (body.hasAttribute("data-changing") ? 1000 : 2000);
  const tick = () => refresh().catch(() => {}).finally(() => setTimeout(tick, interval()));
  setTimeout(tick, interval());

  if (!toggle) return;
  const showToggle = () => {
    toggle.hidden = false;
    toggle.querySelector("span").textContent = isPaused ? "Resume live updates" : "Pause live updates";
  };
  showToggle();
  toggle.addEventListener("click", () => {
    setPaused(!isPaused);
    showToggle();
  });
})();

// The end of the session is noticed when the page is looked at again or a form is sent. A form is
// kept as it is, and can be sent after logging in again in another tab.
(() => {
  const notice = document.getElementById("session-ended");
  if (!notice || !document.body.hasAttribute("data-session")) return;
  const show = (hasEnded) => {
    if (hasEnded === undefined || notice.hidden !== hasEnded) return;
    notice.hidden = !hasEnded;
    if (hasEnded) notice.scrollIntoView({ block: "nearest" });
  };

  // Returns whether the session has ended; undefined if the server does not say.
  async function hasEnded() {
    try {
      const { ok, status } = await request("/v1/session", { cache: "no-store" });
      return ok ? false : status === 401 ? true : undefined;
    } catch {
      return undefined;
    }
  }

  const check = async () => {
    if (!document.hidden) show(await hasEnded());
  };
  document.addEventListener("visibilitychange", check);
  window.addEventListener("pageshow", (event) => {
    if (event.persisted) check();
  });
  window.addEventListener("guestlist:session", (event) => show(event.detail.hasEnded));

  const method = (form, submitter) => submitter?.getAttribute("formmethod") ?? form.getAttribute("method");
  const checked = new WeakSet();
  document.addEventListener("submit", async (event) => {
    const { target: form, submitter } = event;
    if (event.defaultPrevented || method(form, submitter)?.toLowerCase() !== "post" || checked.delete(form)) return;
    event.preventDefault();
    // The second click of a double click sends nothing.
    if (form.hasAttribute("data-sending")) return;
    form.setAttribute("data-sending", "");
    const ended = await hasEnded();
    show(ended);
    if (ended) {
      form.removeAttribute("data-sending");
      return notice.scrollIntoView();
    }
    checked.add(form);
    form.requestSubmit(submitter);
    // It can be sent again if the browser stays on the page for longer than any request takes.
    setTimeout(() => form.removeAttribute("data-sending"), 35000);
  });
  window.addEventListener("pageshow", () => {
    for (const form of document.querySelectorAll("form[data-sending]")) form.removeAttribute("data-sending");
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
  window.addEventListener("pageshow", () => {
    submitted = false;
  });
}

// A page marked data-continue waits until the browser is logged in, then continues to that URL.
(() => {
  const waiting = document.querySelector("[data-continue]");
  if (!waiting) return;
  waiting.hidden = false;
  const tick = async () => {
    if (!document.hidden) {
      const response = await request("/v1/session", { cache: "no-store" }).catch(() => null);
      if (response?.ok) return location.assign(waiting.dataset.continue);
    }
    setTimeout(tick, 3000);
  };
  setTimeout(tick, 3000);
})();

// Copies the text of the element before the button, or selects it where the browser refuses.
for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const source = button.previousElementSibling;
    const label = button.firstChild;
    try {
      await navigator.clipboard.writeText(source.textContent);
      label.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(source);
      label.textContent = "Selected";
    }
    setTimeout(() => {
      label.textContent = "Copy";
    }, 2000);
  });
}

// Escape, or a click elsewhere, closes an open menu.
const openMenus = () => document.querySelectorAll("details.menu[open]");
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of openMenus()) {
    const hadFocus = menu.contains(document.activeElement);
    menu.open = false;
    if (hadFocus) menu.querySelector("summary").focus();
  }
});
document.addEventListener("click", (event) => {
  for (const menu of openMenus()) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
