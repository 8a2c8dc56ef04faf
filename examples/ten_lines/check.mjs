// A page for logged-in users only: node check.mjs
import http from "node:http";
const GUESTLIST = "http://localhost:3000", APP = "http://localhost:4000";
http.createServer(async (request, response) => {
  const cookie = request.headers.cookie ?? "";
  const asked = await fetch(`${GUESTLIST}/v1/session`, { headers: { cookie } }).catch(() => ({ status: 503 }));
  for (const renewed of asked.headers?.getSetCookie() ?? []) response.appendHeader("set-cookie", renewed);
  const login = `${GUESTLIST}/login?return_to=${encodeURIComponent(APP + request.url)}`;
  if (asked.status === 401) return response.writeHead(303, { location: login }).end();
  if (asked.status !== 200) return response.writeHead(503).end("Try again in a moment");
  const { user } = await asked.json();
  response.end(`Hello ${user.name ?? user.email}: ${JSON.stringify(user.metadata)}`);
}).listen(process.env.PORT ?? 4000);
