//! The pair every SDK is given: a project id and its secret.

use std::fmt;

use crate::ids;

/// A project id and its secret, which every call must carry as HTTP Basic.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// `project-test-<uuid>`.
    pub project_id: String,
    /// `secret-test-<opaque>`.
    pub secret: String,
}

impl Credentials {
    /// A new random pair, in the form of Stytch's test environment.
    pub fn generate() -> Self {
        Self { project_id: ids::id("project"), secret: format!("secret-test-{}=", ids::token()) }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("project_id", &self.project_id).finish_non_exhaustive()
    }
}
