// Sends requests from the API reference, with the key that was entered or the browser's session.
"use strict";

const shown = document.querySelectorAll("[data-try]");
for (const element of shown) element.hidden = false;

async function send(form) {
  const { method, path, type } = form.dataset;
  const fields = (place) => [...form.querySelectorAll(`[data-place="${place}"]`)].filter((field) => field.value);
  let url = path;
  for (const { dataset, value } of fields("path")) url = url.replace(`{${dataset.name}}`, encodeURIComponent(value));
  const query = new URLSearchParams(fields("query").map(({ dataset, value }) => [dataset.name, value]));
  if (query.size) url += `?${query}`;
  const headers = new Headers(fields("header").map(({ dataset, value }) => [dataset.name, value]));
  const key = document.getElementById("api-key").value;
  if (key) headers.set("authorization", `Bearer ${key}`);
  const body = form.querySelector("[data-body]")?.value;
  if (body !== undefined) headers.set("content-type", type);
  const response = await fetch(url, { method, headers, body });
  const text = await response.text();
  return `${response.status} ${response.statusText}\n\n${indented(text)}`;
}

function indented(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.matches("form[data-try]")) return;
  event.preventDefault();
  const answer = form.querySelector(".answer");
  answer.hidden = false;
  answer.textContent = "…";
  answer.textContent = await send(form).catch((error) => `The request failed: ${error.message}`);
});

// A link to an object or an operation opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.matches("details")) target.open = true;
}
window.addEventListener("hashchange", openTarget);
openTarget();
