//! The errors of settings, which are reported together and before any setting is used.

use std::error::Error;
use std::fmt;

use clap::Args;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable or file.
    pub variable: String,
    /// The problem, without the value of a secret. It continues a sentence that starts with the
    /// variable.
    pub problem: String,
}

/// All errors of a configuration. Only [`parse_arguments`](super::parse_arguments) creates a value, so
/// that the errors that it found are never left out.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// Adds an error, unless the variable has one already.
    pub fn add(&mut self, variable: &str, problem: impl Into<String>) {
        if self.0.iter().all(|error| error.variable != variable) {
            self.0.push(ConfigError { variable: variable.to_owned(), problem: problem.into() });
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration is invalid:")?;
        for ConfigError { variable, problem } in &self.0 {
            write!(f, "\n  {variable}: {problem}")?;
        }
        Ok(())
    }
}

impl Error for ConfigErrors {}

/// Settings that [`parse_arguments`](super::parse_arguments) read. Those that were invalid have their
/// defaults, so none can be used before its errors were checked.
#[derive(Debug, Args)]
pub struct Unchecked<C: Args> {
    #[command(flatten)]
    settings: Box<C>,
}

impl<C: Args> Unchecked<C> {
    /// Returns the settings and the result of `check`, which may add errors; or all errors, if there
    /// are any.
    pub fn check<T>(
        self,
        mut errors: ConfigErrors,
        check: impl FnOnce(&C, &mut ConfigErrors) -> T,
    ) -> Result<(C, T), ConfigErrors> {
        let checked = check(&self.settings, &mut errors);
        if errors.is_empty() { Ok((*self.settings, checked)) } else { Err(errors) }
    }
}
