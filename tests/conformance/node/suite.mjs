// Stytch's SDK for Node, as published, against the sandbox: every call that it supports, good and
// bad. One process and one case at a time, as the cases share a clock.

import "./links.mjs";
import "./authenticate.mjs";
import "./sessions.mjs";
import "./jwts.mjs";
import "./users.mjs";
import "./exchange.mjs";
import "./search.mjs";
import "./constants.mjs";
import "./errors.mjs";
