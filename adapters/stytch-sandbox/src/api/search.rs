//! Searching users, through indexes where the query allows it and else by a scan.

use std::{collections::HashSet, sync::Arc};

use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::request::ApiJson;
use crate::response::{ApiError, ApiResponse, ApiResult};
use crate::state::{Project, Status, Tables, User, email_address};

const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1000;

#[derive(Deserialize)]
pub(crate) struct SearchRequest {
    limit: Option<usize>,
    cursor: Option<String>,
    query: Option<Query>,
}

#[derive(Deserialize)]
struct Query {
    operator: Option<String>,
    operands: Option<Vec<Operand>>,
}

#[derive(Deserialize)]
struct Operand {
    filter_name: String,
    filter_value: Value,
}

pub(crate) async fn search(
    State(project): State<Arc<Project>>,
    ApiJson(request): ApiJson<SearchRequest>,
) -> ApiResult {
    let limit = request.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(invalid("user_search_invalid_limit", "limit should be between 1 and 1000."));
    }
    let after = match request.cursor.as_deref() {
        None | Some("") => 0,
        Some(cursor) => cursor
            .parse()
            .map_err(|_| invalid("user_search_invalid_cursor", "The cursor is not valid."))?,
    };
    let filter = Filter::parse(request.query)?;
    project.read(|tables, _| Ok(ApiResponse(page(tables, &filter, after, limit))))
}

/// Returns the users after a position, which is what a cursor holds.
fn page(tables: &Tables, filter: &Filter, after: u64, limit: usize) -> Value {
    let position = |user: &User| tables.users.position(&user.user_id);
    let matching = filter.candidates(tables).map(|mut found| {
        found.retain(|user| filter.matches(user));
        found
    });
    let total = match &matching {
        Some(found) => found.len(),
        None if filter.conditions.is_empty() => tables.users.len(),
        None => tables.users.iter().filter(|user| filter.matches(user)).count(),
    };
    let mut users: Vec<&User> = if let Some(found) = matching {
        found.into_iter().filter(|user| position(user) > Some(after)).take(limit + 1).collect()
    } else {
        let rest = tables.users.after(after).filter(|user| filter.matches(user));
        rest.take(limit + 1).collect()
    };
    let has_more = users.len() > limit;
    users.truncate(limit);
    let last = users.last().filter(|_| has_more).and_then(|user| position(user));
    json!({
        "results": users.iter().map(|user| user.to_json()).collect::<Value>(),
        "results_metadata": {
            "total": total,
            "next_cursor": last.map(|position| position.to_string()),
        },
    })
}

struct Filter {
    /// Whether one condition is enough (`OR`).
    any: bool,
    conditions: Vec<Condition>,
}

/// A parsed operand.
enum Condition {
    UserId(HashSet<String>),
    Address(HashSet<String>),
    EmailId(HashSet<String>),
    Status(Status),
    EmailVerified(bool),
    CreatedAfter(Timestamp),
    CreatedBefore(Timestamp),
    CreatedBetween(Timestamp, Timestamp),
    AddressLike(String),
    NameLike(String),
    /// A condition on a factor that the sandbox does not support.
    Constant(bool),
}

impl Filter {
    fn parse(query: Option<Query>) -> Result<Self, ApiError> {
        let Some(query) = query else { return Ok(Self { any: false, conditions: Vec::new() }) };
        let any = match query.operator.as_deref() {
            None | Some("AND" | "") => false,
            Some("OR") => true,
            Some(_) => {
                return Err(invalid("user_search_invalid_operator", "operator is AND or OR."));
            }
        };
        let operands = query.operands.unwrap_or_default();
        let conditions = operands.into_iter().map(Condition::parse).collect::<Result<_, _>>()?;
        Ok(Self { any, conditions })
    }

    fn matches(&self, user: &User) -> bool {
        let mut results = self.conditions.iter().map(|condition| condition.matches(user));
        if self.any && !self.conditions.is_empty() {
            results.any(|matches| matches)
        } else {
            results.all(|matches| matches)
        }
    }

    /// Returns the users that can match, in order, or none if that takes a scan.
    fn candidates<'a>(&self, tables: &'a Tables) -> Option<Vec<&'a User>> {
        let mut found = if self.any {
            let each = self.conditions.iter().map(|condition| condition.candidates(tables));
            each.collect::<Option<Vec<_>>>().filter(|all| !all.is_empty())?.concat()
        } else {
            self.conditions.iter().find_map(|condition| condition.candidates(tables))?
        };
        found.sort_by_key(|user| tables.users.position(&user.user_id));
        found.dedup_by_key(|user| &user.user_id);
        Some(found)
    }
}

impl Condition {
    fn parse(operand: Operand) -> Result<Self, ApiError> {
        let Operand { filter_name: name, filter_value: value } = operand;
        Ok(match name.as_str() {
            "user_id" => Self::UserId(parse(&name, value)?),
            "email_address" => Self::Address(addresses(&parse(&name, value)?)),
            "email_id" => Self::EmailId(parse(&name, value)?),
            "status" => Self::Status(parse(&name, value)?),
            "email_verified" => Self::EmailVerified(parse(&name, value)?),
            "created_at_greater_than" => Self::CreatedAfter(parse(&name, value)?),
            "created_at_less_than" => Self::CreatedBefore(parse(&name, value)?),
            "created_at_between" => {
                let Between { greater_than, less_than } = parse(&name, value)?;
                Self::CreatedBetween(greater_than, less_than)
            }
            "email_address_fuzzy" => Self::AddressLike(fuzzy(&name, value)?),
            "full_name_fuzzy" => Self::NameLike(fuzzy(&name, value)?),
            "password_exists" => Self::Constant(!parse::<bool>(&name, value)?),
            "phone_number"
            | "phone_id"
            | "oauth_provider"
            | "webauthn_registration_id"
            | "crypto_wallet_id"
            | "crypto_wallet_address"
            | "totp_id" => parse::<HashSet<String>>(&name, value).map(|_| Self::Constant(false))?,
            "phone_number_fuzzy" => fuzzy(&name, value).map(|_| Self::Constant(false))?,
            "phone_verified"
            | "webauthn_registration_verified"
            | "crypto_wallet_verified"
            | "totp_verified" => parse::<bool>(&name, value).map(|_| Self::Constant(false))?,
            _ => return Err(invalid_filter(&name, "this filter does not exist")),
        })
    }

    fn matches(&self, user: &User) -> bool {
        match self {
            Self::UserId(ids) => {
                ids.contains(&user.user_id)
                    || user.external_id.as_ref().is_some_and(|id| ids.contains(id))
            }
            Self::Address(wanted) => user.emails.iter().any(|email| wanted.contains(&email.email)),
            Self::EmailId(ids) => user.emails.iter().any(|email| ids.contains(&email.email_id)),
            Self::Status(status) => user.status == *status,
            Self::EmailVerified(yes) => user.emails.iter().any(|email| email.verified == *yes),
            Self::CreatedAfter(time) => user.created_at > *time,
            Self::CreatedBefore(time) => user.created_at < *time,
            Self::CreatedBetween(from, to) => user.created_at > *from && user.created_at < *to,
            Self::AddressLike(part) => user.emails.iter().any(|email| email.email.contains(part)),
            Self::NameLike(part) => user.full_name().to_lowercase().contains(part),
            Self::Constant(yes) => *yes,
        }
    }

    fn candidates<'a>(&self, tables: &'a Tables) -> Option<Vec<&'a User>> {
        let users = &tables.users;
        match self {
            Self::UserId(ids) => Some(ids.iter().filter_map(|id| users.get(id)).collect()),
            Self::Address(all) => Some(all.iter().filter_map(|a| users.by_address(a)).collect()),
            _ => None,
        }
    }
}

#[derive(Deserialize)]
struct Between {
    greater_than: Timestamp,
    less_than: Timestamp,
}

fn parse<T: serde::de::DeserializeOwned>(name: &str, value: Value) -> Result<T, ApiError> {
    serde_json::from_value(value).map_err(|error| invalid_filter(name, &error.to_string()))
}

fn addresses(given: &HashSet<String>) -> HashSet<String> {
    given.iter().map(|address| email_address::normalize(address)).collect()
}

fn fuzzy(name: &str, value: Value) -> Result<String, ApiError> {
    let part: String = parse(name, value)?;
    if part.chars().count() < 3 {
        return Err(invalid_filter(name, "at least three characters are needed"));
    }
    Ok(part.to_lowercase())
}

fn invalid_filter(name: &str, reason: &str) -> ApiError {
    invalid("user_search_invalid_filter", &format!("{name}: {reason}."))
}

fn invalid(error_type: &str, message: &str) -> ApiError {
    ApiError::bad_request(error_type, message)
}
