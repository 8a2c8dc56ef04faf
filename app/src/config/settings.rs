//! Flags and environment variables, and their parsed values.

use clap::Args;
use guestlist_domain::Limit;
use guestlist_stytch::WebhookSecret;
use guestlist_worker::setup::config::{Common, CommonArgs, ConfigError, ConfigErrors, parse};
use ipnet::IpNet;
use url::{Origin, Url};

use super::site::{SiteConfig, StytchProject};

/// Flags and environment variables, not yet parsed.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    #[command(flatten)]
    pub common: CommonArgs,

    /// Product name shown on pages
    #[arg(long, env = "APP_NAME", global = true, default_value = "Guestlist")]
    pub app_name: String,

    /// URL of your application, opened after login
    #[arg(long, env = "APP_URL", global = true)]
    pub app_url: Option<String>,

    /// Comma-separated origins that users may be sent to after login, and whose scripts may send
    /// requests with the session cookies (CORS) (default: the origin of APP_URL)
    #[arg(long, env = "APP_ORIGINS", global = true)]
    pub app_origins: Option<String>,

    /// Domain whose hosts share the session cookies (default: only Guestlist's own host)
    #[arg(long, env = "COOKIE_DOMAIN", global = true)]
    pub cookie_domain: Option<String>,

    /// Require https for subdomains of PUBLIC_URL's host too (HSTS includeSubDomains)
    #[arg(long, env = "HSTS_INCLUDE_SUBDOMAINS", global = true, num_args = 0..=1,
        default_missing_value = "true", default_value = "off")]
    pub hsts_include_subdomains: String,

    /// Comma-separated networks of proxies whose X-Forwarded-For header is trusted
    #[arg(long, env = "TRUSTED_PROXIES", global = true)]
    pub trusted_proxies: Option<String>,

    /// Secret of the webhook endpoint at Stytch (whsec_…); enables POST /webhooks/stytch
    #[arg(long, env = "STYTCH_WEBHOOK_SECRET", global = true, hide_env_values = true)]
    pub stytch_webhook_secret: Option<String>,

    /// Maximum login emails per client, e.g. 30/m
    #[arg(long, env = "LOGIN_LIMIT_PER_CLIENT", global = true, default_value = "30/m")]
    pub login_limit_per_client: String,

    /// Maximum calls to Stytch caused by callers without a session or API key: per client, and in
    /// total
    #[arg(long, env = "ANONYMOUS_PROVIDER_LIMIT", global = true, default_value = "60/m,10/s")]
    pub anonymous_provider_limit: String,
}

#[derive(Debug, Clone)]
pub struct Config {
    /// Settings shared with the worker.
    pub common: Common,
    /// Login emails per client.
    pub login_limit_per_client: Limit,
    /// Calls to Stytch caused by anonymous callers: per client, and in total.
    pub anonymous_provider_limit: (Limit, Limit),
    /// Secret that Stytch signs its webhooks with; without it the endpoint does not exist.
    pub webhook_secret: Option<WebhookSecret>,
    pub(super) app_name: String,
    pub(super) app_url: Option<Url>,
    pub(super) app_origins: Vec<Origin>,
    pub(super) cookie_domain: Option<String>,
    pub(super) hsts_include_subdomains: bool,
    pub(super) trusted_proxies: Vec<IpNet>,
}

impl ConfigArgs {
    /// Parses all settings.
    ///
    /// # Errors
    ///
    /// Returns every mistake, those in `mistakes` included.
    pub fn read(&self, mut mistakes: ConfigErrors) -> Result<Config, ConfigErrors> {
        let config = self.parse(&mut mistakes);
        config.filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }

    /// Parses every setting before the first `?`, so that all mistakes are noted.
    fn parse(&self, m: &mut ConfigErrors) -> Option<Config> {
        let common = self.common.read(m);
        let login_limit =
            m.parse("LOGIN_LIMIT_PER_CLIENT", parse::limit(&self.login_limit_per_client));
        let provider_limit =
            m.parse("ANONYMOUS_PROVIDER_LIMIT", parse::two_limits(&self.anonymous_provider_limit));
        let app_url = m.parse_optional("APP_URL", self.app_url.as_deref(), parse::http_url);
        let app_origins =
            m.parse_optional("APP_ORIGINS", self.app_origins.as_deref(), parse_origins);
        let proxies =
            m.parse_optional("TRUSTED_PROXIES", self.trusted_proxies.as_deref(), parse_networks);
        let cookie_domain =
            m.parse_optional("COOKIE_DOMAIN", self.cookie_domain.as_deref(), parse_cookie_domain);
        let subdomains =
            m.parse("HSTS_INCLUDE_SUBDOMAINS", parse::switch(&self.hsts_include_subdomains));
        let secret = self.stytch_webhook_secret.as_deref();
        let webhook_secret = m.parse_optional("STYTCH_WEBHOOK_SECRET", secret, |secret| {
            WebhookSecret::parse(secret).map_err(|error| error.to_string())
        });
        let public_url = common.as_ref().and_then(|common| common.public_url.as_ref());
        if let (Some(public_url), Some(Some(domain))) = (public_url, &cookie_domain) {
            check_cookie_domain(public_url, domain, m);
        }
        let app_url = app_url?;
        Some(Config {
            common: common?,
            login_limit_per_client: login_limit?,
            anonymous_provider_limit: provider_limit?,
            webhook_secret: webhook_secret?,
            app_name: self.app_name.trim().to_owned(),
            app_origins: app_origins?.unwrap_or_else(|| app_url.iter().map(Url::origin).collect()),
            app_url,
            cookie_domain: cookie_domain?,
            hsts_include_subdomains: subdomains?,
            trusted_proxies: proxies?.unwrap_or_default(),
        })
    }
}

impl Config {
    /// Returns the settings of an installation that browsers reach at `public_url`.
    pub fn site(
        &self,
        public_url: Url,
        stytch: StytchProject,
        inbox_url: Option<String>,
    ) -> SiteConfig {
        SiteConfig {
            public_url,
            app_name: self.app_name.clone(),
            app_url: self.app_url.clone(),
            app_origins: self.app_origins.clone(),
            cookie_domain: self.cookie_domain.clone(),
            hsts_include_subdomains: self.hsts_include_subdomains,
            trusted_proxies: self.trusted_proxies.clone(),
            inbox_url,
            stytch,
        }
    }
}

fn parse_origins(text: &str) -> Result<Vec<Origin>, String> {
    entries(text).map(|origin| parse::origin(origin).map(|url| url.origin())).collect()
}

fn parse_networks(text: &str) -> Result<Vec<IpNet>, String> {
    let parse = |entry: &str| {
        let address = entry.parse::<std::net::IpAddr>().map(IpNet::from);
        let network = entry.parse().or(address);
        network.map_err(|_| format!("{entry:?} is not a network like 10.0.0.0/8"))
    };
    entries(text).map(parse).collect()
}

/// Splits a comma-separated list, skipping empty entries.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn parse_cookie_domain(text: &str) -> Result<String, String> {
    let domain = text.trim_start_matches('.').to_ascii_lowercase();
    let is_domain = domain.contains('.')
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if is_domain { Ok(domain) } else { Err(format!("{text:?} is not a domain like example.com")) }
}

/// Notes a cookie domain that does not contain the public URL's host: browsers would silently drop
/// the cookies.
fn check_cookie_domain(public_url: &Url, domain: &str, mistakes: &mut ConfigErrors) {
    let host = public_url.host_str().unwrap_or_default();
    if host != domain && !host.ends_with(&format!(".{domain}")) {
        let problem = format!("PUBLIC_URL's host {host} is not within {domain}");
        mistakes.push(ConfigError::new("COOKIE_DOMAIN", problem));
    }
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
