//! Project credentials.

use std::fmt;

use crate::state::ids;

/// A project id and its secret, which requests carry as HTTP Basic authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `project-test-<uuid>`.
    pub project_id: String,
    /// `secret-test-<opaque>`.
    pub secret: String,
}

impl Credentials {
    /// Generates random credentials in the format of Stytch's test environment.
    pub fn generate() -> Self {
        Self { project_id: ids::id("project"), secret: format!("secret-test-{}=", ids::token()) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("project_id", &self.project_id).finish_non_exhaustive()
    }
}
