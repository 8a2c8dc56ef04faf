//! Which redirect URLs are allowed. Given ones match exactly, path and query included, except
//! that `www.` makes no difference, a query value of `{}` or `*` stands for any, and so does a `*`
//! for a part of the host.

use url::Url;

use crate::{Error, link::Kind, refusal::Refusal};

/// What Stytch's test environment uses where the project registered nothing.
const DEFAULT: &str = "http://localhost:3000/authenticate";

pub(crate) struct Redirects {
    /// None: anything on this machine.
    registered: Option<Vec<Registered>>,
    /// Whether anything on this machine is allowed too.
    local_too: bool,
    local: Option<Url>,
}

/// A URL that may be used in mails of these kinds; None for all.
struct Registered {
    kinds: Option<Vec<Kind>>,
    url: Url,
}

impl Redirects {
    pub(crate) fn new(allowed: &[String], local_too: bool) -> Result<Self, Error> {
        let registered = allowed
            .iter()
            .map(|text| Registered::parse(text).ok_or_else(|| Error::RedirectUrl(text.clone())))
            .collect::<Result<Vec<_>, _>>()?;
        let registered = Some(registered).filter(|all| !all.is_empty());
        Ok(Self { registered, local_too, local: Url::parse(DEFAULT).ok() })
    }

    /// The URL that a mail of this kind sends people to, or why it can't.
    pub(crate) fn resolve(&self, given: Option<&str>, kind: Kind) -> Result<Url, Refusal> {
        let url = given.filter(|given| !given.is_empty());
        let url = url.map(|given| parse(given).ok_or_else(malformed)).transpose()?;
        let Some(registered) = &self.registered else {
            let url = url.or_else(|| self.local.clone()).filter(is_local);
            return url.ok_or_else(unregistered);
        };
        if let Some(url) = url.as_ref().filter(|url| self.local_too && is_local(url)) {
            return Ok(url.clone());
        }
        let of_kind: Vec<_> = registered.iter().filter(|one| one.is_for(kind)).collect();
        match url {
            _ if of_kind.is_empty() => Err(none_set(kind)),
            Some(url) if of_kind.iter().any(|one| matches(&one.url, &url)) => Ok(url),
            Some(_) => Err(unregistered()),
            None => {
                let default = of_kind.iter().find(|one| one.may_be_default());
                default.map(|one| one.url.clone()).ok_or_else(|| no_default(kind))
            }
        }
    }
}

impl Registered {
    /// `URL` or `invite,login=URL`.
    fn parse(text: &str) -> Option<Self> {
        if let Some(url) = parse(text) {
            return Some(Self { kinds: None, url });
        }
        let (kinds, url) = text.split_once('=')?;
        let kinds = kinds.split(',').map(Kind::named).collect::<Option<_>>()?;
        Some(Self { kinds: Some(kinds), url: parse(url)? })
    }

    fn is_for(&self, kind: Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// One that stands for many can't be.
    fn may_be_default(&self) -> bool {
        let host = self.url.host_str().unwrap_or_default();
        !host.contains('*') && !self.url.query_pairs().any(|(_, value)| is_any(&value))
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
    hosts_match(allowed, given) && rest(allowed) == rest(given) && queries_match(allowed, given)
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

/// What is compared to the letter.
fn rest(url: &Url) -> impl PartialEq {
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

fn none_set(kind: Kind) -> Refusal {
    let kind = kind.name();
    Refusal::bad_request(
        &format!("no_{kind}_redirect_urls_set"),
        format!("There are no {kind} redirect URLs set for this project."),
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
        match Redirects::new(&allowed, false).unwrap().resolve(given, Kind::Invite) {
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
    fn local_urls_are_allowed_beside_a_list_where_that_is_set() {
        let listed = ["https://guests.example.com/authenticate".to_owned()];
        let redirects = Redirects::new(&listed, true).unwrap();
        let is_allowed = |url: &str| redirects.resolve(Some(url), Kind::Login).is_ok();
        assert!(is_allowed(&listed[0]) && is_allowed("http://localhost:4000/in?a=b"));
        assert!(!is_allowed("https://guests.example.com/other"));
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

    #[test]
    fn a_star_stands_for_one_part_of_the_host_and_is_no_default() {
        let allowed = ["https://*.example.com/in"];
        let given = "https://tenant.example.com/in";
        assert_eq!(outcome(&allowed, Some(given)), given);
        for other in [
            "https://example.com/in",
            "https://a.b.example.com/in",
            "https://tenant.example.org/in",
            "https://tenant.example.com/out",
        ] {
            assert_eq!(outcome(&allowed, Some(other)), NO_MATCH, "{other}");
        }
        assert_eq!(outcome(&allowed, None), "no_default_invite_redirect_url_set");
    }

    #[test]
    fn a_url_may_be_for_some_kinds_of_mail_only() {
        let (login, other) = ("https://example.com/login", "https://example.com/in");
        let allowed = [&format!("login={login}"), &format!("invite,signup={other}")[..]];
        assert_eq!(outcome(&allowed, Some(other)), other);
        assert_eq!(outcome(&allowed, None), other);
        assert_eq!(outcome(&allowed, Some(login)), NO_MATCH);
        assert_eq!(outcome(&allowed[..1], Some(login)), "no_invite_redirect_urls_set");
        assert_eq!(outcome(&allowed[..1], None), "no_invite_redirect_urls_set");
        for wrong in ["reset=https://example.com/", "invite=", "invite=x", "=https://example.com/"]
        {
            assert!(Redirects::new(&[wrong.to_owned()], false).is_err(), "{wrong}");
        }
    }
}
