//! HTTP Basic: project id and secret, on every call but the JWKS and the redirect.

use base64::{Engine, engine::general_purpose::STANDARD};

use crate::{Credentials, ids, refusal::Refusal};

pub(crate) fn check(authorization: Option<&str>, ours: &Credentials) -> Result<(), Refusal> {
    let (project_id, secret) = authorization.and_then(parse).ok_or_else(unauthorized)?;
    if project_id == ours.project_id && secret == ours.secret {
        return Ok(());
    }
    if project_id != ours.project_id && !ids::is_project_id(&project_id) {
        return Err(Refusal::bad_request(
            "invalid_project_id_authentication",
            "The project_id in the Authorization header is not of the form project-test-<uuid>.",
        ));
    }
    Err(unauthorized())
}

fn parse(authorization: &str) -> Option<(String, String)> {
    let (scheme, encoded) = authorization.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (project_id, secret) = decoded.split_once(':')?;
    Some((project_id.to_owned(), secret.to_owned()))
}

fn unauthorized() -> Refusal {
    Refusal::unauthorized("unauthorized_credentials", "Unauthorized credentials.")
}
