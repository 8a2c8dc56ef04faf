//! Who opens a link: a person in a browser, or a program that scans mail.

use jiff::SignedDuration;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// A guess at who opened a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Visitor {
    Browser,
    /// Probably a mail scanner: it was faster than people read mail, or is no browser.
    Scanner,
    /// The client did not say what it is.
    Unknown,
}

impl Visitor {
    /// The time within which mail scanners open the links of a new mail.
    pub const SCAN_TIME: SignedDuration = SignedDuration::from_secs(30);

    /// Guesses by the client's `User-Agent` and by the time since the mail was sent, which is `None`
    /// while it is being sent.
    pub fn guess(user_agent: Option<&str>, since_sent: Option<SignedDuration>) -> Self {
        if since_sent.is_none_or(|time| time < Self::SCAN_TIME) {
            return Self::Scanner;
        }
        match user_agent.map(str::trim).filter(|agent| !agent.is_empty()) {
            None => Self::Unknown,
            Some(agent) if is_browser(agent) => Self::Browser,
            Some(_) => Self::Scanner,
        }
    }
}

/// Returns whether a `User-Agent` is that of a browser with a window. Every browser calls itself
/// Mozilla or Opera; programs that pretend to be one add a name of their own.
fn is_browser(agent: &str) -> bool {
    const PROGRAMS: [&str; 8] =
        ["bot", "crawl", "spider", "scan", "preview", "compatible;", "headless", "phantomjs"];
    let agent = agent.to_ascii_lowercase();
    let claims_to_be = agent.starts_with("mozilla/5.0 (") || agent.starts_with("opera/");
    claims_to_be && !PROGRAMS.iter().any(|program| agent.contains(program))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, \
                          like Gecko) Chrome/142.0.0.0 Safari/537.36";

    #[test]
    fn a_visitor_within_30_seconds_is_probably_a_scanner() {
        let guess = |seconds: Option<i64>| {
            Visitor::guess(Some(CHROME), seconds.map(SignedDuration::from_secs))
        };
        for since_sent in [None, Some(-2), Some(0), Some(29)] {
            assert_eq!(guess(since_sent), Visitor::Scanner);
        }
        assert_eq!(guess(Some(30)), Visitor::Browser);
    }

    #[test]
    fn programs_are_recognized_by_their_user_agent() {
        for (agent, expected) in [
            (CHROME, Visitor::Browser),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
                Visitor::Browser,
            ),
            ("Opera/9.80 (Windows NT 6.1) Presto/2.12 Version/12.16", Visitor::Browser),
            ("curl/8.14.1", Visitor::Scanner),
            ("Mozilla/5.0", Visitor::Scanner),
            ("Mozilla/5.0 (compatible; Googlebot/2.1)", Visitor::Scanner),
            ("Mozilla/5.0 (X11; Linux x86_64) HeadlessChrome/142.0", Visitor::Scanner),
            ("Mozilla/5.0 (Windows NT 10.0) BingPreview/1.0b", Visitor::Scanner),
            ("  ", Visitor::Unknown),
        ] {
            assert_eq!(
                Visitor::guess(Some(agent), Some(SignedDuration::from_secs(60))),
                expected,
                "{agent}"
            );
        }
        assert_eq!(Visitor::guess(None, Some(SignedDuration::from_secs(60))), Visitor::Unknown);
    }
}
