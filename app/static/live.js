// Keeps the list of people fresh while somebody looks at it. Without this script the page works
// the same, on reload.
"use strict";
(() => {
  const find = (root) => root.querySelector("[data-live]");
  const wait = () => (find(document)?.hasAttribute("data-moving") ? 700 : 3000);

  async function refresh() {
    const live = find(document);
    const isBusy = live?.contains(document.activeElement);
    if (live && !document.hidden && !isBusy) {
      const response = await fetch(live.dataset.live, { headers: { accept: "text/html" } });
      if (response.redirected) return location.assign(response.url);
      if (response.ok) {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const fresh = find(page);
        if (fresh && fresh.outerHTML !== live.outerHTML) live.replaceWith(fresh);
      }
    }
  }

  const tick = () => refresh().catch(() => {}).finally(() => setTimeout(tick, wait()));
  setTimeout(tick, wait());
})();
