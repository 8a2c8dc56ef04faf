//! The calls under `/v1`: the whole of the API in one table.

use crate::{
    answer::Answer, authenticate, call::Call, invitations, logins, project::Project,
    refusal::Refusal, search, sessions, users,
};

/// Handlers are not async: a call is done in one go, whatever becomes of the caller.
type Handler = fn(&Project, &Call) -> Result<Answer, Refusal>;

pub(crate) struct Route {
    method: &'static str,
    pub(crate) template: &'static str,
    handler: Handler,
    /// Served without credentials.
    pub(crate) open: bool,
}

const ROUTES: &[Route] = &[
    route("POST", "/v1/magic_links/email/invite", invitations::invite),
    route("POST", "/v1/magic_links/email/revoke_invite", invitations::revoke_invite),
    route("POST", "/v1/magic_links/email/login_or_create", logins::login_or_create),
    route("POST", "/v1/magic_links/email/send", logins::send),
    route("POST", "/v1/magic_links/authenticate", authenticate::authenticate),
    open("GET", "/v1/magic_links/redirect", authenticate::redirect),
    route("GET", "/v1/sessions", sessions::list),
    route("POST", "/v1/sessions/authenticate", sessions::authenticate),
    route("POST", "/v1/sessions/revoke", sessions::revoke),
    open("GET", "/v1/sessions/jwks/{project_id}", sessions::jwks),
    route("POST", "/v1/users", users::create),
    route("POST", "/v1/users/search", search::search),
    route("GET", "/v1/users/{user_id}", users::get),
    route("PUT", "/v1/users/{user_id}", users::update),
    route("DELETE", "/v1/users/{user_id}", users::delete),
    route("PUT", "/v1/users/{user_id}/exchange_primary_factor", users::exchange_primary_factor),
    route("DELETE", "/v1/users/{user_id}/external_id", users::delete_external_id),
    route("DELETE", "/v1/users/emails/{email_id}", users::delete_email),
    route("GET", "/v1/debug/whoami", sessions::whoami),
];

const fn route(method: &'static str, template: &'static str, handler: Handler) -> Route {
    Route { method, template, handler, open: false }
}

const fn open(method: &'static str, template: &'static str, handler: Handler) -> Route {
    Route { method, template, handler, open: true }
}

impl Route {
    pub(crate) fn handle(&self, project: &Project, call: &Call) -> Result<Answer, Refusal> {
        (self.handler)(project, call)
    }
}

/// The route of a method and path, and what its `{…}` stands for.
pub(crate) fn find(method: &str, path: &str) -> Result<(&'static Route, String), Refusal> {
    let mut known = false;
    for route in ROUTES {
        if let Some(id) = matches(route.template, path) {
            if route.method == method {
                return Ok((route, id.to_owned()));
            }
            known = true;
        }
    }
    Err(if known { wrong_method() } else { not_found() })
}

/// What the `{…}` of a template stands for in a path; nothing if the path is another.
pub(crate) fn matches<'a>(template: &str, path: &'a str) -> Option<&'a str> {
    let (mut template, mut path) = (template.split('/'), path.split('/'));
    let mut id = "";
    loop {
        match (template.next(), path.next()) {
            (None, None) => return Some(id),
            (Some(part), Some(given)) if part.starts_with('{') && !given.is_empty() => id = given,
            (Some(part), Some(given)) if part == given => {}
            _ => return None,
        }
    }
}

fn not_found() -> Refusal {
    Refusal::not_found("route_not_found", "The requested route was not found by the Stytch API.")
}

fn wrong_method() -> Refusal {
    Refusal::new(
        hyper::StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "The method is not allowed for the requested route.",
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_path_finds_its_route_and_id() {
        let found = |method, path| match super::find(method, path) {
            Ok((route, id)) => (route.template.to_owned(), id),
            Err(refusal) => (refusal.error_type, String::new()),
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(found("GET", "/v1/users/user-1"), pair("/v1/users/{user_id}", "user-1"));
        assert_eq!(found("POST", "/v1/users/search"), pair("/v1/users/search", ""));
        assert_eq!(found("PATCH", "/v1/users"), pair("method_not_allowed", ""));
        for unknown in ["/v1/users/", "/v1/user", "/v1", "/v1/users/a/b"] {
            assert_eq!(found("GET", unknown), pair("route_not_found", ""), "{unknown}");
        }
    }
}
