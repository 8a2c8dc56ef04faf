//! `guestlist openapi`: prints the OpenAPI document.

use std::process::ExitCode;

use clap::Args;

use super::output::print;
use crate::config::{Config, StytchProject};
use crate::router::openapi_document;

#[derive(Debug, Args)]
pub struct OpenapiArgs {}

pub fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let public_url = config.common.public_url_at(config.common.listen_addr)?;
    let site = config.site(public_url, StytchProject::default(), None);
    print(serde_json::to_string_pretty(&openapi_document(&site)?)?)?;
    Ok(ExitCode::SUCCESS)
}
