//! Describes a device by its `User-Agent` header. Browsers include each other's names, so the order
//! of the tables matters.

const BROWSERS: [(&str, &str); 12] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("YaBrowser/", "Yandex Browser"),
    ("Vivaldi/", "Vivaldi"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
];

/// Returns the browser and the operating system; for other programs, the product name.
pub fn device(user_agent: Option<&str>) -> String {
    let agent = user_agent.unwrap_or_default();
    let find = |names: &[(&str, &'static str)]| {
        names.iter().find(|(token, _)| agent.contains(token)).map(|(_, name)| *name)
    };
    let is_browser = agent.starts_with("Mozilla/") || agent.starts_with("Opera/");
    match (find(&BROWSERS), find(&SYSTEMS)) {
        (Some(browser), Some(system)) if is_browser => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) if is_browser => name.to_owned(),
        _ => product_name(agent).unwrap_or_else(|| "Unknown device".to_owned()),
    }
}

/// Returns the name of the icon for a device.
pub fn device_icon(user_agent: Option<&str>) -> &'static str {
    let agent = user_agent.unwrap_or_default();
    let is_phone = ["iPhone", "Android"].iter().any(|system| agent.contains(system));
    if is_phone { "phone" } else { "laptop" }
}

fn product_name(agent: &str) -> Option<String> {
    let name = agent.split(['/', ' ', '(']).next()?;
    // A token of RFC 9110: other characters could disguise what is shown beside the name.
    let is_name =
        !name.is_empty() && name != "Mozilla" && name.bytes().all(|b| b.is_ascii_graphic());
    is_name.then(|| name.chars().take(40).collect())
}

#[cfg(test)]
mod tests {
    use super::{device, device_icon};

    #[test]
    fn browsers_are_distinguished() {
        let mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, \
                   like Gecko)";
        let windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)";
        let chrome = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
        let phone = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15";
        for (agent, expected) in [
            (format!("{mac} Version/18.1 Safari/605.1.15"), "Safari on Mac"),
            (format!("{windows} {chrome}"), "Chrome on Windows"),
            (format!("{windows} {chrome} Edg/142.0.0.0"), "Edge on Windows"),
            (format!("{windows} {chrome} OPR/120.0.0.0"), "Opera on Windows"),
            (format!("{windows} Gecko/20100101 Firefox/145.0"), "Firefox on Windows"),
            (format!("Mozilla/5.0 (Linux; Android 10; K) {chrome}"), "Chrome on Android"),
            (format!("Mozilla/5.0 (X11; Linux x86_64) {chrome}"), "Chrome on Linux"),
            (format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {chrome}"), "Chrome on ChromeOS"),
            (format!("{phone} Version/18.1 Mobile/15E148 Safari/604.1"), "Safari on iPhone"),
            (format!("{phone} CriOS/142.0 Mobile/15E148 Safari/604.1"), "Chrome on iPhone"),
            (format!("{phone} FxiOS/145.0 Mobile/15E148 Safari/605.1.15"), "Firefox on iPhone"),
        ] {
            assert_eq!(device(Some(&agent)), expected, "{agent}");
        }
    }

    #[test]
    fn phones_have_their_own_icon() {
        let android = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 Mobile Safari/537.36";
        for (agent, expected) in [
            ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)", "phone"),
            (android, "phone"),
            ("Mozilla/5.0 (X11; Linux x86_64)", "laptop"),
            ("curl/8.14.1", "laptop"),
        ] {
            assert_eq!(device_icon(Some(agent)), expected, "{agent}");
        }
        assert_eq!(device_icon(None), "laptop");
    }

    #[test]
    fn other_programs_are_named_and_empty_agents_are_unknown() {
        for (agent, expected) in [
            ("curl/8.14.1", "curl"),
            ("python-requests/2.32", "python-requests"),
            ("my-backend on Windows", "my-backend"),
            ("Mozilla/5.0", "Unknown device"),
            ("", "Unknown device"),
            ("\u{202e}moc.elgoog/1", "Unknown device"),
            ("c\u{430}rl/8", "Unknown device"),
            (" ", "Unknown device"),
        ] {
            assert_eq!(device(Some(agent)), expected);
        }
        assert_eq!(device(None), "Unknown device");
        assert_eq!(device(Some(&"x".repeat(400))).len(), 40);
    }
}
