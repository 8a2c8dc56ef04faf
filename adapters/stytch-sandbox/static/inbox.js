// Refreshes the list of mails without reloading the page, which would clear the filter's input.
// Without scripts, the page reloads itself.
setInterval(async () => {
  if (document.hidden) return;
  try {
    const response = await fetch(location.href);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const [before, after] = [document, page].map((d) => d.getElementById("mails"));
    if (!before || !after || before.contains(document.activeElement)) return;
    for (const details of before.querySelectorAll("details[open]")) {
      after.querySelector(`#${details.id}`)?.setAttribute("open", "");
    }
    if (before.innerHTML !== after.innerHTML) {
      before.replaceWith(document.adoptNode(after));
      copyOnClick();
    }
  } catch {
    // The sandbox can't be reached; the next refresh may succeed.
  }
}, 2000);

// Selects the text of a field on click, and copies it if the browser permits.
function copyOnClick() {
  for (const field of document.querySelectorAll("input[readonly]")) {
    field.addEventListener("click", () => {
      field.select();
      navigator.clipboard?.writeText(field.value).catch(() => {});
    });
  }
}
copyOnClick();
