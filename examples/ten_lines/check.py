# A page for logged-in users only: python3 check.py
import http.server, json, os, urllib.error, urllib.parse, urllib.request
GUESTLIST, APP = "http://localhost:3000", "http://localhost:4000"

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        ask = urllib.request.Request(GUESTLIST + "/v1/session", headers={"cookie": self.headers.get("cookie", "")})
        try: asked = urllib.request.urlopen(ask, timeout=5)
        except urllib.error.HTTPError as refused: asked = refused
        except OSError: return self.send_error(503)
        self.send_response({200: 200, 401: 303}.get(asked.status, 503))
        for renewed in asked.headers.get_all("set-cookie", []): self.send_header("set-cookie", renewed)
        if asked.status == 401: self.send_header("location", f"{GUESTLIST}/login?return_to={urllib.parse.quote(APP + self.path, safe='')}")
        self.end_headers()
        user = json.load(asked).get("user")
        if user: self.wfile.write(f"Hello {user['name'] or user['email']}: {json.dumps(user['metadata'])}".encode())

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", 4000))), Page).serve_forever()
