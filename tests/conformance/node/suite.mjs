// Valid and invalid uses of every call that the sandbox supports, with Stytch's SDK for Node. The cases
// run one at a time, because they share the sandbox's clock.

import "./links.mjs";
import "./authenticate.mjs";
import "./sessions.mjs";
import "./jwts.mjs";
import "./users.mjs";
import "./exchange.mjs";
import "./search.mjs";
import "./constants.mjs";
import "./errors.mjs";
