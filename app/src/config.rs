//! The application's own part of the configuration.

mod findings;

use clap::Args;
use guestlist_domain::Limit;
use guestlist_stytch::WebhookSecret;
use guestlist_worker::setup::config::{Common, CommonArgs, ConfigError, ConfigErrors, parse};
use ipnet::IpNet;
use url::{Origin, Url};

use crate::site::{Project, Site};

/// What the environment and the command line say, unread.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    #[command(flatten)]
    pub common: CommonArgs,

    /// The name that people see on pages
    #[arg(long, env = "APP_NAME", global = true, default_value = "Guestlist")]
    pub app_name: String,

    /// Your application: where people land after coming in
    #[arg(long, env = "APP_URL", global = true)]
    pub app_url: Option<String>,

    /// Origins where people may be sent after coming in, whose scripts may call with the browser's
    /// cookies (CORS), and that count as ours; separated by commas (default: the origin of APP_URL)
    #[arg(long, env = "APP_ORIGINS", global = true)]
    pub app_origins: Option<String>,

    /// Set to share the session with sibling subdomains (default: this host only)
    #[arg(long, env = "COOKIE_DOMAIN", global = true)]
    pub cookie_domain: Option<String>,

    /// With https, browsers demand https of the subdomains of PUBLIC_URL's host too (HSTS)
    #[arg(long, env = "HSTS_INCLUDE_SUBDOMAINS", global = true, num_args = 0..=1,
        default_missing_value = "true", default_value = "off")]
    pub hsts_include_subdomains: String,

    /// Networks whose X-Forwarded-For is believed; separated by commas
    #[arg(long, env = "TRUSTED_PROXIES", global = true)]
    pub trusted_proxies: Option<String>,

    /// The secret of the webhook endpoint at Stytch, whsec_…: turns on POST /webhooks/stytch
    #[arg(long, env = "STYTCH_WEBHOOK_SECRET", global = true, hide_env_values = true)]
    pub stytch_webhook_secret: Option<String>,

    /// Login mails that one client may ask for, e.g. 30/m
    #[arg(long, env = "LOGIN_LIMIT_PER_CLIENT", global = true, default_value = "30/m")]
    pub login_limit_per_client: String,

    /// Calls to Stytch that callers without a session or an API key can cause: by one client, and
    /// by all together
    #[arg(long, env = "ANONYMOUS_PROVIDER_LIMIT", global = true, default_value = "60/m,10/s")]
    pub anonymous_provider_limit: String,
}

pub use findings::{Finding, is_private};

/// The configuration, read.
#[derive(Debug, Clone)]
pub struct Config {
    /// What the worker needs too.
    pub common: Common,
    /// How often a client may ask for a link.
    pub login_limit_per_client: Limit,
    /// Calls to Stytch that anonymous callers may cause: by one client, and by all together.
    pub anonymous_provider_limit: (Limit, Limit),
    /// What Stytch signs its webhooks with, where it is to call.
    pub webhook_secret: Option<WebhookSecret>,
    app_name: String,
    app_url: Option<Url>,
    app_origins: Vec<Origin>,
    cookie_domain: Option<String>,
    hsts_include_subdomains: bool,
    trusted_proxies: Vec<IpNet>,
}

impl ConfigArgs {
    /// Reads it all, or tells everything that is wrong.
    pub fn read(&self, mut mistakes: ConfigErrors) -> Result<Config, ConfigErrors> {
        let m = &mut mistakes;
        let common = self.common.read(m);
        let login_limit =
            m.parse("LOGIN_LIMIT_PER_CLIENT", parse::limit(&self.login_limit_per_client));
        let provider_limit =
            m.parse("ANONYMOUS_PROVIDER_LIMIT", parse::two_limits(&self.anonymous_provider_limit));
        let app_url = m.parse_optional("APP_URL", self.app_url.as_deref(), parse::http_url);
        let app_origins = m.parse_optional("APP_ORIGINS", self.app_origins.as_deref(), origins);
        let proxies =
            m.parse_optional("TRUSTED_PROXIES", self.trusted_proxies.as_deref(), networks);
        let domain =
            m.parse_optional("COOKIE_DOMAIN", self.cookie_domain.as_deref(), cookie_domain);
        let subdomains =
            m.parse("HSTS_INCLUDE_SUBDOMAINS", parse::switch(&self.hsts_include_subdomains));
        let secret = self.stytch_webhook_secret.as_deref();
        let webhook_secret = m.parse_optional("STYTCH_WEBHOOK_SECRET", secret, |secret| {
            WebhookSecret::parse(secret).map_err(|error| error.to_string())
        });
        let public = common.as_ref().and_then(|common| common.public_url.as_ref());
        if let (Some(public), Some(Some(domain))) = (public, &domain) {
            check_domain(public, domain, m);
        }
        let read = (|| {
            let app_url = app_url?;
            let named = app_origins?;
            Some(Config {
                common: common?,
                login_limit_per_client: login_limit?,
                anonymous_provider_limit: provider_limit?,
                webhook_secret: webhook_secret?,
                app_name: self.app_name.trim().to_owned(),
                app_origins: named.unwrap_or_else(|| app_url.iter().map(Url::origin).collect()),
                app_url,
                cookie_domain: domain?,
                hsts_include_subdomains: subdomains?,
                trusted_proxies: proxies?.unwrap_or_default(),
            })
        })();
        read.filter(|_| mistakes.is_empty()).ok_or(mistakes)
    }
}

impl Config {
    /// The surroundings of an application that browsers reach at `public_url`.
    pub fn site(&self, public_url: Url, stytch: Project, inbox_url: Option<String>) -> Site {
        Site {
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

fn origins(text: &str) -> Result<Vec<Origin>, String> {
    let named = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
    named.map(|origin| parse::origin(origin).map(|url| url.origin())).collect()
}

fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let named = text.split(',').map(str::trim).filter(|network| !network.is_empty());
    named
        .map(|network| {
            let host = network.parse::<std::net::IpAddr>().map(IpNet::from);
            network
                .parse()
                .or(host)
                .map_err(|_| format!("{network:?} is not a network like 10.0.0.0/8"))
        })
        .collect()
}

fn cookie_domain(text: &str) -> Result<String, String> {
    let domain = text.trim_start_matches('.').to_ascii_lowercase();
    let is_domain = domain.contains('.')
        && domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.');
    if is_domain { Ok(domain) } else { Err(format!("{text:?} is not a domain like example.com")) }
}

/// A browser drops cookies for a domain that its page is not in, without a word.
fn check_domain(public: &Url, domain: &str, mistakes: &mut ConfigErrors) {
    let host = public.host_str().unwrap_or_default();
    if host != domain && !host.ends_with(&format!(".{domain}")) {
        let problem = format!("PUBLIC_URL's host {host} is not within {domain}");
        mistakes.push(ConfigError::new("COOKIE_DOMAIN", problem));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use crate::commands::Cli;

    /// Variables that are read by libraries, by their own names.
    const BY_LIBRARIES: [&str; 1] = ["RUST_LOG"];

    #[test]
    fn the_example_of_the_environment_lists_every_variable_with_its_default() {
        let example = include_str!("../../.env.example");
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
            let is_known = known.contains(variable) || BY_LIBRARIES.contains(&variable);
            assert!(is_known, ".env.example lists {variable}, which nothing reads");
        }
    }
}
