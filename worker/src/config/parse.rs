//! Words of the environment into values; every refusal says what would be right.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use guestlist_domain::{Email, Limit};
use jiff::SignedDuration;
use url::Url;

type Read<T> = Result<T, String>;

pub fn database_url(text: &str) -> Read<String> {
    let known = ["sqlite:", "mysql:"].iter().any(|scheme| text.starts_with(scheme));
    if known {
        Ok(text.to_owned())
    } else {
        Err("must begin with sqlite:// or mysql://".to_owned())
    }
}

pub fn address(text: &str) -> Read<SocketAddr> {
    text.trim().parse().map_err(|_| format!("{text:?} is not an address like 127.0.0.1:3000"))
}

pub fn http_url(text: &str) -> Read<Url> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is not a URL: {error}"))?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() {
        Ok(url)
    } else {
        Err(format!("{text:?} must begin with http:// or https://"))
    }
}

/// A URL without path, query or fragment.
pub fn origin(text: &str) -> Read<Url> {
    let url = http_url(text)?;
    if url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        Ok(url)
    } else {
        Err(format!("{text:?} must have no path: only scheme, host and port"))
    }
}

pub fn switch(text: &str) -> Read<bool> {
    match text.to_ascii_lowercase().as_str() {
        "on" | "true" | "1" | "yes" => Ok(true),
        "off" | "false" | "0" | "no" => Ok(false),
        _ => Err(format!("{text:?} is neither on nor off")),
    }
}

pub fn emails(text: &str) -> Read<Vec<Email>> {
    let addresses = text.split(',').map(str::trim).filter(|address| !address.is_empty());
    addresses.map(|a| Email::parse(a).map_err(|error| format!("{a:?} {error}"))).collect()
}

pub fn minutes(text: &str, range: RangeInclusive<u32>) -> Read<u32> {
    let (least, most) = (*range.start(), *range.end());
    let minutes = text.trim().parse().ok().filter(|minutes| range.contains(minutes));
    minutes.ok_or_else(|| format!("{text:?} is not a number of minutes from {least} to {most}"))
}

pub fn count(text: &str, range: RangeInclusive<usize>) -> Read<usize> {
    let (least, most) = (*range.start(), *range.end());
    let count = text.trim().parse().ok().filter(|count| range.contains(count));
    count.ok_or_else(|| format!("{text:?} is not a number from {least} to {most}"))
}

pub fn interval(text: &str) -> Read<Duration> {
    let interval = text.trim().parse::<SignedDuration>().ok();
    let interval = interval.and_then(|interval| Duration::try_from(interval).ok());
    interval
        .filter(|interval| (1..=86_400).contains(&interval.as_secs()))
        .ok_or_else(|| format!("{text:?} is not a time like 60s or 5m, from 1s to 24h"))
}

/// So many in so long: `5/h`, `30/m`, `100/s`.
pub fn limit(text: &str) -> Read<Limit> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_name_their_window() {
        assert_eq!(limit("5/h"), Ok(Limit { count: 5, per: Duration::from_hours(1) }));
        assert_eq!(limit(" 100 / s "), Ok(Limit { count: 100, per: Duration::from_secs(1) }));
        for wrong in ["", "5", "0/h", "-1/h", "5/week", "h/5", "5/h/h"] {
            assert!(limit(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_origin_has_no_path() {
        assert!(origin("https://guests.example.com").is_ok());
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
    fn every_administrator_must_be_an_address() {
        assert_eq!(emails("a@example.com, B@example.com,").unwrap().len(), 2);
        assert!(emails("a@example.com,nobody").unwrap_err().contains("nobody"));
    }
}
