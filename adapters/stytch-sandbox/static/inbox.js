// Shows new mail without reloading the page, so that what is typed in the filter stays.
// Without scripts the page reloads itself.
setInterval(async () => {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const [before, after] = [document, page].map((d) => d.getElementById("mails"));
    if (!before || !after || before.contains(document.activeElement)) return;
    for (const details of before.querySelectorAll("details[open]")) {
      after.querySelector(`#${details.id}`)?.setAttribute("open", "");
    }
    if (before.innerHTML !== after.innerHTML) {
      before.replaceWith(document.adoptNode(after));
      offerCopies();
    }
  } catch {
    // The sandbox is gone; the next attempt may find it again.
  }
}, 2000);

// A press selects all of what is to be copied, and copies it where the browser lets it.
function offerCopies() {
  for (const field of document.querySelectorAll("input[readonly]")) {
    field.addEventListener("click", () => {
      field.select();
      navigator.clipboard?.writeText(field.value).catch(() => {});
    });
  }
}
offerCopies();
