//! Extractors: who calls, what they are allowed to do, and what they sent.

mod authentication;
mod authorization;
mod body;
mod context;
mod credentials;
mod effects;
mod field_errors;
mod json;
mod numbers;
mod origin;
mod paging;
mod path;
mod serde_errors;

pub use authentication::{Caller, authenticate, authenticate_optional};
pub use authorization::{
    Authorize, Authorized, InvitationsRead, InvitationsWrite, OpsRead, OpsWrite, OptionalSession,
    RequireSession, Unrestricted, UsersRead, UsersWrite, check_origin,
};
pub use body::{BODY_LIMIT, Form, JsonBody, Query, read_body};
pub use context::RequestContext;
pub use credentials::{KEY_PREFIX, has_credentials, has_session_cookies};
pub use effects::{
    Effects, ErrorPageValues, FailedLink, LinkFormValues, LoginFormValues, RequestId,
    ResponseEffects,
};
pub use field_errors::FieldErrors;
pub use json::parse as parse_json;
pub use origin::SameOrigin;
pub use paging::{List, Paged, parse_page, parse_search_page};
pub use path::PathParam;
