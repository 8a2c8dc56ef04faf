//! Everything that is wrong with a configuration, told at once.

use std::fmt;

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The variable, or the file.
    pub variable: String,
    /// What is wrong with it; never its value where that is a secret.
    pub problem: String,
}

impl Mistake {
    /// `variable` is not right, because of `problem`.
    pub fn new(variable: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { variable: variable.into(), problem: problem.into() }
    }
}

/// All that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mistakes(Vec<Mistake>);

impl Mistakes {
    /// Notes one.
    pub fn note(&mut self, mistake: Mistake) {
        self.0.push(mistake);
    }

    /// The value, or a note of why there is none.
    pub fn take<T>(&mut self, variable: &str, read: Result<T, String>) -> Option<T> {
        read.map_err(|problem| self.note(Mistake::new(variable, problem))).ok()
    }

    /// The same for what need not be said: said nothing, or nothing but white space, is none.
    pub fn take_some<T>(
        &mut self,
        variable: &str,
        said: Option<&str>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match said.map(str::trim).filter(|said| !said.is_empty()) {
            None => Some(None),
            Some(said) => self.take(variable, read(said)).map(Some),
        }
    }

    /// Each mistake.
    pub fn iter(&self) -> impl Iterator<Item = &Mistake> {
        self.0.iter()
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration is not right:")?;
        for Mistake { variable, problem } in &self.0 {
            write!(f, "\n  {variable}: {problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}
