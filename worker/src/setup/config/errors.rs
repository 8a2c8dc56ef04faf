//! Collects configuration errors, so that all are reported together.

use std::fmt;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable or file.
    pub variable: String,
    /// The problem, without the value of a secret.
    pub problem: String,
}

impl ConfigError {
    /// Creates an error; `problem` continues a sentence that starts with the variable.
    pub fn new(variable: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { variable: variable.into(), problem: problem.into() }
    }
}

/// All errors of a configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigErrors(Vec<ConfigError>);

impl ConfigErrors {
    /// Adds an error.
    pub fn push(&mut self, error: ConfigError) {
        self.0.push(error);
    }

    /// Returns the value, or adds an error.
    pub fn parse<T>(&mut self, variable: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|problem| self.push(ConfigError::new(variable, problem))).ok()
    }

    /// Parses an optional variable; an empty value counts as not set.
    pub fn parse_optional<T>(
        &mut self,
        variable: &str,
        text: Option<&str>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match text.map(str::trim).filter(|text| !text.is_empty()) {
            None => Some(None),
            Some(text) => self.parse(variable, parse(text)).map(Some),
        }
    }

    /// Iterates over the errors.
    pub fn iter(&self) -> impl Iterator<Item = &ConfigError> {
        self.0.iter()
    }

    /// Whether there are no errors.
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

impl std::error::Error for ConfigErrors {}
