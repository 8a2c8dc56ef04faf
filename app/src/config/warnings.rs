//! Settings that are valid but risky, or that browsers reject.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use guestlist_database::sqlite_file;
use ipnet::IpNet;
use url::{Origin, Url};

use super::settings::Config;
use super::site::is_loopback;

/// A setting that an operator should check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigWarning {
    /// The environment variable.
    pub variable: &'static str,
    /// The problem and the remedy, without a full stop at the end.
    pub text: String,
}

impl Config {
    /// Returns every setting that an operator should check.
    pub fn warnings(&self) -> Vec<ConfigWarning> {
        let mut warnings = Vec::new();
        warnings.extend(self.common.public_url.as_ref().and_then(public_url));
        warnings.extend(self.trusted_proxies());
        warnings.extend(self.cookie_domain());
        warnings.extend(self.app_origins().iter().filter_map(app_origin));
        warnings.extend(self.hsts());
        warnings.extend(database_files(&self.common.database_url));
        warnings
    }

    /// Logs every setting that an operator should check.
    pub fn log_warnings(&self) {
        for ConfigWarning { variable, text } in self.warnings() {
            tracing::warn!(variable, "{text}");
        }
    }

    fn trusted_proxies(&self) -> Option<ConfigWarning> {
        let is_too_wide = |network: &&IpNet| match network {
            IpNet::V4(v4) => v4.prefix_len() < 8,
            IpNet::V6(v6) => v6.prefix_len() < 16,
        };
        let network = self.trusted_proxies.iter().flatten().find(is_too_wide)?;
        let text = format!(
            "{network} trusts the X-Forwarded-For header of every client, so anyone can evade the \
             limits and put false addresses into the audit log. List only your proxies' networks"
        );
        Some(ConfigWarning { variable: "TRUSTED_PROXIES", text })
    }

    fn cookie_domain(&self) -> Option<ConfigWarning> {
        let domain = self.cookie_domain.as_deref()?;
        if psl::suffix_str(domain) != Some(domain) {
            return None;
        }
        let text = format!(
            "{domain} is a public suffix that other sites share: browsers reject cookies for it, \
             so nobody can log in. Set your own domain below it, or leave COOKIE_DOMAIN unset"
        );
        Some(ConfigWarning { variable: "COOKIE_DOMAIN", text })
    }

    fn hsts(&self) -> Option<ConfigWarning> {
        let is_http = self.common.public_url.as_ref().is_none_or(|url| url.scheme() == "http");
        if !self.hsts_include_subdomains || !is_http {
            return None;
        }
        let text = "it has no effect because PUBLIC_URL is not https. Set an https PUBLIC_URL";
        Some(ConfigWarning { variable: "HSTS_INCLUDE_SUBDOMAINS", text: text.to_owned() })
    }
}

fn public_url(url: &Url) -> Option<ConfigWarning> {
    if url.scheme() != "http" || is_loopback(&url.host()?) {
        return None;
    }
    let text = format!(
        "{url} is not https: sessions and login links can be read in transit. Serve Guestlist \
         over TLS and set its https URL"
    );
    Some(ConfigWarning { variable: "PUBLIC_URL", text })
}

fn app_origin(origin: &Origin) -> Option<ConfigWarning> {
    let Origin::Tuple(scheme, host, _) = origin else { return None };
    if scheme != "http" || is_loopback(host) {
        return None;
    }
    let text = format!(
        "{} is not https: anyone on the network path can inject a script into its pages and send \
         requests with an administrator's cookies. Serve your application over TLS",
        origin.ascii_serialization()
    );
    Some(ConfigWarning { variable: "APP_ORIGINS", text })
}

/// Reports files of an SQLite database that other users of the machine can open.
fn database_files(database_url: &str) -> Option<ConfigWarning> {
    let file = sqlite_file(database_url)?;
    let files = [with_suffix(&file, "-wal"), with_suffix(&file, "-shm"), file];
    let open = files.iter().filter(|path| is_open_to_others(path));
    let open: Vec<String> = open.map(|path| path.display().to_string()).collect();
    let text = format!(
        "other users of this machine can open {}. Run: chmod 600 {}",
        open.join(", "),
        open.join(" ")
    );
    (!open.is_empty()).then_some(ConfigWarning { variable: "DATABASE_URL", text })
}

fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|file| !is_owner_only(file.permissions().mode()))
}

/// Returns whether a file mode grants permissions to the owner alone.
pub fn is_owner_only(mode: u32) -> bool {
    let group_and_others = mode & 0o077;
    group_and_others == 0
}

/// Appends `suffix` to a file's name.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use crate::config::Config;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        config: Config,
    }

    fn warned_variables(args: &[&str]) -> Vec<&'static str> {
        let file = ["guestlist", "--database-url", "sqlite://no-such-file.db"];
        let cli = Cli::parse_from(file.iter().chain(args));
        cli.config.warnings().iter().map(|warning| warning.variable).collect()
    }

    #[test]
    fn risky_settings_are_reported() {
        for (args, variable) in [
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
            assert_eq!(warned_variables(args), [variable], "{args:?}");
        }
    }

    #[test]
    fn usual_settings_are_not_reported() {
        for args in [
            &[][..],
            &["--public-url", "http://localhost:3000", "--app-url", "http://127.0.0.1:4000"],
            &["--public-url", "http://guests.app.localhost:3000"],
            &["--public-url", "https://guests.example.co.uk", "--cookie-domain", "example.co.uk"],
            &["--public-url", "https://guests.example.com", "--hsts-include-subdomains"],
            &["--trusted-proxies", "10.0.0.0/8,::1"],
        ] {
            assert_eq!(warned_variables(args), [""; 0], "{args:?}");
        }
    }
}
