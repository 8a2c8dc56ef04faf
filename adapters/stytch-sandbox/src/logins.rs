//! Login and signup links, for people who ask for them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::{
    address,
    answer::Answer,
    call::{Call, given},
    constants,
    link::Kind,
    mailing::{self, HOUR, Letter, WEEK, email_of, mailed},
    project::Project,
    refusal::Refusal,
    session::Attributes,
    sessions,
    store::Store,
    tables::Record,
    user::{Email, Status, User},
    users,
};

/// What `login_or_create` and `send` have in common.
#[derive(Deserialize)]
struct Login {
    email: Option<String>,
    login_magic_link_url: Option<String>,
    signup_magic_link_url: Option<String>,
    login_expiration_minutes: Option<i64>,
    signup_expiration_minutes: Option<i64>,
    create_user_as_pending: Option<bool>,
    code_challenge: Option<String>,
    locale: Option<String>,
    attributes: Option<Attributes>,
    user_id: Option<String>,
    session_token: Option<String>,
    session_jwt: Option<String>,
}

impl Login {
    /// The letters for someone who is active and for someone who isn't yet.
    fn letters(&self, project: &Project) -> Result<(Letter, Letter), Refusal> {
        mailing::check_locale(self.locale.as_deref())?;
        if self.code_challenge.as_deref().is_some_and(|challenge| !is_sha256(challenge)) {
            return Err(Refusal::bad_request(
                "invalid_pkce_code_challenge",
                "The code_challenge is not the base64url of a SHA-256.",
            ));
        }
        let letter = |kind, url: &Option<String>, minutes, default| {
            Ok(Letter {
                kind,
                redirect: project.redirects.resolve(url.as_deref(), kind)?,
                minutes: mailing::expiration(minutes, default)?,
                code_challenge: self.code_challenge.clone(),
                attributes: self.attributes.clone().unwrap_or_default(),
            })
        };
        Ok((
            letter(Kind::Login, &self.login_magic_link_url, self.login_expiration_minutes, HOUR)?,
            letter(
                Kind::Signup,
                &self.signup_magic_link_url,
                self.signup_expiration_minutes,
                WEEK,
            )?,
        ))
    }
}

fn is_sha256(base64: &str) -> bool {
    URL_SAFE_NO_PAD.decode(base64).is_ok_and(|bytes| bytes.len() == 32)
}

/// Active people get a login link; pending and new ones a signup link.
pub(crate) fn login_or_create(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let request: Login = call.json()?;
    let address = address::parse(request.email.as_deref())?;
    let (login, signup) = request.letters(project)?;
    if address == constants::EMAIL {
        let mut answer = mailed(constants::USER_ID, constants::EMAIL_ID);
        answer["user_created"] = json!(false);
        return Ok(answer.into());
    }
    project.change(|store, now| {
        store.limit_mail(&address)?;
        let known = store.tables.users.by_address(&address).cloned();
        let created = known.is_none();
        let user = known.unwrap_or_else(|| {
            let pending = request.create_user_as_pending == Some(true);
            let status = if pending { Status::Pending } else { Status::Active };
            let user = User::new(address.clone(), status, now);
            store.write(Record::User(user.clone()));
            user
        });
        let email = email_of(&user, &address)?;
        let letter = if created || user.status == Status::Pending { signup } else { login };
        letter.send(store, &user, email, now);
        let mut answer = mailed(&user.user_id, &email.email_id);
        answer["user_created"] = json!(created);
        Ok(answer.into())
    })
}

/// To someone who exists; or to a further address of someone, named by id or session.
pub(crate) fn send(project: &Project, call: &Call) -> Result<Answer, Refusal> {
    let request: Login = call.json()?;
    let address = address::parse(request.email.as_deref())?;
    let (login, signup) = request.letters(project)?;
    if address == constants::EMAIL {
        return Ok(mailed(constants::USER_ID, constants::EMAIL_ID).into());
    }
    let selected = Selection::of(project, &request)?;
    project.change(|store, now| {
        store.limit_mail(&address)?;
        let user = match selected {
            Selection::ByAddress => store.tables.users.by_address(&address).cloned(),
            Selection::User(user_id) => Some(attach(store, &user_id, &address, now)?),
        };
        let user = user.ok_or_else(Refusal::email_not_found)?;
        let email = email_of(&user, &address)?;
        let letter = if user.status == Status::Active { login } else { signup };
        letter.send(store, &user, email, now);
        Ok(mailed(&user.user_id, &email.email_id).into())
    })
}

enum Selection {
    ByAddress,
    User(String),
}

impl Selection {
    fn of(project: &Project, request: &Login) -> Result<Self, Refusal> {
        let Login { user_id, session_token, session_jwt, .. } = request;
        match (given(user_id.as_ref()), given(session_token.as_ref()), given(session_jwt.as_ref()))
        {
            (None, None, None) => Ok(Self::ByAddress),
            (Some(user_id), None, None) => Ok(Self::User(user_id.to_owned())),
            (None, token, jwt) if token.is_none() || jwt.is_none() => {
                let id = sessions::id_of(project, token, jwt)?;
                project.read(|tables, now| {
                    Ok(Self::User(sessions::live(tables, &id, now)?.user_id.clone()))
                })
            }
            _ => Err(Refusal::bad_request(
                "too_many_user_selection_arguments",
                "Only one of user_id, session_token and session_jwt may be given.",
            )),
        }
    }
}

fn attach(
    store: &mut Store,
    user_id: &str,
    address: &str,
    now: Timestamp,
) -> Result<User, Refusal> {
    let user = users::find(&store.tables, user_id)?;
    match store.tables.users.by_address(address) {
        Some(owner) if owner.user_id == user.user_id => Ok(owner.clone()),
        Some(_) => Err(Refusal::duplicate_email()),
        None => {
            let mut user = user.clone();
            user.emails.push(Email::on_trial(address.to_owned(), now));
            store.write(Record::User(user.clone()));
            Ok(user)
        }
    }
}
