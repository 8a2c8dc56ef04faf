// Asks Guestlist from the browser: it lets pages of APP_ORIGINS call with the cookies and read the
// answer, and no others.
const said = document.querySelector("#said");
try {
  const answer = await fetch(`${said.dataset.guestlist}/v1/session`, { credentials: "include" });
  const body = await answer.json();
  said.textContent = answer.ok ? `Guestlist says: ${body.user.email}` : `Guestlist says: ${body.code}`;
} catch {
  said.textContent = "Guestlist may not be asked from here";
}
