// Calls Guestlist from the browser, which allows this for pages of APP_ORIGINS only.
const status = document.querySelector("#status");
try {
  const response = await fetch(`${status.dataset.guestlist}/v1/session`, { credentials: "include" });
  const body = await response.json();
  status.textContent = response.ok ? `Guestlist says: ${body.user.email}` : `Guestlist says: ${body.code}`;
} catch {
  status.textContent = "Guestlist may not be asked from here";
}
