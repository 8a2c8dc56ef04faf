//! Detection of cross-origin requests.

use hyper::http::uri::Authority;
use hyper::{HeaderMap, Method};

/// Returns whether a request may change something and was made by a page of another origin. Browsers
/// send `Sec-Fetch-Site`, older ones `Origin`; other clients send neither.
pub fn is_cross_origin(method: &Method, headers: &HeaderMap, host: Option<&Authority>) -> bool {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE) {
        return false;
    }
    let mut sites = headers.get_all("sec-fetch-site").iter();
    let is_foreign_site = sites.any(|site| site != "same-origin" && site != "none");
    let origins = headers.get_all("origin").iter();
    let is_same_origin = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.zip(host).is_some_and(|(given, host)| host.as_str().eq_ignore_ascii_case(given))
    };
    let is_foreign_origin = origins.map(|o| o.to_str()).any(|o| !o.is_ok_and(is_same_origin));
    is_foreign_site || is_foreign_origin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unsafe_requests_of_other_origins_are_cross_origin() {
        let host = Authority::from_static("localhost:3002");
        let is_cross = |method: Method, pairs: &[(&'static str, &'static str)]| {
            let pairs =
                pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
            is_cross_origin(&method, &pairs.collect(), Some(&host))
        };
        let post = |pairs: &[(&'static str, &'static str)]| is_cross(Method::POST, pairs);
        assert!(!post(&[]));
        assert!(!post(&[("origin", "http://localhost:3002"), ("sec-fetch-site", "same-origin")]));
        assert!(!post(&[("origin", "http://LOCALHOST:3002")]));
        assert!(!post(&[("sec-fetch-site", "none"), ("sec-fetch-mode", "cors")]));
        for origin in ["http://evil.example", "null", "http://localhost:3000", "", "localhost:3002"]
        {
            assert!(post(&[("origin", origin)]), "{origin}");
        }
        for site in ["cross-site", "same-site", "nonsense"] {
            assert!(post(&[("sec-fetch-site", site)]), "{site}");
            assert!(is_cross(Method::DELETE, &[("sec-fetch-site", site)]), "{site}");
            assert!(!is_cross(Method::GET, &[("sec-fetch-site", site)]), "{site}");
        }
    }
}
