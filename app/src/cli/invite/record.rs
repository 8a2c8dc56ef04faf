//! The people to invite, as given on the command line or in a file.

use std::collections::HashMap;

use guestlist_domain::flows::NewInvitation;
use guestlist_domain::{Email, ManageableRoles, Metadata, Name, Role};

/// A person to invite, not yet validated.
#[derive(Debug, Default)]
pub struct Record {
    pub email: String,
    pub name: Option<String>,
    pub role: Option<String>,
}

/// Why a person can't be invited.
#[derive(Debug, Clone)]
pub struct RowError {
    pub code: &'static str,
    /// Explanation for people.
    pub detail: String,
}

impl RowError {
    pub fn new(code: &'static str, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into() }
    }
}

/// An argument, or a row of a file.
#[derive(Debug)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: Option<u64>,
    /// Empty if the row is malformed.
    pub record: Record,
    /// Why the record is not used.
    pub error: Option<RowError>,
}

impl Row {
    /// Creates the row of an address on the command line.
    pub fn argument(email: &str) -> Self {
        let record = Record { email: email.to_owned(), ..Record::default() };
        Self { line: None, record, error: None }
    }

    /// Returns the invitation to create.
    pub fn to_invitation(&self, is_bulk: bool) -> Result<NewInvitation, RowError> {
        match &self.error {
            Some(error) => Err(error.clone()),
            None => self.record.to_invitation(is_bulk),
        }
    }
}

impl Record {
    /// Validates the fields.
    fn to_invitation(&self, is_bulk: bool) -> Result<NewInvitation, RowError> {
        let email = Email::parse(&self.email)
            .map_err(|error| RowError::new("invalid_email", format!("the address {error}")))?;
        let name = self.name.as_deref().map(Name::parse).transpose();
        let name =
            name.map_err(|error| RowError::new("invalid_name", format!("the name {error}")))?;
        let role = self.role.as_deref().map(str::trim).filter(|role| !role.is_empty());
        let unknown_role =
            || RowError::new("invalid_role", "the role must be admin, operator or member");
        let role = role.map(|role| Role::parse(role).ok_or_else(unknown_role)).transpose()?;
        Ok(NewInvitation {
            email,
            name: name.flatten(),
            role: role.unwrap_or_default(),
            manageable: ManageableRoles::All,
            metadata: Metadata::default(),
            return_to: None,
            expires_in_minutes: None,
            is_bulk,
        })
    }
}

/// Rejects rows whose address, in any spelling, is also that of an earlier valid row.
pub fn reject_duplicates(rows: &mut [Row]) {
    let mut first_lines: HashMap<Email, Option<u64>> = HashMap::new();
    for row in rows {
        let Ok(request) = row.to_invitation(false) else { continue };
        match first_lines.get(&request.email) {
            Some(first) => {
                let detail = match first {
                    Some(line) => format!("the address is already on line {line}"),
                    None => "the address is given more than once".to_owned(),
                };
                row.error = Some(RowError::new("already_invited", detail));
            }
            None => drop(first_lines.insert(request.email, row.line)),
        }
    }
}
