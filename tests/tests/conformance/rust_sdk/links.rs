//! `magic_links.email.invite`, `revoke_invite`, `login_or_create` and `send`

use serde_json::json;
use stytch::consumer::attribute::Attributes;
use stytch::consumer::magic_links_email::{
    InviteRequest, InviteRequestLocale, LoginOrCreateRequest, LoginOrCreateRequestLocale,
    RevokeInviteRequest, SendRequest,
};
use stytch::consumer::sessions::AuthenticateRequest;
use stytch::consumer::users::{
    CreateRequest, GetRequest, Name, SearchRequest, SearchUsersQuery, SearchUsersQueryOperator,
};

use super::{REDIRECT, Sdk, UNKNOWN_USER, address, assert_refused, ok, some};
use crate::sandbox::Sandbox;

const NO_MATCH: &str = "no_match_for_provided_magic_link_url";

fn invite() -> InviteRequest {
    InviteRequest { email: address(), ..Default::default() }
}

fn login() -> LoginOrCreateRequest {
    LoginOrCreateRequest { email: address(), ..Default::default() }
}

fn send() -> SendRequest {
    SendRequest { email: address(), ..Default::default() }
}

async fn status(sdk: &Sdk, user_id: &str) -> String {
    ok!(sdk.users.get(GetRequest { user_id: user_id.to_owned() })).status
}

#[tokio::test]
async fn an_invitation_creates_a_pending_user_and_sends_a_link() {
    let sdk = Sdk::start().await;
    let request = InviteRequest {
        invite_magic_link_url: Some(format!("{REDIRECT}?invite=7")),
        invite_expiration_minutes: Some(10080),
        name: Some(Name {
            first_name: some("Zoë"),
            middle_name: some("李"),
            last_name: some("Ångström 🦀"),
        }),
        locale: Some(InviteRequestLocale::Fr),
        attributes: Some(Attributes { ip_address: some("203.0.113.7"), user_agent: None }),
        trusted_metadata: Some(json!({"team": "blue"})),
        untrusted_metadata: Some(json!({"shirt": "M"})),
        ..invite()
    };
    let email = request.email.clone();
    let response = ok!(sdk.magic_links.email.invite(request));
    let mail = &sdk.sandbox.control.emails(&email).await[0];
    assert_eq!(mail.kind, "invite");
    let query = format!("invite=7&stytch_token_type=magic_links&token={}", mail.token);
    assert_eq!(mail.url, format!("{REDIRECT}?{query}"));

    let user = ok!(sdk.users.get(GetRequest { user_id: response.user_id }));
    assert_eq!(user.status, "pending");
    let name = user.name.unwrap();
    assert_eq!(name.first_name, some("Zoë"));
    assert_eq!(name.last_name, some("Ångström 🦀"));
    assert_eq!(user.trusted_metadata, Some(json!({"team": "blue"})));
    assert_eq!(user.untrusted_metadata, Some(json!({"shirt": "M"})));
    assert_eq!((&user.emails[0].email, user.emails[0].verified), (&email, false));
    assert_eq!(user.emails[0].email_id, response.email_id);
}

#[tokio::test]
async fn two_invitations_of_an_address_share_a_user_and_both_work() {
    let sdk = Sdk::start().await;
    let request = invite();
    let first = ok!(sdk.magic_links.email.invite(request.clone()));
    sdk.advance(2).await;
    let second = ok!(sdk.magic_links.email.invite(request.clone()));
    assert_eq!(first.user_id, second.user_id);
    let mails = sdk.sandbox.control.emails(&request.email).await;
    assert_eq!(mails.len(), 2);
    for mail in mails {
        let _ = ok!(sdk.authenticate(mail.token));
    }
    sdk.advance(2).await;
    assert_refused(sdk.magic_links.email.invite(request).await, 400, "duplicate_email");
}

#[tokio::test]
async fn a_refused_invitation_sends_nothing() {
    let sdk = Sdk::start().await;
    for email in ["", "ada", "@example.com", "ada@", "a b@example.com", "ada@example..com"] {
        let request = InviteRequest { email: email.to_owned(), ..Default::default() };
        assert_refused(sdk.magic_links.email.invite(request).await, 400, "invalid_email");
    }
    let large = Some(json!({"a": "x".repeat(4096)}));
    let many = (0..21).map(|n| (format!("k{n}"), json!(n))).collect();
    for (request, error_type) in [
        (InviteRequest { invite_expiration_minutes: Some(4), ..invite() }, "invalid_expiration"),
        (
            InviteRequest { invite_expiration_minutes: Some(10081), ..invite() },
            "invalid_expiration",
        ),
        (InviteRequest { trusted_metadata: large, ..invite() }, "metadata_too_large"),
        (InviteRequest { untrusted_metadata: Some(many), ..invite() }, "metadata_too_many_keys"),
        (
            InviteRequest { trusted_metadata: Some(json!([1])), ..invite() },
            "metadata_invalid_format",
        ),
        (
            InviteRequest { invite_magic_link_url: some("not a url"), ..invite() },
            "invalid_magic_link_url",
        ),
        (
            InviteRequest { invite_magic_link_url: some("https://example.com/in"), ..invite() },
            NO_MATCH,
        ),
        // This SDK sends `ptbr` for Stytch's `pt-br`, which the sandbox refuses as Stytch does.
        (InviteRequest { locale: Some(InviteRequestLocale::Ptbr), ..invite() }, "invalid_locale"),
    ] {
        let email = request.email.clone();
        assert_refused(sdk.magic_links.email.invite(request).await, 400, error_type);
        assert!(sdk.sandbox.control.emails(&email).await.is_empty(), "{error_type}");
    }
}

#[tokio::test]
async fn a_revoked_invitation_does_not_work_and_its_user_stays() {
    let sdk = Sdk::start().await;
    let request = invite();
    let email = request.email.clone();
    let invited = ok!(sdk.magic_links.email.invite(request));
    let _ = ok!(sdk.magic_links.email.revoke_invite(RevokeInviteRequest { email: email.clone() }));
    assert_refused(sdk.authenticate(sdk.token(&email).await).await, 404, "magic_link_not_found");
    assert_eq!(status(&sdk, &invited.user_id).await, "pending");

    let revoke = |email| sdk.magic_links.email.revoke_invite(RevokeInviteRequest { email });
    assert_refused(revoke(address()).await, 404, "email_not_found");
    assert_refused(revoke("ada".to_owned()).await, 400, "invalid_email");
}

#[tokio::test]
async fn login_or_create_creates_a_user_once_and_sends_the_matching_mail() {
    let sdk = Sdk::start().await;
    let request = LoginOrCreateRequest {
        login_magic_link_url: some("http://localhost:3000/login"),
        signup_magic_link_url: some("http://localhost:3000/signup"),
        login_expiration_minutes: Some(5),
        signup_expiration_minutes: Some(10080),
        locale: Some(LoginOrCreateRequestLocale::Es),
        ..login()
    };
    let first = ok!(sdk.magic_links.email.login_or_create(request.clone()));
    assert!(first.user_created);
    let _ = ok!(sdk.authenticate(sdk.token(&request.email).await));
    sdk.advance(2).await;
    let second = ok!(sdk.magic_links.email.login_or_create(request.clone()));
    assert!(!second.user_created);
    assert_eq!((first.user_id, first.email_id), (second.user_id, second.email_id));
    let mails = sdk.sandbox.control.emails(&request.email).await;
    let kinds: Vec<_> = mails.iter().map(|mail| mail.kind.as_str()).collect();
    assert_eq!(kinds, ["signup", "login"]);
    assert!(mails[0].url.starts_with("http://localhost:3000/signup?"));
    assert!(mails[1].url.starts_with("http://localhost:3000/login?"));
}

#[tokio::test]
async fn a_new_user_can_be_pending_until_the_signup_link_is_used() {
    let sdk = Sdk::start().await;
    for (pending, expected) in [(true, "pending"), (false, "active")] {
        let request = LoginOrCreateRequest { create_user_as_pending: Some(pending), ..login() };
        let made = ok!(sdk.magic_links.email.login_or_create(request));
        assert_eq!(status(&sdk, &made.user_id).await, expected);
    }
    let request = invite();
    let email = request.email.clone();
    let invited = ok!(sdk.magic_links.email.invite(request));
    sdk.advance(2).await;
    let token = sdk.link(&email).await;
    assert_eq!(sdk.sandbox.control.emails(&email).await[1].kind, "signup");
    let _ = ok!(sdk.authenticate(token));
    assert_eq!(status(&sdk, &invited.user_id).await, "active");
}

#[tokio::test]
async fn an_invalid_login_is_refused() {
    let sdk = Sdk::start().await;
    let elsewhere = some("https://x.com/");
    for (request, error_type) in [
        (LoginOrCreateRequest { email: "ada".to_owned(), ..login() }, "invalid_email"),
        (
            LoginOrCreateRequest { login_expiration_minutes: Some(4), ..login() },
            "invalid_expiration",
        ),
        (
            LoginOrCreateRequest { signup_expiration_minutes: Some(11520), ..login() },
            "invalid_expiration",
        ),
        (
            LoginOrCreateRequest { code_challenge: some("abc"), ..login() },
            "invalid_pkce_code_challenge",
        ),
        (LoginOrCreateRequest { login_magic_link_url: elsewhere.clone(), ..login() }, NO_MATCH),
        (LoginOrCreateRequest { signup_magic_link_url: elsewhere, ..login() }, NO_MATCH),
        (
            LoginOrCreateRequest { locale: Some(LoginOrCreateRequestLocale::Ptbr), ..login() },
            "invalid_locale",
        ),
    ] {
        assert_refused(sdk.magic_links.email.login_or_create(request).await, 400, error_type);
    }
}

#[tokio::test]
async fn send_requires_a_known_address() {
    let sdk = Sdk::start().await;
    let known = sdk.log_in(&address(), 60).await;
    let email = known.user.emails[0].email.clone();
    sdk.advance(2).await;
    let request = SendRequest {
        email: email.clone(),
        login_magic_link_url: some(REDIRECT),
        ..Default::default()
    };
    let sent = ok!(sdk.magic_links.email.send(request));
    assert_eq!((&sent.user_id, &sent.email_id), (&known.user_id, &known.method_id));
    assert_eq!(sdk.sandbox.control.emails(&email).await[1].kind, "login");
    let _ = ok!(sdk.authenticate(sdk.token(&email).await));

    assert_refused(sdk.magic_links.email.send(send()).await, 404, "email_not_found");
    let invalid = SendRequest { email: "ada@".to_owned(), ..send() };
    assert_refused(sdk.magic_links.email.send(invalid).await, 400, "invalid_email");
}

#[tokio::test]
async fn send_attaches_another_address() {
    let sdk = Sdk::start().await;
    for which in 0..3 {
        let known = sdk.log_in(&address(), 60).await;
        let email = address();
        let request = SendRequest {
            email: email.clone(),
            user_id: (which == 0).then(|| known.user_id.clone()),
            session_token: (which == 1).then(|| known.session_token.clone()),
            session_jwt: (which == 2).then(|| known.session_jwt.clone()),
            ..Default::default()
        };
        let sent = ok!(sdk.magic_links.email.send(request));
        assert_eq!(sent.user_id, known.user_id);
        let response = ok!(sdk.authenticate(sdk.token(&email).await));
        assert_eq!(response.method_id, sent.email_id);
        let emails =
            response.user.emails.iter().map(|known| (known.email.as_str(), known.verified));
        let first = known.user.emails[0].email.as_str();
        assert!(emails.eq([(first, true), (email.as_str(), true)]));
    }
}

#[tokio::test]
async fn an_unused_attached_address_expires_after_five_minutes() {
    let sdk = Sdk::start().await;
    let user_id = sdk.log_in(&address(), 60).await.user_id;
    let request = SendRequest { user_id: Some(user_id.clone()), ..send() };
    let _ = ok!(sdk.magic_links.email.send(request.clone()));
    sdk.advance(301).await;
    let late = sdk.authenticate(sdk.token(&request.email).await).await;
    assert_refused(late, 401, "unable_to_auth_magic_link");
    assert_eq!(ok!(sdk.users.get(GetRequest { user_id })).emails.len(), 1);
    let again = LoginOrCreateRequest { email: request.email, ..Default::default() };
    assert!(ok!(sdk.magic_links.email.login_or_create(again)).user_created);
}

#[tokio::test]
async fn an_expired_attached_address_is_not_listed() {
    let sdk = Sdk::start().await;
    let known = sdk.log_in(&address(), 60).await;
    let request = SendRequest { user_id: Some(known.user_id), ..send() };
    let _ = ok!(sdk.magic_links.email.send(request.clone()));
    sdk.advance(301).await;
    let session_token = Some(known.session_token);
    let authenticate = AuthenticateRequest { session_token, ..Default::default() };
    let shown = ok!(sdk.sessions.authenticate(authenticate)).user.emails.len();
    let operand = json!({"filter_name": "email_address", "filter_value": [request.email]});
    let operator = SearchUsersQueryOperator::AND;
    let query = Some(SearchUsersQuery { operator, operands: vec![operand] });
    let found = ok!(sdk.users.search(SearchRequest { query, ..Default::default() }));
    assert_eq!((found.results.len(), shown), (0, 1));
}

#[tokio::test]
async fn send_refuses_addresses_of_other_or_unknown_users() {
    let sdk = Sdk::start().await;
    let (one, other) = (sdk.log_in(&address(), 60).await, sdk.log_in(&address(), 60).await);
    sdk.advance(2).await;
    let taken = SendRequest {
        email: other.user.emails[0].email.clone(),
        user_id: Some(one.user_id.clone()),
        ..send()
    };
    assert_refused(sdk.magic_links.email.send(taken).await, 400, "duplicate_email");
    let unknown_user = SendRequest { user_id: some(UNKNOWN_USER), ..send() };
    assert_refused(sdk.magic_links.email.send(unknown_user).await, 404, "user_not_found");
    let two = SendRequest {
        user_id: Some(one.user_id),
        session_token: Some(one.session_token),
        ..send()
    };
    let error_type = "too_many_user_selection_arguments";
    assert_refused(sdk.magic_links.email.send(two).await, 400, error_type);
}

#[tokio::test]
async fn an_address_receives_at_most_one_mail_a_second() {
    let sdk = Sdk::start().await;
    let (links, request) = (&sdk.magic_links.email, invite());
    // Concurrent requests arrive within a second, unless the machine stalls.
    let answers = tokio::join!(links.invite(request.clone()), links.invite(request.clone()));
    let ((Err(error), Ok(_)) | (Ok(_), Err(error))) = answers else { panic!("{answers:?}") };
    assert_refused::<()>(Err(error), 429, "too_many_requests");
    sdk.advance(2).await;
    let _ = ok!(links.invite(request.clone()));
    assert_eq!(sdk.sandbox.control.emails(&request.email).await.len(), 2);
}

#[tokio::test]
async fn only_registered_redirect_urls_are_allowed() {
    const REGISTERED: &str = "https://app.example.com/authenticate";
    let sdk = Sdk::with_sandbox(Sandbox::strict().await);
    let links = &sdk.magic_links.email;
    let to = |url: &str| InviteRequest { invite_magic_link_url: some(url), ..invite() };
    for url in [
        REGISTERED,
        "https://www.app.example.com/authenticate",
        "https://app.example.com/welcome?id=42",
    ] {
        let _ = ok!(links.invite(to(url)));
    }
    let slash = format!("{REGISTERED}/");
    let plain = "http://app.example.com/authenticate";
    for url in [slash.as_str(), plain, "https://app.example.com/welcome", REDIRECT] {
        assert_refused(links.invite(to(url)).await, 400, NO_MATCH);
    }
    let request = login();
    let _ = ok!(links.login_or_create(request.clone()));
    let mail = &sdk.sandbox.control.emails(&request.email).await[0];
    assert!(mail.url.starts_with(&format!("{REGISTERED}?")), "{}", mail.url);

    let made = sdk.create(CreateRequest::default()).await;
    let email = made.user.emails[0].email.clone();
    let other = some("https://app.example.com/other");
    let request = SendRequest { email, signup_magic_link_url: other, ..Default::default() };
    assert_refused(links.send(request).await, 400, NO_MATCH);
}
