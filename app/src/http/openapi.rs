//! The API as OpenAPI 3.1, gathered from the routes themselves: each extractor in a handler's
//! signature tells what it asks for and how it refuses, each route the rest.

mod finish;
mod inputs;
mod refusals;
mod told;

pub mod shapes;

use aide::axum::ApiRouter;
use aide::generate::{extract_schemas, in_context, infer_responses, reset_context};
use aide::openapi::OpenApi;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::problem::{self, Code};
use super::routes;
use crate::config::SiteConfig;

pub use inputs::take_idempotency_key;
pub use told::Told;

/// The document, as this installation serves it.
pub fn document(site: &SiteConfig) -> serde_json::Result<Value> {
    reset_context();
    extract_schemas(true);
    infer_responses(false);
    in_context(|ctx| {
        let settings = SchemaSettings::draft2020_12();
        let settings = settings.with(|s| s.definitions_path = "#/components/schemas/".into());
        ctx.schema = settings.into_generator();
        ctx.schema.subschema_for::<problem::Body<'static>>();
    });
    let routes = ApiRouter::new()
        .nest("/v1", routes::keyed().merge(routes::unkeyed()))
        .merge(routes::pages())
        .merge(routes::hooks())
        .merge(routes::probes());
    let mut api = OpenApi::default();
    let _ = routes.finish_api(&mut api);
    let mut document = serde_json::to_value(&api)?;
    finish::finish(&mut document, site);
    Ok(document)
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::config::StytchProject;

    fn site() -> SiteConfig {
        SiteConfig {
            public_url: Url::parse("http://localhost:3000").unwrap(),
            app_name: "Guestlist".into(),
            app_url: None,
            app_origins: vec![],
            cookie_domain: None,
            hsts_include_subdomains: false,
            trusted_proxies: vec![],
            inbox_url: None,
            stytch: StytchProject::default(),
        }
    }

    #[test]
    fn the_document_is_the_one_that_is_committed() {
        let made = serde_json::to_string_pretty(&document(&site()).unwrap()).unwrap();
        let committed = include_str!("../../openapi.json");
        assert!(
            made.trim() == committed.trim(),
            "the API has changed: look at what `cargo run -- openapi > app/openapi.json` changes, \
             and commit it if it is meant",
        );
    }

    #[test]
    fn every_operation_has_a_name_a_line_and_answers() {
        let document = document(&site()).unwrap();
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, told)| (path, method, told))
        });
        for (path, method, told) in operations {
            assert!(told["operationId"].is_string(), "{method} {path}");
            assert!(told["summary"].is_string(), "{method} {path}");
            let answers = told["responses"].as_object().unwrap();
            let is_good = |status: &String| status.starts_with('2') || status.starts_with('3');
            assert!(answers.keys().any(is_good), "{method} {path}");
        }
    }

    #[test]
    fn what_an_answer_can_leave_null_says_when() {
        let document = document(&site()).unwrap();
        let mut silent = Vec::new();
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            // Of what is sent, null is what is left out.
            let is_whole = |member: &String| {
                let required = schema["required"].as_array();
                required.is_some_and(|all| all.iter().any(|one| one == member))
            };
            let members = schema["properties"].as_object().into_iter().flatten();
            for (member, told) in members.filter(|(member, _)| is_whole(member)) {
                let is_nullable = told.to_string().contains(r#""null""#);
                if is_nullable && !told["description"].is_string() {
                    silent.push(format!("{name}.{member}"));
                }
            }
        }
        assert!(silent.is_empty(), "null means what? {silent:#?}");
    }
}
