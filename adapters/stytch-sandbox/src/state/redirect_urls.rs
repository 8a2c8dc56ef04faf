//! The allowed redirect URLs. They match exactly, path and query included, except that `www.` is
//! ignored, a query value of `{}` or `*` matches any value, and a host label of `*` any label.

use url::Url;

use crate::{error::Error, response::ApiError, state::LinkKind};

/// The default of Stytch's test environment for a project without redirect URLs.
const DEFAULT_URL: &str = "http://localhost:3000/authenticate";

pub(crate) struct RedirectUrls {
    /// Without any, all local URLs are allowed.
    registered: Option<Vec<Registered>>,
    /// Whether local URLs are allowed beside the registered ones.
    allow_local: bool,
    default: Option<Url>,
}

/// A URL for mails of these kinds, or of all kinds.
struct Registered {
    kinds: Option<Vec<LinkKind>>,
    url: Url,
}

impl RedirectUrls {
    pub(crate) fn new(allowed: &[String], allow_local: bool) -> Result<Self, Error> {
        let registered = allowed
            .iter()
            .map(|text| Registered::parse(text).ok_or_else(|| Error::RedirectUrl(text.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        let registered = Some(registered).filter(|all| !all.is_empty());
        Ok(Self { registered, allow_local, default: Url::parse(DEFAULT_URL).ok() })
    }

    /// Returns the URL that a link of this kind leads to: the given one if it is allowed, else the
    /// default.
    pub(crate) fn resolve(&self, given: Option<&str>, kind: LinkKind) -> Result<Url, ApiError> {
        let url = given.filter(|given| !given.is_empty());
        let url = url.map(|given| parse(given).ok_or_else(malformed)).transpose()?;
        let Some(registered) = &self.registered else {
            let url = url.or_else(|| self.default.clone()).filter(is_local);
            return url.ok_or_else(unregistered);
        };
        if let Some(url) = url.as_ref().filter(|url| self.allow_local && is_local(url)) {
            return Ok(url.clone());
        }
        let of_kind: Vec<_> = registered.iter().filter(|url| url.is_for(kind)).collect();
        match url {
            _ if of_kind.is_empty() => Err(none_registered(kind)),
            Some(url) if of_kind.iter().any(|registered| matches(&registered.url, &url)) => Ok(url),
            Some(_) => Err(unregistered()),
            None => {
                let default = of_kind.iter().find(|url| url.may_be_default());
                default.map(|default| default.url.clone()).ok_or_else(|| no_default(kind))
            }
        }
    }
}

impl Registered {
    /// Parses `URL` or `invite,login=URL`.
    fn parse(text: &str) -> Option<Self> {
        if let Some(url) = parse(text) {
            return Some(Self { kinds: None, url });
        }
        let (kinds, url) = text.split_once('=')?;
        let kinds = kinds.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
        Some(Self { kinds: Some(kinds), url: parse(url)? })
    }

    fn is_for(&self, kind: LinkKind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// Returns whether the URL contains no wildcard.
    fn may_be_default(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        !host.contains('*') && !self.url.query_pairs().any(|(_, value)| is_wildcard(&value))
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
    hosts_match(allowed, given)
        && exact_parts(allowed) == exact_parts(given)
        && queries_match(allowed, given)
}

fn hosts_match(allowed: &Url, given: &Url) -> bool {
    let labels = |url: &Url| -> Vec<String> {
        let host = url.host_str().unwrap_or_default();
        host.strip_prefix("www.").unwrap_or(host).split('.').map(str::to_owned).collect()
    };
    let (allowed, given) = (labels(allowed), labels(given));
    allowed.len() == given.len()
        && allowed.iter().zip(&given).all(|(label, given)| label == "*" || label == given)
}

/// Returns the parts that allow no wildcard.
fn exact_parts(url: &Url) -> impl PartialEq {
    let text = |part: Option<&str>| part.map(str::to_owned);
    let user = (url.username().to_owned(), text(url.password()));
    (url.scheme().to_owned(), user, url.port(), url.path().to_owned(), text(url.fragment()))
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
            name == given_name && (is_wildcard(value) || value == given_value)
        })
}

fn is_wildcard(value: &str) -> bool {
    matches!(value, "{}" | "*")
}

fn malformed() -> ApiError {
    ApiError::bad_request(
        "invalid_magic_link_url",
        "magic_link_url format is invalid. Common issues include using http instead of https, \
         omitting https://, or having a trailing /.",
    )
}

fn unregistered() -> ApiError {
    ApiError::bad_request(
        "no_match_for_provided_magic_link_url",
        "The magic_link_url in the request did not match any redirect URLs set for this project.",
    )
}

fn none_registered(kind: LinkKind) -> ApiError {
    ApiError::bad_request(
        &format!("no_{kind}_redirect_urls_set"),
        format!("There are no {kind} redirect URLs set for this project."),
    )
}

fn no_default(kind: LinkKind) -> ApiError {
    ApiError::bad_request(
        &format!("no_default_{kind}_redirect_url_set"),
        format!("There are no default {kind} redirect URLs set for this project."),
    )
}

#[cfg(test)]
mod tests {
    use super::{LinkKind, RedirectUrls};

    fn resolve(allowed: &[&str], given: Option<&str>) -> String {
        let allowed: Vec<_> = allowed.iter().map(ToString::to_string).collect();
        match RedirectUrls::new(&allowed, false).unwrap().resolve(given, LinkKind::Invite) {
            Ok(url) => url.into(),
            Err(error) => error.error_type,
        }
    }

    const NO_MATCH: &str = "no_match_for_provided_magic_link_url";

    #[test]
    fn without_registered_urls_all_local_ones_are_allowed() {
        for url in ["http://localhost:3000/in?a=b", "http://127.0.0.1:8/", "http://[::1]:1/x"] {
            assert_eq!(resolve(&[], Some(url)), url);
        }
        assert_eq!(resolve(&[], None), "http://localhost:3000/authenticate");
        let below = "http://guests.app.localhost:3000/authenticate";
        assert_eq!(resolve(&[], Some(below)), below);
        assert_eq!(resolve(&[], Some("http://notlocalhost/")), NO_MATCH);
        assert_eq!(resolve(&[], Some("https://example.com/")), NO_MATCH);
        assert_eq!(resolve(&[], Some("localhost:3000")), "invalid_magic_link_url");
    }

    #[test]
    fn registered_urls_match_exactly() {
        let allowed = ["https://example.com/in?x=1"];
        assert_eq!(resolve(&allowed, Some("https://example.com/in?x=1")), allowed[0]);
        for other in [
            "https://example.com/in",
            "https://example.com/in?x=2",
            "https://example.com/in?x=1&y=2",
            "https://example.com/in/?x=1",
            "http://example.com/in?x=1",
            "https://example.com:8443/in?x=1",
            "http://localhost:3000/authenticate",
        ] {
            assert_eq!(resolve(&allowed, Some(other)), NO_MATCH, "{other}");
        }
    }

    #[test]
    fn local_urls_can_be_allowed_beside_registered_ones() {
        let listed = ["https://guests.example.com/authenticate".to_owned()];
        let urls = RedirectUrls::new(&listed, true).unwrap();
        let is_allowed = |url: &str| urls.resolve(Some(url), LinkKind::Login).is_ok();
        assert!(is_allowed(&listed[0]) && is_allowed("http://localhost:4000/in?a=b"));
        assert!(!is_allowed("https://guests.example.com/other"));
    }

    #[test]
    fn a_leading_www_is_ignored() {
        let www = "https://www.example.com/in";
        assert_eq!(resolve(&["https://example.com/in"], Some(www)), www);
        let bare = "https://example.com/in";
        assert_eq!(resolve(&["https://www.example.com/in"], Some(bare)), bare);
    }

    #[test]
    fn a_query_wildcard_matches_any_value_and_is_no_default() {
        for allowed in ["https://example.com/in?id={}&k=1", "https://example.com/in?id=*&k=1"] {
            let given = "https://example.com/in?k=1&id=42";
            assert_eq!(resolve(&[allowed], Some(given)), given);
            assert_eq!(resolve(&[allowed], Some("https://example.com/in?id=42&k=2")), NO_MATCH);
            assert_eq!(resolve(&[allowed], Some("https://example.com/in?k=1")), NO_MATCH);
            assert_eq!(resolve(&[allowed], None), "no_default_invite_redirect_url_set");
        }
    }

    #[test]
    fn a_host_wildcard_matches_one_label_and_is_no_default() {
        let allowed = ["https://*.example.com/in"];
        let given = "https://tenant.example.com/in";
        assert_eq!(resolve(&allowed, Some(given)), given);
        for other in [
            "https://example.com/in",
            "https://a.b.example.com/in",
            "https://tenant.example.org/in",
            "https://tenant.example.com/out",
        ] {
            assert_eq!(resolve(&allowed, Some(other)), NO_MATCH, "{other}");
        }
        assert_eq!(resolve(&allowed, None), "no_default_invite_redirect_url_set");
    }

    #[test]
    fn a_url_can_be_limited_to_kinds_of_mail() {
        let (login, other) = ("https://example.com/login", "https://example.com/in");
        let allowed = [&format!("login={login}"), &format!("invite,signup={other}")[..]];
        assert_eq!(resolve(&allowed, Some(other)), other);
        assert_eq!(resolve(&allowed, None), other);
        assert_eq!(resolve(&allowed, Some(login)), NO_MATCH);
        assert_eq!(resolve(&allowed[..1], Some(login)), "no_invite_redirect_urls_set");
        assert_eq!(resolve(&allowed[..1], None), "no_invite_redirect_urls_set");
        for wrong in ["reset=https://example.com/", "invite=", "invite=x", "=https://example.com/"]
        {
            assert!(RedirectUrls::new(&[wrong.to_owned()], false).is_err(), "{wrong}");
        }
    }
}
