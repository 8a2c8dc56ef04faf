//! The fixed values of Stytch's test environment (<https://stytch.com/docs/sandbox>), which every
//! project accepts.

use jiff::Timestamp;

use crate::state::{Email, Session, Status, User};

pub(crate) const EMAIL: &str = "sandbox@stytch.com";
pub(crate) const USER_ID: &str = "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd";
pub(crate) const EMAIL_ID: &str = "email-test-23873e89-d4ed-4e92-b3b9-e5c7198fa286";
pub(crate) const SESSION_ID: &str = "session-test-eb94233f-8800-4ebd-8645-51dc15f9d028";

pub(crate) const TOKEN: &str = "DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=";
pub(crate) const TOKEN_UNABLE: &str = "3pzjQpgksDlGKWEwUq2Up--hCHC_0oamfLHyfspKDFU=";
pub(crate) const TOKEN_NOT_FOUND: &str = "CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM=";

/// The token of a session that exists. Its documented counterpart,
/// `59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw`, is not found, like any unknown token.
pub(crate) const SESSION_TOKEN: &str = "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY";

const STARTED_AT_MICROSECONDS: i64 = 1_630_111_318_935_673; // 2021-08-28T00:41:58.935673Z
const DEFAULT_MINUTES: i64 = 60;

/// Returns the user, who is part of authentication responses only and can't be looked up.
pub(crate) fn user() -> User {
    User {
        user_id: USER_ID.to_owned(),
        emails: vec![email()],
        ..User::new(String::new(), Status::Active, started_at())
    }
}

pub(crate) fn session(minutes: Option<i64>, now: Timestamp) -> Session {
    let mut session = Session {
        session_id: SESSION_ID.to_owned(),
        token: SESSION_TOKEN.to_owned(),
        started_at: started_at(),
        ..Session::start(USER_ID.to_owned(), minutes.unwrap_or(DEFAULT_MINUTES), now)
    };
    session.add_factor(&email(), now);
    session
}

fn email() -> Email {
    Email { email_id: EMAIL_ID.to_owned(), verified: true, ..Email::new(EMAIL.to_owned()) }
}

fn started_at() -> Timestamp {
    Timestamp::from_microsecond(STARTED_AT_MICROSECONDS).unwrap_or_default()
}
