//! Effects of a request's handling on its response that don't depend on what the handler returns.

use std::sync::Arc;

use aide::OperationInput;
use axum::http::HeaderValue;
use axum::http::request::Parts;
use guestlist_domain::InvitationId;
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};

use crate::problem::Code;

/// The request's id, as sent in `X-Request-Id`.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Collects the effects of one request; an extension of every request.
#[derive(Debug, Clone, Default)]
pub struct ResponseEffects(Arc<Mutex<Effects>>);

#[derive(Debug, Default)]
pub struct Effects {
    /// Values of `Set-Cookie`.
    pub cookies: Vec<HeaderValue>,
    /// The code of a refusal whose response is a page or a redirect instead of the problem.
    pub refusal: Option<Code>,
    pub error_page: ErrorPageValues,
}

/// What an error page shows besides its problem.
#[derive(Debug, Default)]
pub struct ErrorPageValues {
    pub login_form: LoginFormValues,
    /// A link that can be redeemed again.
    pub link_form: Option<LinkFormValues>,
    pub failed_link: Option<FailedLink>,
}

/// Why a link was refused.
#[derive(Debug)]
pub enum FailedLink {
    Used {
        at: Timestamp,
        /// Address of the user who logged in with the link, if the caller may know it.
        by: Option<String>,
    },
    Expired {
        at: Timestamp,
    },
}

/// Values that prefill the login form of an error page.
#[derive(Debug, Default)]
pub struct LoginFormValues {
    pub email: Option<String>,
    pub return_to: Option<String>,
}

/// Values of an error page's form that redeems a link again.
#[derive(Debug)]
pub struct LinkFormValues {
    pub token: String,
    pub invitation: Option<InvitationId>,
}

impl ResponseEffects {
    pub fn of(parts: &Parts) -> Self {
        parts.extensions.get().cloned().unwrap_or_default()
    }

    pub fn add_cookies(&self, cookies: Vec<HeaderValue>) {
        self.effects().cookies.extend(cookies);
    }

    /// Sets the cookies, dropping those added before, such as a renewed JWT.
    pub fn replace_cookies(&self, cookies: Vec<HeaderValue>) {
        self.effects().cookies = cookies;
    }

    /// Records a refusal for the security log.
    pub fn set_refusal(&self, code: Code) {
        self.effects().refusal = Some(code);
    }

    /// Prefills the login form, if the response is an error page that has one.
    pub fn set_login_form(&self, form: LoginFormValues) {
        self.effects().error_page.login_form = form;
    }

    /// Offers to redeem the link again, if the response is an error page.
    pub fn set_link_form(&self, form: LinkFormValues) {
        self.effects().error_page.link_form = Some(form);
    }

    /// Says more about a failed link, if the response is its page.
    pub fn set_failed_link(&self, link: FailedLink) {
        self.effects().error_page.failed_link = Some(link);
    }

    pub fn take(&self) -> Effects {
        std::mem::take(&mut *self.effects())
    }

    fn effects(&self) -> MutexGuard<'_, Effects> {
        self.0.lock()
    }
}

impl OperationInput for ResponseEffects {}
