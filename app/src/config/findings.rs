//! Settings that are valid and yet a risk, or that browsers don't accept.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use guestlist_database::sqlite_file;
use ipnet::IpNet;
use url::{Host, Origin, Url};

use super::Config;

/// A setting that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The variable.
    pub setting: &'static str,
    /// What is the matter, as a sentence without its full stop.
    pub problem: String,
    /// What to do, in the same form.
    pub fix: String,
}

impl Finding {
    fn new(setting: &'static str, problem: String, fix: &str) -> Self {
        Self { setting, problem, fix: fix.to_owned() }
    }
}

impl Config {
    /// Everything that an operator should look at.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.common.public_url.as_ref().and_then(public_url));
        findings.extend(self.trusted_proxies());
        findings.extend(self.cookie_domain());
        findings.extend(self.app_origins.iter().filter_map(app_origin));
        findings.extend(self.hsts());
        findings.extend(database_files(&self.common.database_url));
        findings
    }

    /// Logs everything that an operator should look at.
    pub fn warn_of_findings(&self) {
        for Finding { setting, problem, fix } in self.findings() {
            tracing::warn!(setting, "{problem}. {fix}");
        }
    }

    fn trusted_proxies(&self) -> Option<Finding> {
        let is_wide = |network: &&IpNet| match network {
            IpNet::V4(v4) => v4.prefix_len() < 8,
            IpNet::V6(v6) => v6.prefix_len() < 16,
        };
        let network = self.trusted_proxies.iter().find(is_wide)?;
        let problem = format!(
            "{network} believes every client's X-Forwarded-For, so anyone can evade the limits and \
             put false addresses into the audit log"
        );
        Some(Finding::new("TRUSTED_PROXIES", problem, "Name your proxies' own networks"))
    }

    fn cookie_domain(&self) -> Option<Finding> {
        let domain = self.cookie_domain.as_deref()?;
        if psl::suffix_str(domain) != Some(domain) {
            return None;
        }
        let problem = format!(
            "{domain} is a public suffix, under which others have sites too: browsers refuse its \
             cookies, so nobody can log in"
        );
        Some(Finding::new("COOKIE_DOMAIN", problem, "Name your own domain below it, or none"))
    }

    fn hsts(&self) -> Option<Finding> {
        let is_http = self.common.public_url.as_ref().is_none_or(|url| url.scheme() == "http");
        if !self.hsts_include_subdomains || !is_http {
            return None;
        }
        let problem = "it has no effect because PUBLIC_URL is not https".to_owned();
        Some(Finding::new("HSTS_INCLUDE_SUBDOMAINS", problem, "Set an https PUBLIC_URL"))
    }
}

fn public_url(url: &Url) -> Option<Finding> {
    if url.scheme() != "http" || is_local(&url.host()?.to_owned()) {
        return None;
    }
    let problem = format!("{url} is not https: sessions and login links can be read in transit");
    Some(Finding::new("PUBLIC_URL", problem, "Serve it by TLS and set its https URL"))
}

fn app_origin(origin: &Origin) -> Option<Finding> {
    let Origin::Tuple(scheme, host, _) = origin else { return None };
    if scheme != "http" || is_local(host) {
        return None;
    }
    let problem = format!(
        "{} is not https: anyone on the network path can put a script into its pages, and that \
         may call with an administrator's cookies",
        origin.ascii_serialization()
    );
    Some(Finding::new("APP_ORIGINS", problem, "Serve your application by TLS"))
}

/// Whether a host is this machine.
fn is_local(host: &Host) -> bool {
    match host {
        Host::Domain(name) => name == "localhost" || name.ends_with(".localhost"),
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

/// Files of an SQLite database that other users of the machine can open.
fn database_files(database_url: &str) -> Option<Finding> {
    let file = sqlite_file(database_url)?;
    let beside = |suffix: &str| {
        let mut path = file.clone().into_os_string();
        path.push(suffix);
        PathBuf::from(path)
    };
    let files = [file.clone(), beside("-wal"), beside("-shm")];
    let open: Vec<String> =
        files.iter().filter(|path| is_open(path)).map(|path| path.display().to_string()).collect();
    if open.is_empty() {
        return None;
    }
    let problem = format!("other users of this machine can open {}", open.join(", "));
    let fix = format!("Run: chmod 600 {}", open.join(" "));
    Some(Finding::new("DATABASE_URL", problem, &fix))
}

fn is_open(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| !is_private(file.permissions().mode()))
}

/// Whether a file mode gives rights to its owner alone.
pub fn is_private(mode: u32) -> bool {
    let of_others = mode & 0o077;
    of_others == 0
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use guestlist_worker::setup::config::ConfigErrors;

    use crate::config::{Config, ConfigArgs};

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        config: ConfigArgs,
    }

    fn config(args: &[&str]) -> Config {
        let file = ["guestlist", "--database-url", "sqlite://no-such-file.db"];
        let cli = Cli::parse_from(file.iter().chain(args));
        cli.config.read(ConfigErrors::default()).unwrap()
    }

    fn settings(args: &[&str]) -> Vec<&'static str> {
        config(args).findings().iter().map(|finding| finding.setting).collect()
    }

    #[test]
    fn risky_settings_are_found() {
        for (args, setting) in [
            (&["--public-url", "http://guests.example.com"][..], "PUBLIC_URL"),
            (&["--public-url", "http://192.168.1.2:3000"], "PUBLIC_URL"),
            (&["--trusted-proxies", "10.0.0.0/8,0.0.0.0/0"], "TRUSTED_PROXIES"),
            (&["--trusted-proxies", "::/0"], "TRUSTED_PROXIES"),
            (&["--trusted-proxies", "0.0.0.0/1,128.0.0.0/1"], "TRUSTED_PROXIES"),
            (&["--cookie-domain", "co.uk"], "COOKIE_DOMAIN"),
            (&["--cookie-domain", "github.io"], "COOKIE_DOMAIN"),
            (&["--app-origins", "http://app.example.com"], "APP_ORIGINS"),
            (&["--hsts-include-subdomains"], "HSTS_INCLUDE_SUBDOMAINS"),
        ] {
            assert_eq!(settings(args), [setting], "{args:?}");
        }
    }

    #[test]
    fn usual_settings_are_not() {
        for args in [
            &[][..],
            &["--public-url", "http://localhost:3000", "--app-url", "http://127.0.0.1:4000"],
            &["--public-url", "http://guests.app.localhost:3000"],
            &["--public-url", "https://guests.example.co.uk", "--cookie-domain", "example.co.uk"],
            &["--public-url", "https://guests.example.com", "--hsts-include-subdomains"],
            &["--trusted-proxies", "10.0.0.0/8,::1"],
        ] {
            assert_eq!(settings(args), [""; 0], "{args:?}");
        }
    }
}
