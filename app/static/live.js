// Replaces the element marked data-live when its HTML has changed on the server.
"use strict";
(() => {
  const find = (root) => root.querySelector("[data-live]");
  const interval = () => (find(document)?.hasAttribute("data-changing") ? 700 : 3000);

  async function refresh() {
    const live = find(document);
    const hasFocus = live?.contains(document.activeElement);
    if (live && !document.hidden && !hasFocus) {
      const response = await fetch(live.dataset.live, { headers: { accept: "text/html" } });
      if (response.redirected) return location.assign(response.url);
      if (response.ok) {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const fresh = find(page);
        if (fresh && fresh.outerHTML !== live.outerHTML) live.replaceWith(fresh);
      }
    }
  }

  const tick = () => refresh().catch(() => {}).finally(() => setTimeout(tick, interval()));
  setTimeout(tick, interval());
})();
