//! `guestlist openapi`: the interface, for those who make clients of it.

use std::process::ExitCode;

use clap::Args;

use super::output::print;
use crate::config::Config;
use crate::router::openapi_document;
use crate::site::Project;

/// What `openapi` is told: nothing.
#[derive(Debug, Args)]
pub struct OpenapiArgs {}

/// Prints the document.
pub fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let public_url = config.common.public_url_at(config.common.listen_addr)?;
    let site = config.site(public_url, Project::default(), None);
    print(serde_json::to_string_pretty(&openapi_document(&site)?)?)?;
    Ok(ExitCode::SUCCESS)
}
