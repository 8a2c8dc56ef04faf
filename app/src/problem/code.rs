//! Problem codes. A code's name and status never change.

use std::borrow::Cow;

use axum::http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

macro_rules! codes {
    ($($variant:ident = $status:ident $name:literal: $meaning:literal $(=> $detail:literal)?;)+) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)+
        }

        impl Code {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// Describes the code in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }

            /// Returns the default detail of a problem: the text after `=>`, or the meaning.
            pub const fn detail(self) -> &'static str {
                match self {
                    $($(Self::$variant => $detail,)?)+
                    code => code.meaning(),
                }
            }
        }
    };
}

codes! {
    BadRequest = BAD_REQUEST "bad_request": "The request is malformed.";
    MalformedJson = BAD_REQUEST "malformed_json": "The body is not valid JSON.";
    MalformedBody = BAD_REQUEST "malformed_body": "The body ended before it was complete.";
    LinkInvalid = BAD_REQUEST "link_invalid": "The link is incomplete, or was replaced or revoked."
        => "The link is incomplete, or was replaced or revoked. Open the newest mail and use its link, or request a new one.";

    SessionMissing = UNAUTHORIZED "session_missing": "The request has neither a session nor an API key."
        => "Log in, or send an API key.";
    SessionExpired = UNAUTHORIZED "session_expired": "The session has expired."
        => "The session expired. Log in again.";
    SessionRevoked = UNAUTHORIZED "session_revoked": "The session was revoked or does not exist."
        => "The session was ended. Log in again.";
    JwtExpired = UNAUTHORIZED "jwt_expired": "The session JWT, sent without the session token, is older than five minutes."
        => "The session JWT is older than five minutes. Send the session token to get a new one.";
    SignatureInvalid = UNAUTHORIZED "signature_invalid": "The webhook is not signed with `STYTCH_WEBHOOK_SECRET`."
        => "None of the signatures matches. Set STYTCH_WEBHOOK_SECRET to the endpoint's secret in the Stytch dashboard.";
    SignatureExpired = UNAUTHORIZED "signature_expired": "The webhook's timestamp is more than five minutes off."
        => "The webhook was not signed within the last five minutes. Check the clocks if it was.";
    ApiKeyInvalid = UNAUTHORIZED "api_key_invalid": "The API key is unknown or revoked.";

    Forbidden = FORBIDDEN "forbidden": "The user's role does not permit this.";
    ScopeMissing = FORBIDDEN "scope_missing": "The API key lacks the required scope.";
    SessionRequired = FORBIDDEN "session_required": "This needs a user's session; API keys have none.";
    RoleNotGrantable = FORBIDDEN "role_not_grantable": "Only administrators and unrestricted API keys may grant a role above `member`, or manage users who have one."
        => "Only administrators and unrestricted API keys may grant a role above member, or manage users who have one.";
    CrossOrigin = FORBIDDEN "cross_origin": "The request was made by a page whose origin is not in `APP_ORIGINS`."
        => "The request was made by a page of another origin. If it is your application's, add the origin to APP_ORIGINS.";
    HostNotAllowed = FORBIDDEN "host_not_allowed": "The `Host` header is not one of the hosts that a local listener accepts."
        => "On a local address, `guestlist dev` accepts only local host names and the host of PUBLIC_URL.";
    InvitationRevoked = FORBIDDEN "invitation_revoked": "The invitation was revoked."
        => "Ask the person who invited you to invite you again. Only then can a link be mailed to you.";
    AccountSuspended = FORBIDDEN "account_suspended": "The user is suspended."
        => "Ask an administrator to reactivate the account. Only then can a link be mailed to you.";
    NotInvited = FORBIDDEN "not_invited": "The user is neither active nor has an open invitation."
        => "Ask an administrator to invite you. Only then can a link be mailed to you.";

    NotFound = NOT_FOUND "not_found": "The resource or route does not exist.";
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed": "The route does not support this method."
        => "The route does not support this method. See `Allow`.";

    BodyTimeout = REQUEST_TIMEOUT "body_timeout": "The body did not arrive in time.";

    AlreadyInvited = CONFLICT "already_invited": "The address has an open invitation, given as `invitation_id`.";
    AlreadyMember = CONFLICT "already_member": "The address belongs to a user, given as `user_id`.";
    UserDeleting = CONFLICT "user_deleting": "The user is being deleted.";
    UserInvited = CONFLICT "user_invited": "The user has not accepted the invitation yet."
        => "The user has not accepted the invitation yet, so there is nothing to suspend or reactivate. Remove the user instead.";
    LastAdmin = CONFLICT "last_admin": "This would leave no active administrator."
        => "This is the last active administrator. Make another user an administrator first.";
    InvitationClosed = CONFLICT "invitation_closed": "The invitation was accepted or revoked."
        => "The invitation was accepted or revoked. Create a new one instead.";
    LinkUsed = CONFLICT "link_used": "The link has been used already."
        => "Each link works once. Request a new one.";
    WrongState = CONFLICT "wrong_state": "The job's state, given as `state`, does not permit this.";
    ErasureNotCancellable = CONFLICT "erasure_not_cancellable": "The job erases a user, which can't be cancelled or dismissed."
        => "The job erases a user, which can't be cancelled or dismissed. If it is dead, fix the cause and retry it.";
    JobSuperseded = CONFLICT "job_superseded": "The job's invitation was resent or closed in the meantime."
        => "The job's invitation was resent or closed in the meantime, so the job is obsolete.";
    IdempotencyKeyInUse = CONFLICT "idempotency_key_in_use": "A request with this idempotency key is in progress."
        => "A request with this Idempotency-Key is in progress.";

    LinkExpired = GONE "link_expired": "The link has expired, or has been used already."
        => "The link has expired, or has been used already. Request a new one.";
    BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large": "The body is larger than 1 MiB.";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type": "The body's `Content-Type` or `Content-Encoding` is not supported.";

    InvalidRequest = UNPROCESSABLE_ENTITY "invalid_request": "The request has invalid fields, listed in `errors`.";
    InvalidQuery = UNPROCESSABLE_ENTITY "invalid_query": "The query has an unknown or malformed parameter.";
    IdempotencyKeyInvalid = UNPROCESSABLE_ENTITY "idempotency_key_invalid": "The idempotency key is not 1 to 255 printable ASCII characters."
        => "Send one Idempotency-Key of 1 to 255 printable ASCII characters.";
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY "idempotency_key_reused": "The idempotency key was used with a different request."
        => "This Idempotency-Key was used with a different request. Use a new one.";

    TooManyRequests = TOO_MANY_REQUESTS "too_many_requests": "The caller has reached a rate limit; `Retry-After` says when to try again.";
    ResentTooSoon = TOO_MANY_REQUESTS "resent_too_soon": "The invitation was resent a moment ago; `Retry-After` says when it can be resent.";

    InternalError = INTERNAL_SERVER_ERROR "internal_error": "An unexpected error; Guestlist's log has the details under the request id.";
    DatabaseUnavailable = SERVICE_UNAVAILABLE "database_unavailable": "The database is unavailable.";
    ProviderUnavailable = SERVICE_UNAVAILABLE "provider_unavailable": "Stytch is unavailable, or refuses requests.";
    Timeout = SERVICE_UNAVAILABLE "timeout": "The request took too long. It may have been carried out.";
}

impl Code {
    /// The codes of inviting or adding a person by their address.
    pub const OF_NEW_ADDRESS: &[Self] =
        &[Self::AlreadyInvited, Self::AlreadyMember, Self::UserDeleting, Self::RoleNotGrantable];
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl JsonSchema for Code {
    fn schema_name() -> Cow<'static, str> {
        "ProblemCode".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let codes = Self::ALL.iter().map(|code| {
            json!({
                "const": code.as_str(),
                "title": code.status().as_u16().to_string(),
                "description": code.meaning(),
            })
        });
        json_schema!({
            "type": "string",
            "description": "A stable code. Each code's title is the HTTP status it comes with.",
            "oneOf": codes.collect::<Vec<Value>>(),
        })
    }
}
