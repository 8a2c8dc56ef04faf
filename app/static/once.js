// A double click presses once: the second press would be told that the link was used, and its
// answer is the one that a browser shows.
"use strict";
for (const form of document.querySelectorAll("form[data-once]")) {
  let pressed = false;
  form.addEventListener("submit", (event) => {
    if (pressed) event.preventDefault();
    pressed = true;
  });
  // Back on this page by the back button, it may be pressed again.
  window.addEventListener("pageshow", () => { pressed = false; });
}
