//! A collector for the errors of a request's fields.

use std::fmt::Display;

use crate::problem::{FieldError, Problem};

/// Collects the errors of a request's fields, so that all are reported at once.
#[derive(Debug, Default)]
pub struct FieldErrors(Vec<FieldError>);

impl FieldErrors {
    /// Returns the value, or records the field's error.
    pub fn check<T, E: Display>(&mut self, field: &str, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.add(field, error.to_string())).ok()
    }

    pub fn add(&mut self, field: &str, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: format!("/{field}"), detail: detail.into() });
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns an error if one was recorded.
    pub fn finish(self) -> Result<(), Problem> {
        self.finish_with(Some(()))
    }

    /// Returns a required field, which is `None` if its error was recorded; or all recorded errors.
    pub fn finish_with<T>(self, required: Option<T>) -> Result<T, Problem> {
        required.filter(|_| self.is_empty()).ok_or_else(|| Problem::invalid(self.0))
    }
}
