// Refreshes the list of mails without reloading the page, which would clear the filter's input.
// Without scripts, the page reloads itself.
setInterval(async () => {
  if (document.hidden) return;
  try {
    const response = await fetch(location.href, { signal: AbortSignal.timeout(5000) });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const [before, after] = [document, page].map((d) => d.querySelector("[data-live]"));
    if (!before || !after || before.contains(document.activeElement) || !getSelection().isCollapsed) return;
    for (const details of before.querySelectorAll("details[open]")) {
      after.querySelector(`#${details.id}`)?.setAttribute("open", "");
    }
    if (before.innerHTML !== after.innerHTML) before.replaceWith(document.adoptNode(after));
  } catch {
    // The sandbox can't be reached; the next refresh may succeed.
  }
}, 2000);
