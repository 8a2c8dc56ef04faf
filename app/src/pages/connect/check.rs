//! The results of checks, as the page shows them.

/// Whether a setting works, or an application is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckState {
    Good,
    /// A setting lacks a value.
    Unset,
    /// A setting or the application must be changed.
    Wrong,
}

#[derive(Debug)]
pub struct CheckResult {
    pub state: CheckState,
    /// What was found, and how to fix it.
    pub explanation: String,
}

impl CheckResult {
    pub fn good(explanation: impl Into<String>) -> Self {
        Self { state: CheckState::Good, explanation: explanation.into() }
    }

    pub fn unset(explanation: impl Into<String>) -> Self {
        Self { state: CheckState::Unset, explanation: explanation.into() }
    }

    pub fn wrong(explanation: impl Into<String>) -> Self {
        Self { state: CheckState::Wrong, explanation: explanation.into() }
    }
}
