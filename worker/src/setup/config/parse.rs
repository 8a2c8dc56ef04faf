//! Parsers of configuration values. Each error describes a valid value.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use guestlist_domain::{Email, Limit};
use jiff::SignedDuration;
use secrecy::SecretString;
use url::Url;

type Parsed<T> = Result<T, String>;

/// Trims a text: files edited on Windows end their lines with a carriage return.
pub fn text(text: &str) -> Parsed<String> {
    let text = text.trim();
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
}

pub fn secret(secret: &str) -> Parsed<SecretString> {
    text(secret).map(SecretString::from)
}

/// Parses a comma-separated list, skipping empty entries.
pub fn list<T>(text: &str, parse: impl Fn(&str) -> Parsed<T>) -> Parsed<Vec<T>> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(parse).collect()
}

/// Errors do not contain the URL, which may contain a password.
pub fn database_url(text: &str) -> Parsed<String> {
    let text = text.trim();
    if text.starts_with("sqlite:") {
        return Ok(text.to_owned());
    }
    let rest = text.strip_prefix("mysql://").ok_or("must begin with sqlite:// or mysql://")?;
    if let Some(character) = unencoded(rest) {
        let code = u32::from(character);
        return Err(format!(
            "the user name or password contains the character {character}, which must be written \
             as %{code:02X}"
        ));
    }
    let malformed = "is not a URL like mysql://user:password@host:3306/database; in the password, \
                     characters other than letters and digits must be percent-encoded";
    Url::parse(text).map_err(|_| malformed)?;
    Ok(text.to_owned())
}

/// Returns the character that ends the user information of a database URL too early, or makes it
/// ambiguous. `rest` is what follows `mysql://`.
fn unencoded(rest: &str) -> Option<char> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    let user = authority.rsplit_once('@').map(|(user, _)| user);
    let (before_query, query) = tail.split_once('?').unwrap_or((tail, ""));
    // A parameter of the query, as in ?ssl-ca=a@b, may contain an @.
    let in_query = query.find('@').is_some_and(|at| !query[..at].contains('='));
    if before_query.contains('@') || (in_query && user.is_none()) {
        return tail.chars().next();
    }
    let is_encoded = |part: &str| {
        let digits = part.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let mut after_percent = user.unwrap_or_default().split('%').skip(1);
    after_percent.any(|part| !is_encoded(part)).then_some('%')
}

pub fn address(text: &str) -> Parsed<SocketAddr> {
    text.trim().parse().map_err(|_| format!("{text:?} is not an address like 127.0.0.1:3000"))
}

/// Parses an address to which other processes send. Addresses that name no single machine, such as
/// 0.0.0.0, are refused.
pub fn own_address(text: &str) -> Parsed<SocketAddr> {
    let address = address(text)?;
    let ip = address.ip();
    if ip.is_unspecified() || ip.is_multicast() || ip == Ipv4Addr::BROADCAST {
        return Err(format!(
            "others can't send to {address}; name an address of this machine, like 10.0.0.5:3004"
        ));
    }
    Ok(address)
}

/// Errors do not contain URLs with user information, which may contain a password.
pub fn http_url(text: &str) -> Parsed<Url> {
    let text = text.trim();
    if text.contains('@') {
        let url = Url::parse(text).ok().filter(Url::has_host);
        let is_clean = |url: Url| url.username().is_empty() && url.password().is_none();
        if !url.is_some_and(is_clean) {
            return Err("must not contain a user name or password (user:password@)".to_owned());
        }
    }
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(format!("{text:?} must begin with http:// or https://"))
    }
}

/// Parses a URL without path, query or fragment.
pub fn origin(text: &str) -> Parsed<Url> {
    if text.contains('*') {
        return Err(format!("{text:?}: wildcards are not supported; list every origin in full"));
    }
    let url = http_url(text)?;
    if url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        Ok(url)
    } else {
        Err(format!("{text:?} must have no path: only scheme, host and port"))
    }
}

pub fn switch(text: &str) -> Parsed<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "1" | "yes" => Ok(true),
        "off" | "false" | "0" | "no" => Ok(false),
        _ => Err(format!("{text:?} must be on or off")),
    }
}

pub fn emails(text: &str) -> Parsed<Vec<Email>> {
    list(text, |a| Email::parse(a).map_err(|error| format!("{a:?} {error}")))
}

pub fn minutes(text: &str, range: RangeInclusive<u32>) -> Parsed<u32> {
    let (least, most) = (*range.start(), *range.end());
    let minutes = text.trim().parse().ok().filter(|minutes| range.contains(minutes));
    minutes.ok_or_else(|| format!("{text:?} is not a number of minutes from {least} to {most}"))
}

pub fn count(text: &str, range: RangeInclusive<usize>) -> Parsed<usize> {
    let (least, most) = (*range.start(), *range.end());
    let count = text.trim().parse().ok().filter(|count| range.contains(count));
    count.ok_or_else(|| format!("{text:?} is not a number from {least} to {most}"))
}

pub fn interval(text: &str) -> Parsed<Duration> {
    let interval = text.trim().parse::<SignedDuration>().ok();
    let interval = interval.and_then(|interval| Duration::try_from(interval).ok());
    interval
        .filter(|interval| (1..=86_400).contains(&interval.as_secs()))
        .ok_or_else(|| format!("{text:?} is not a time like 60s or 5m, from 1s to 24h"))
}

/// Parses a limit such as `5/h`, `30/m` or `100/s`.
pub fn limit(text: &str) -> Parsed<Limit> {
    let wrong = || format!("{text:?} is not a limit like 5/h, 30/m or 100/s");
    let (count, per) = text.trim().split_once('/').ok_or_else(wrong)?;
    let count = count.trim().parse().ok().filter(|count| (1..=1_000_000).contains(count));
    let per = match per.trim() {
        "s" => Duration::from_secs(1),
        "m" => Duration::from_mins(1),
        "h" => Duration::from_hours(1),
        "d" => Duration::from_hours(24),
        _ => return Err(wrong()),
    };
    Ok(Limit { count: count.ok_or_else(wrong)?, per })
}

/// Parses two limits such as `60/m,10/s`: for one client, and for all together.
pub fn two_limits(text: &str) -> Parsed<(Limit, Limit)> {
    let (first, second) = text.split_once(',').ok_or_else(|| {
        format!("{text:?} is not two limits like 60/m,10/s: for one client, and for all together")
    })?;
    Ok((limit(first)?, limit(second)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_have_a_count_and_a_window() {
        assert_eq!(limit("5/h"), Ok(Limit { count: 5, per: Duration::from_hours(1) }));
        assert_eq!(limit(" 100 / s "), Ok(Limit { count: 100, per: Duration::from_secs(1) }));
        for wrong in ["", "5", "0/h", "-1/h", "5/week", "h/5", "5/h/h"] {
            assert!(limit(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_password_that_breaks_the_database_url_names_the_character() {
        for (url, character) in [
            ("mysql://app:12#hunter@127.0.0.1/app", "#, which must be written as %23"),
            ("mysql://app:hunter#2@127.0.0.1/app", "#, which must be written as %23"),
            ("mysql://app:hunter/2@127.0.0.1/app", "/, which must be written as %2F"),
            ("mysql://app:hunter?2@127.0.0.1/app", "?, which must be written as %3F"),
            ("mysql://app:h@hunter/2@127.0.0.1/app", "/, which must be written as %2F"),
            ("mysql://app:hunter%x2@127.0.0.1/app", "%, which must be written as %25"),
            ("mysql://app:hunter%@127.0.0.1/app", "%, which must be written as %25"),
            ("mysql://app:hunter 2@[127.0.0.1/app", "percent-encoded"),
        ] {
            let error = database_url(url).unwrap_err();
            assert!(error.contains(character), "{url}: {error}");
            assert!(!error.contains("hunter") && !error.contains("127.0.0.1"), "{url}: {error}");
        }
        for url in [
            "mysql://app:p%23a%2Fss@127.0.0.1:3306/app?ssl-mode=DISABLED",
            "mysql://app:p@ss@127.0.0.1/app",
            "mysql://app@127.0.0.1/app?ssl-ca=/a@b.pem",
            "mysql://127.0.0.1/app?ssl-ca=/a@b.pem",
            " sqlite://guestlist.db?mode=rwc\r\n",
        ] {
            assert_eq!(database_url(url), Ok(url.trim().to_owned()));
        }
    }

    #[test]
    fn two_limits_are_parsed() {
        let (minute, second) = (Duration::from_mins(1), Duration::from_secs(1));
        let both = (Limit { count: 60, per: minute }, Limit { count: 10, per: second });
        assert_eq!(two_limits("60/m,10/s"), Ok(both));
        assert_eq!(two_limits(" 60/m , 10/s "), Ok(both));
        for wrong in ["", "60/m", "60/m,", ",10/s", "60/m,10/s,5/s", "60/m 10/s", "0/m,10/s"] {
            assert!(two_limits(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn user_information_is_refused_and_not_shown() {
        for url in
            ["https://ada:hunter2@example.com", "https://ada:hunter2@exa mple", "a:hunter2@b"]
        {
            let error = origin(url).unwrap_err();
            assert!(error.contains("user name") && !error.contains("hunter2"), "{error}");
        }
        assert!(http_url("https://example.com/@ada").is_ok());
    }

    #[test]
    fn an_origin_has_no_path_and_no_wildcard() {
        assert!(origin("https://guests.example.com").is_ok());
        for wrong in ["*", "https://*.example.com"] {
            assert!(origin(wrong).unwrap_err().contains("every origin"), "{wrong:?}");
        }
        for wrong in ["guests.example.com", "ftp://x.example.com", "https://x.example.com/a", "/"] {
            assert!(origin(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn intervals_are_bounded() {
        assert_eq!(interval("60s"), Ok(Duration::from_mins(1)));
        assert_eq!(interval("5m"), Ok(Duration::from_mins(5)));
        for wrong in ["", "0s", "-1s", "soon", "25h"] {
            assert!(interval(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn every_administrator_must_be_a_valid_address() {
        assert_eq!(emails("a@example.com, B@example.com,").unwrap().len(), 2);
        assert!(emails("a@example.com,nobody").unwrap_err().contains("nobody"));
    }
}
