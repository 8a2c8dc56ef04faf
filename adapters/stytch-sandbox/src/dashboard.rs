//! People as somebody at Stytch's dashboard would change them: what `/v1` takes and answers,
//! without credentials, told by webhooks as the dashboard's doing.

use crate::{
    answer::{Answer, HttpResponse},
    call::Call,
    project::Project,
    refusal::Refusal,
    routes, users,
    webhooks::Source,
};

const USER: &str = "/sandbox/users/{user_id}";

/// None if this is not about a user.
pub(crate) fn handle(project: &Project, call: &Call) -> Option<HttpResponse> {
    let id = routes::matches(USER, &call.path).unwrap_or_default();
    let handler: fn(&Project, &Call) -> Result<Answer, Refusal> =
        match (call.method.as_str(), call.path.as_str(), id) {
            ("POST", "/sandbox/users", _) => users::create,
            (_, _, "") => return None,
            ("PUT", ..) => users::update,
            ("DELETE", ..) => users::delete,
            _ => return None,
        };
    let mut call = call.clone();
    id.clone_into(&mut call.id);
    call.source = Source::Dashboard;
    Some(match handler(project, &call) {
        Ok(answer) => answer.into_response(),
        Err(refusal) => refusal.into_response(),
    })
}
