//! The settings.

use std::net::SocketAddr;

use clap::Parser;
use url::Url;

/// A guest book whose users log in through Guestlist
#[derive(Debug, Parser)]
pub struct Settings {
    /// Address to listen on
    #[arg(long, env = "GUESTBOOK_LISTEN_ADDR", default_value = "127.0.0.1:4000")]
    pub listen_addr: SocketAddr,
    /// URL of the guest book for browsers: Guestlist's `APP_URL`
    #[arg(long, env = "APP_URL", default_value = "http://localhost:4000")]
    pub app_url: Url,
    /// URL of Guestlist for this backend
    #[arg(long, env = "GUESTLIST_URL", default_value = "http://localhost:3000")]
    pub guestlist_url: Url,
    /// URL of Guestlist for browsers: its `PUBLIC_URL` [default: the URL for this backend]
    #[arg(long, env = "GUESTLIST_PUBLIC_URL")]
    pub guestlist_public_url: Option<Url>,
    /// API key with the scope invitations:write
    #[arg(long, env = "GUESTLIST_KEY", hide_env_values = true)]
    pub guestlist_key: Option<String>,
    /// URL of Stytch, from which to fetch the keys of JWTs
    #[arg(long, env = "STYTCH_BASE_URL", default_value = "https://test.stytch.com")]
    pub stytch_base_url: Url,
    /// Id of the Stytch project, which is the audience of JWTs
    #[arg(long, env = "STYTCH_PROJECT_ID")]
    pub stytch_project_id: Option<String>,
    /// Log in on this application's own pages instead of Guestlist's
    #[arg(long, env = "GUESTBOOK_OWN_PAGES")]
    pub own_pages: bool,
}
