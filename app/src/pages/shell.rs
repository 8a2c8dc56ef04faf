//! The frame of the pages for logged-in users: navigation, whether mail is being sent, and the
//! account menu (`shell.html`).

use guestlist_domain::flows::VerifiedSession;
use guestlist_domain::{ApiKey, Role};
use jiff::Timestamp;

use super::auth::{OPERATIONS, OPERATIONS_WITH_KEY};
use super::components::{Icon, When, icon, initial};
use crate::extract::Caller;
use crate::operations::group_thousands;
use crate::problem::Problem;
use crate::state::App;
use crate::state::operations::{SendingState, SendingStatus};

/// What `shell.html` shows around a page.
#[derive(Debug)]
pub struct Shell<'a> {
    pub app_name: &'a str,
    /// Name or address of the user, or name of the API key.
    pub viewer: &'a str,
    role: Option<Role>,
    /// The section of the page, whose link is marked.
    section: Option<Section>,
    /// Path and query of the page, which may be rendered in response to a form.
    pub url: String,
    /// Whether the page is expected to change within seconds. It is then updated more often, and
    /// reloaded where scripts are turned off.
    pub is_changing: bool,
    /// `None` for members.
    pub sending: Option<SendingState>,
    dead_jobs: u64,
    pub now: Timestamp,
}

/// Who looks at a page.
#[derive(Debug, Clone, Copy)]
pub enum Viewer<'a> {
    Session(&'a VerifiedSession),
    /// Only on pages for operators.
    Key(&'a ApiKey),
}

impl<'a> From<&'a Caller> for Viewer<'a> {
    fn from(caller: &'a Caller) -> Self {
        match caller {
            Caller::User(session) => Self::Session(session),
            Caller::ApiKey(key) => Self::Key(key),
        }
    }
}

impl<'a> From<&'a VerifiedSession> for Viewer<'a> {
    fn from(session: &'a VerifiedSession) -> Self {
        Self::Session(session)
    }
}

impl<'a> Shell<'a> {
    pub async fn new(
        app: &'a App,
        viewer: impl Into<Viewer<'a>>,
        section: Option<Section>,
        url: impl Into<String>,
    ) -> Result<Self, Problem> {
        let now = app.ctx.now();
        let (viewer, role) = match viewer.into() {
            Viewer::Session(session) => (session.user.display_name(), Some(session.user.role)),
            Viewer::Key(key) => (key.name.as_str(), None),
        };
        let status = match role {
            Some(Role::Member) => None,
            Some(Role::Admin | Role::Operator) | None => Some(app.operations.sending(now).await?),
        };
        Ok(Self {
            app_name: &app.site.app_name,
            viewer,
            role,
            section,
            url: url.into(),
            is_changing: false,
            sending: status.map(|status| status.state),
            dead_jobs: status.map_or(0, |SendingStatus { dead_jobs, .. }| dead_jobs),
            now,
        })
    }

    pub fn initial(&self) -> String {
        initial(self.app_name)
    }

    /// Returns whether the viewer has a session, which they can end.
    pub fn is_session(&self) -> bool {
        self.role.is_some()
    }

    /// Returns the sections that the viewer may open.
    pub fn sections(&self) -> &'static [Section] {
        use Section as S;
        match self.role {
            Some(Role::Admin) => {
                &[S::People, S::Invitations, S::Operations, S::AuditLog, S::Connect]
            }
            Some(Role::Operator) | None => &[S::Operations],
            Some(Role::Member) => &[],
        }
    }

    /// Returns the URL of a section.
    pub fn section_url(&self, section: Section) -> &'static str {
        match section {
            Section::Operations => self.operations_url(),
            section => section.path(),
        }
    }

    /// Returns the URL of the operations, to which browsers send the viewer's credentials.
    pub fn operations_url(&self) -> &'static str {
        if self.is_session() { OPERATIONS } else { OPERATIONS_WITH_KEY }
    }

    /// Returns the URL of the viewer's home page.
    pub fn home_url(&self) -> &'static str {
        if self.is_session() { "/" } else { OPERATIONS_WITH_KEY }
    }

    pub fn is_current(&self, section: Section) -> bool {
        self.section == Some(section)
    }

    /// Returns the number of dead jobs, to be shown at a section's link.
    pub fn dead_jobs(&self, section: Section) -> Option<String> {
        let is_shown = section == Section::Operations && self.dead_jobs > 0;
        is_shown.then(|| group_thousands(self.dead_jobs))
    }

    #[expect(clippy::unused_self, reason = "templates call it like the other methods")]
    pub fn icon(&self, name: &'static str) -> Icon {
        icon(name)
    }

    pub fn when(&self, at: Timestamp) -> When {
        When { at, now: self.now }
    }
}

/// A part of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Section {
    People,
    Invitations,
    Operations,
    AuditLog,
    Connect,
}

impl Section {
    pub fn path(self) -> &'static str {
        match self {
            Self::People => "/",
            Self::Invitations => "/invitations",
            Self::Operations => OPERATIONS,
            Self::AuditLog => "/audit",
            Self::Connect => "/connect",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::People => "People",
            Self::Invitations => "Invitations",
            Self::Operations => "Operations",
            Self::AuditLog => "Audit log",
            Self::Connect => "Connect",
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Invitations => "mail",
            Self::Operations => "pulse",
            Self::AuditLog => "list",
            Self::Connect => "plug",
        }
    }
}

impl SendingState {
    pub fn label(self) -> &'static str {
        match self {
            Self::Sending => "Sending",
            Self::Paused => "Paused",
            Self::NotSending => "Not sending",
        }
    }

    pub fn icon(self) -> &'static str {
        match self {
            Self::Sending => "check",
            Self::Paused => "pause",
            Self::NotSending => "warn",
        }
    }

    /// Returns the class in the stylesheet; empty for the ordinary state.
    pub fn css_class(self) -> &'static str {
        match self {
            Self::Sending => "",
            Self::Paused => "warn",
            Self::NotSending => "bad",
        }
    }
}
