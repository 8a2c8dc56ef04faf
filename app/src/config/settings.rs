//! Flags and environment variables, and their parsed values.

use clap::{ArgAction, Args};
use guestlist_domain::Limit;
use guestlist_stytch::WebhookSecret;
use guestlist_worker::setup::config::{Common, ConfigErrors, List, parse};
use ipnet::IpNet;
use url::{Origin, Url};

use super::site::{SiteConfig, StytchProject};

/// The settings of the application.
#[derive(Debug, Clone, Args)]
pub struct Config {
    /// Settings shared with the worker.
    #[command(flatten)]
    pub common: Common,

    /// Product name shown on pages
    #[arg(long, env = "APP_NAME", global = true, default_value = "Guestlist")]
    pub(super) app_name: String,

    /// URL of your application, opened after login
    #[arg(long, env = "APP_URL", global = true, value_parser = parse::http_url)]
    pub(super) app_url: Option<Url>,

    /// Comma-separated origins that users may be sent to after login, and whose scripts may send
    /// requests with the session cookies (CORS) (default: the origin of APP_URL)
    #[arg(long, env = "APP_ORIGINS", global = true, value_parser = parse_origins)]
    pub(super) app_origins: Option<List<Origin>>,

    /// Domain whose hosts share the session cookies (default: only Guestlist's own host)
    #[arg(long, env = "COOKIE_DOMAIN", global = true, value_parser = parse_cookie_domain)]
    pub(super) cookie_domain: Option<String>,

    /// Require https for subdomains of PUBLIC_URL's host too (HSTS includeSubDomains)
    #[arg(long, env = "HSTS_INCLUDE_SUBDOMAINS", global = true, action = ArgAction::Set,
        num_args = 0..=1, default_missing_value = "true", default_value = "off",
        value_parser = parse::switch)]
    pub(super) hsts_include_subdomains: bool,

    /// Comma-separated networks of proxies whose X-Forwarded-For header is trusted
    #[arg(long, env = "TRUSTED_PROXIES", global = true, value_parser = parse_networks)]
    pub(super) trusted_proxies: Option<List<IpNet>>,

    /// Secret of the webhook endpoint at Stytch (whsec_…); enables POST /webhooks/stytch
    #[arg(long = "stytch-webhook-secret", id = "stytch_webhook_secret",
        value_name = "STYTCH_WEBHOOK_SECRET",
        env = "STYTCH_WEBHOOK_SECRET", global = true, hide_env_values = true,
        value_parser = |secret: &str| WebhookSecret::parse(secret.trim()))]
    pub webhook_secret: Option<WebhookSecret>,

    /// Maximum login mails per client, as a number per s, m, h or d
    #[arg(long, env = "LOGIN_LIMIT_PER_CLIENT", global = true, default_value = "30/m",
        value_parser = parse::limit)]
    pub login_limit_per_client: Limit,

    /// Maximum calls to Stytch caused by callers without a session or API key: per client, and in
    /// total, each as a number per s, m, h or d
    #[arg(long, env = "ANONYMOUS_PROVIDER_LIMIT", global = true, default_value = "60/m,10/s",
        value_parser = parse::two_limits)]
    pub anonymous_provider_limit: (Limit, Limit),
}

impl Config {
    /// Adds an error if the cookie domain does not contain the public URL's host: browsers would
    /// silently drop the cookies.
    pub fn check(&self, errors: &mut ConfigErrors) {
        let (Some(public_url), Some(domain)) = (&self.common.public_url, &self.cookie_domain)
        else {
            return;
        };
        let host = public_url.host_str().unwrap_or_default();
        if host != domain && !host.ends_with(&format!(".{domain}")) {
            let problem = format!("PUBLIC_URL's host {host} is not within {domain}");
            errors.add("COOKIE_DOMAIN", problem);
        }
    }

    /// The configured origins, or else that of `APP_URL`.
    pub(super) fn app_origins(&self) -> Vec<Origin> {
        let default = || self.app_url.iter().map(Url::origin).collect();
        self.app_origins.clone().unwrap_or_else(default)
    }

    /// Returns the settings of an installation that browsers reach at `public_url`.
    pub fn site(
        &self,
        public_url: Url,
        stytch: StytchProject,
        inbox_url: Option<String>,
    ) -> SiteConfig {
        SiteConfig {
            public_url,
            app_name: self.app_name.trim().to_owned(),
            app_url: self.app_url.clone(),
            app_origins: self.app_origins(),
            cookie_domain: self.cookie_domain.clone(),
            hsts_include_subdomains: self.hsts_include_subdomains,
            trusted_proxies: self.trusted_proxies.clone().unwrap_or_default(),
            inbox_url,
            stytch,
        }
    }
}

fn parse_origins(text: &str) -> Result<Vec<Origin>, String> {
    parse::list(&parse::text(text)?, |origin| parse::origin(origin).map(|url| url.origin()))
}

fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    parse::list(text, |entry| {
        let address = entry.parse::<std::net::IpAddr>().map(IpNet::from);
        let network = entry.parse().or(address);
        network.map_err(|_| format!("{entry:?} is not a network like 10.0.0.0/8"))
    })
}

fn parse_cookie_domain(text: &str) -> Result<String, String> {
    let text = text.trim();
    let domain = text.trim_start_matches('.').to_ascii_lowercase();
    let is_domain = domain.contains('.')
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if is_domain { Ok(domain) } else { Err(format!("{text:?} is not a domain like example.com")) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use crate::cli::Cli;

    /// Variables that libraries read.
    const READ_BY_LIBRARIES: [&str; 1] = ["RUST_LOG"];

    #[test]
    fn env_example_lists_every_variable_with_its_default() {
        let example = include_str!("../../../.env.example");
        let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        let variable = |line: &'static str| line.strip_prefix('#')?.split_once('=');
        let listed: BTreeSet<(&str, &str)> =
            example.lines().filter_map(variable).filter(|(name, _)| is_name(name)).collect();
        let command = Cli::command();
        let commands = std::iter::once(&command).chain(command.get_subcommands());
        let mut known = BTreeSet::new();
        for arg in commands.flat_map(clap::Command::get_arguments) {
            let Some(variable) = arg.get_env().and_then(|name| name.to_str()) else { continue };
            let default = arg.get_default_values().first().and_then(|value| value.to_str());
            let is_listed = listed.contains(&(variable, default.unwrap_or_default()));
            assert!(is_listed, "{variable}={} is not in .env.example", default.unwrap_or_default());
            known.insert(variable.to_owned());
        }
        for (variable, _) in listed {
            let is_known = known.contains(variable) || READ_BY_LIBRARIES.contains(&variable);
            assert!(is_known, ".env.example lists {variable}, which nothing reads");
        }
    }
}
