// Submits a form only once on a double click. The browser would show the response to the second
// request, which says that the link is already used.
"use strict";
for (const form of document.querySelectorAll("form[data-once]")) {
  let submitted = false;
  form.addEventListener("submit", (event) => {
    if (submitted) event.preventDefault();
    submitted = true;
  });
  // A page restored by the back button can be submitted again.
  window.addEventListener("pageshow", () => { submitted = false; });
}
