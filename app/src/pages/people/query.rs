//! The query of the list of people: filters and position.

use guestlist_domain::{Cursor, Page, Role, SearchPrefix, UserFilter, UserId, UserStatus};
use serde::{Deserialize, Serialize};

use crate::extract::{FieldErrors, parse_search_page};
use crate::problem::Problem;

/// What the list shows. Browsers send empty fields too.
#[derive(Debug, Default, Clone, Deserialize, Serialize)]
pub struct PeopleQuery {
    /// The beginning of the address or name.
    pub q: Option<String>,
    pub status: Option<String>,
    pub role: Option<String>,
    pub cursor: Option<String>,
    /// Ids of invitations revoked by the preceding form.
    #[serde(skip_serializing)]
    pub revoked: Option<String>,
}

impl PeopleQuery {
    /// Removes empty fields.
    pub fn without_empty(mut self) -> Self {
        for field in [&mut self.q, &mut self.status, &mut self.role, &mut self.cursor] {
            let filled = field.as_deref().map(str::trim).filter(|field| !field.is_empty());
            *field = filled.map(ToOwned::to_owned);
        }
        self
    }

    pub fn url(&self) -> String {
        match serde_urlencoded::to_string(self) {
            Ok(query) if !query.is_empty() => format!("/?{query}"),
            _ => "/".to_owned(),
        }
    }

    pub fn at(&self, cursor: Option<String>) -> Self {
        Self { cursor, ..self.clone() }
    }

    pub fn is_filtered(&self) -> bool {
        self.q.is_some() || self.status.is_some() || self.role.is_some()
    }

    pub fn parse(&self) -> Result<(UserFilter, Page<Cursor<UserId>>), Problem> {
        let mut errors = FieldErrors::default();
        let filter = UserFilter {
            q: self.q.as_deref().and_then(SearchPrefix::of),
            role: self.role.as_deref().and_then(|role| {
                errors.check("role", Role::parse(role).ok_or("must be admin, operator or member"))
            }),
            status: self.status.as_deref().and_then(|status| {
                errors.check("status", UserStatus::parse(status).ok_or("is not a status of a user"))
            }),
        };
        let (cursor, q) = (self.cursor.as_deref(), filter.q.as_ref());
        let page = parse_search_page(None, cursor, q, UserId, &mut errors);
        errors.finish()?;
        Ok((filter, page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(q: &str, status: &str) -> PeopleQuery {
        let field = |text: &str| Some(text.to_owned());
        PeopleQuery { q: field(q), status: field(status), role: field(""), ..Default::default() }
            .without_empty()
    }

    #[test]
    fn the_url_has_the_filled_fields_only() {
        assert_eq!(query("", " ").url(), "/");
        assert_eq!(query(" a&b ", "active").url(), "/?q=a%26b&status=active");
        assert_eq!(query("", "active").at(Some("x".into())).url(), "/?status=active&cursor=x");
    }

    #[test]
    fn an_unknown_status_and_a_foreign_cursor_are_refused() {
        assert!(query("", "active").parse().is_ok());
        assert!(query("", "gone").parse().is_err());
        assert!(query("", "").at(Some("x".into())).parse().is_err());
    }
}
