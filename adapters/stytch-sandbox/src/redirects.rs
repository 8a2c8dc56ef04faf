//! Which redirect URLs are allowed. Given ones match exactly, path and query included, except
//! that `www.` makes no difference and a query value of `{}` or `*` stands for any.

use url::Url;

use crate::{Error, link::Kind, refusal::Refusal};

/// What Stytch's test environment uses where the project registered nothing.
const DEFAULT: &str = "http://localhost:3000/authenticate";

#[derive(Debug)]
pub(crate) struct Redirects {
    /// None: anything on this machine.
    allowed: Option<Vec<Url>>,
    default: Option<Url>,
}

impl Redirects {
    pub(crate) fn new(allowed: &[String]) -> Result<Self, Error> {
        if allowed.is_empty() {
            return Ok(Self { allowed: None, default: Url::parse(DEFAULT).ok() });
        }
        let urls = allowed
            .iter()
            .map(|text| parse(text).ok_or_else(|| Error::RedirectUrl(text.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        // One with a placeholder can't be a default.
        let default = urls.iter().find(|url| !url.query_pairs().any(|(_, v)| is_any(&v))).cloned();
        Ok(Self { allowed: Some(urls), default })
    }

    /// The URL that a mail of this kind sends people to, or why it can't.
    pub(crate) fn resolve(&self, given: Option<&str>, kind: Kind) -> Result<Url, Refusal> {
        let Some(given) = given.filter(|given| !given.is_empty()) else {
            return self.default.clone().ok_or_else(|| no_default(kind));
        };
        let url = parse(given).ok_or_else(malformed)?;
        let allowed = match &self.allowed {
            None => is_local(&url),
            Some(urls) => urls.iter().any(|allowed| matches(allowed, &url)),
        };
        if allowed { Ok(url) } else { Err(unregistered()) }
    }
}

fn parse(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then_some(url)
}

fn is_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    // Browsers resolve every name below `localhost` to this machine (RFC 6761).
    matches!(host, "localhost" | "127.0.0.1" | "[::1]") || host.ends_with(".localhost")
}

fn matches(allowed: &Url, given: &Url) -> bool {
    bare(allowed) == bare(given) && queries_match(allowed, given)
}

/// The URL without what is compared on its own: query and `www.`.
fn bare(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    if let Some(host) = url.host_str().and_then(|host| host.strip_prefix("www.")) {
        let host = host.to_owned();
        // A host that was valid with `www.` may not be without it; then it stays as it is.
        let _ = url.set_host(Some(&host));
    }
    url.into()
}

fn queries_match(allowed: &Url, given: &Url) -> bool {
    let sorted = |url: &Url| {
        let mut pairs: Vec<_> = url.query_pairs().into_owned().collect();
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        pairs
    };
    let (allowed, given) = (sorted(allowed), sorted(given));
    allowed.len() == given.len()
        && allowed.iter().zip(&given).all(|((name, value), (given_name, given_value))| {
            name == given_name && (is_any(value) || value == given_value)
        })
}

fn is_any(value: &str) -> bool {
    matches!(value, "{}" | "*")
}

fn malformed() -> Refusal {
    Refusal::bad_request(
        "invalid_magic_link_url",
        "magic_link_url format is invalid. Common issues include using http instead of https, \
         omitting https://, or having a trailing /.",
    )
}

fn unregistered() -> Refusal {
    Refusal::bad_request(
        "no_match_for_provided_magic_link_url",
        "The magic_link_url in the request did not match any redirect URLs set for this project.",
    )
}

fn no_default(kind: Kind) -> Refusal {
    let kind = kind.name();
    Refusal::bad_request(
        &format!("no_default_{kind}_redirect_url_set"),
        format!("There are no default {kind} redirect URLs set for this project."),
    )
}

#[cfg(test)]
mod tests {
    use super::{Kind, Redirects};

    fn outcome(allowed: &[&str], given: Option<&str>) -> String {
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        match Redirects::new(&allowed).unwrap().resolve(given, Kind::Invite) {
            Ok(url) => url.into(),
            Err(refusal) => refusal.error_type,
        }
    }

    const NO_MATCH: &str = "no_match_for_provided_magic_link_url";

    #[test]
    fn without_a_list_anything_local_goes() {
        for url in ["http://localhost:3000/in?a=b", "http://127.0.0.1:8/", "http://[::1]:1/x"] {
            assert_eq!(outcome(&[], Some(url)), url);
        }
        assert_eq!(outcome(&[], None), "http://localhost:3000/authenticate");
        let below = "http://guests.app.localhost:3000/authenticate";
        assert_eq!(outcome(&[], Some(below)), below);
        assert_eq!(outcome(&[], Some("http://notlocalhost/")), NO_MATCH);
        assert_eq!(outcome(&[], Some("https://example.com/")), NO_MATCH);
        assert_eq!(outcome(&[], Some("localhost:3000")), "invalid_magic_link_url");
    }

    #[test]
    fn a_list_is_matched_exactly() {
        let allowed = ["https://example.com/in?x=1"];
        assert_eq!(outcome(&allowed, Some("https://example.com/in?x=1")), allowed[0]);
        for other in [
            "https://example.com/in",
            "https://example.com/in?x=2",
            "https://example.com/in?x=1&y=2",
            "https://example.com/in/?x=1",
            "http://example.com/in?x=1",
            "https://example.com:8443/in?x=1",
            "http://localhost:3000/authenticate",
        ] {
            assert_eq!(outcome(&allowed, Some(other)), NO_MATCH, "{other}");
        }
    }

    #[test]
    fn www_makes_no_difference() {
        let www = "https://www.example.com/in";
        assert_eq!(outcome(&["https://example.com/in"], Some(www)), www);
        let bare = "https://example.com/in";
        assert_eq!(outcome(&["https://www.example.com/in"], Some(bare)), bare);
    }

    #[test]
    fn a_placeholder_stands_for_any_value_and_is_no_default() {
        for allowed in ["https://example.com/in?id={}&k=1", "https://example.com/in?id=*&k=1"] {
            let given = "https://example.com/in?k=1&id=42";
            assert_eq!(outcome(&[allowed], Some(given)), given);
            assert_eq!(outcome(&[allowed], Some("https://example.com/in?id=42&k=2")), NO_MATCH);
            assert_eq!(outcome(&[allowed], Some("https://example.com/in?k=1")), NO_MATCH);
            assert_eq!(outcome(&[allowed], None), "no_default_invite_redirect_url_set");
        }
    }
}
