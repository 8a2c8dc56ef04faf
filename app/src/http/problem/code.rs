//! The catalogue of codes: each stands for one thing that went wrong, has one status, and keeps
//! both for ever.

use axum::http::StatusCode;
use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($variant:ident = $status:ident $word:literal: $meaning:literal;)+) => {
        /// What went wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)+
        }

        impl Code {
            /// Each.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// As callers see it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The status that it comes with.
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$variant => StatusCode::$status,)+ }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

codes! {
    BadRequest = BAD_REQUEST "bad_request": "The request can't be understood.";
    MalformedJson = BAD_REQUEST "malformed_json": "The body is not JSON.";
    MalformedBody = BAD_REQUEST "malformed_body": "The body ended before it was complete.";
    LinkInvalid = BAD_REQUEST "link_invalid": "The link's token is none, was cut off on its way, or was taken back.";

    SessionMissing = UNAUTHORIZED "session_missing": "Neither a session nor an API key was shown.";
    SessionExpired = UNAUTHORIZED "session_expired": "The session has come to its end.";
    SessionRevoked = UNAUTHORIZED "session_revoked": "The session was ended, or is none.";
    JwtExpired = UNAUTHORIZED "jwt_expired": "The JWT, sent without the session token, is older than five minutes.";
    SignatureInvalid = UNAUTHORIZED "signature_invalid": "The webhook is not signed with the secret of our endpoint.";
    SignatureExpired = UNAUTHORIZED "signature_expired": "The webhook was not signed within five minutes of now.";
    ApiKeyInvalid = UNAUTHORIZED "api_key_invalid": "The API key is unknown or was revoked.";

    Forbidden = FORBIDDEN "forbidden": "The caller's role does not allow it.";
    ScopeMissing = FORBIDDEN "scope_missing": "The API key lacks the scope for it.";
    SessionRequired = FORBIDDEN "session_required": "It is a person's own; an API key has no session.";
    RoleNotGrantable = FORBIDDEN "role_not_grantable": "Only an administrator or an unrestricted key gives a role above member, or acts on who has one.";
    CrossOrigin = FORBIDDEN "cross_origin": "A page of an origin outside APP_ORIGINS made the request.";
    HostNotAllowed = FORBIDDEN "host_not_allowed": "The Host header names none of the hosts of a local listener.";
    InvitationRevoked = FORBIDDEN "invitation_revoked": "The invitation was taken back.";
    AccountSuspended = FORBIDDEN "account_suspended": "The person is suspended.";
    NotInvited = FORBIDDEN "not_invited": "The person has no open invitation and is no member.";

    NotFound = NOT_FOUND "not_found": "Nothing of that name or id is there.";
    MethodNotAllowed = METHOD_NOT_ALLOWED "method_not_allowed": "The address does not take that method.";

    BodyTimeout = REQUEST_TIMEOUT "body_timeout": "The body did not arrive in time.";

    AlreadyInvited = CONFLICT "already_invited": "The address has an open invitation: `invitation_id`.";
    AlreadyMember = CONFLICT "already_member": "The address belongs to a member.";
    UserDeleting = CONFLICT "user_deleting": "The user is being removed.";
    UserInvited = CONFLICT "user_invited": "The user has not come in yet.";
    LastAdmin = CONFLICT "last_admin": "It would leave no active administrator.";
    InvitationClosed = CONFLICT "invitation_closed": "The invitation was accepted or revoked, and stays so.";
    LinkUsed = CONFLICT "link_used": "The link has let somebody in before.";
    WrongState = CONFLICT "wrong_state": "The job is in a state, `state`, in which that can't be done.";
    ErasureNotCancellable = CONFLICT "erasure_not_cancellable": "The job erases a person, which can't be cancelled or dismissed.";
    JobSuperseded = CONFLICT "job_superseded": "Nobody wants any more what the job would do.";
    IdempotencyKeyInUse = CONFLICT "idempotency_key_in_use": "A request with this Idempotency-Key is being carried out.";

    LinkExpired = GONE "link_expired": "The link's time has run out, or it was used before.";
    BodyTooLarge = PAYLOAD_TOO_LARGE "body_too_large": "The body is larger than 1 MiB.";
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported_media_type": "The body's Content-Type is not the one that is taken.";

    InvalidRequest = UNPROCESSABLE_ENTITY "invalid_request": "Fields can't be accepted; `errors` says which and why.";
    InvalidQuery = UNPROCESSABLE_ENTITY "invalid_query": "The query holds what is not known, or can't be read.";
    IdempotencyKeyInvalid = UNPROCESSABLE_ENTITY "idempotency_key_invalid": "The Idempotency-Key is not 1 to 255 printable ASCII characters.";
    IdempotencyKeyReused = UNPROCESSABLE_ENTITY "idempotency_key_reused": "The Idempotency-Key came with another body before.";

    TooManyRequests = TOO_MANY_REQUESTS "too_many_requests": "Asked too often; `Retry-After` says when to come again.";
    ResentTooSoon = TOO_MANY_REQUESTS "resent_too_soon": "The last mail went out a moment ago; `Retry-After` says when the next may.";

    InternalError = INTERNAL_SERVER_ERROR "internal_error": "A fault of ours; the log of the request's id says more.";
    DatabaseUnavailable = SERVICE_UNAVAILABLE "database_unavailable": "The database can't be reached.";
    ProviderUnavailable = SERVICE_UNAVAILABLE "provider_unavailable": "Stytch can't be asked.";
    Timeout = SERVICE_UNAVAILABLE "timeout": "It took too long; whether it was carried out is not known.";
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
