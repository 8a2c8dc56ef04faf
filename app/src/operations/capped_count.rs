//! A number of rows that is counted up to a limit, as JSON.

use guestlist_database::operations::CappedCount;
use schemars::JsonSchema;
use serde::Serialize;

use crate::openapi::schemas;

/// A number. Large ones are counted up to 10,000.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "CappedCount", transform = schemas::all_required)]
pub struct CountView {
    pub count: u64,
    /// Whether there are more than `count`.
    pub capped: bool,
}

impl From<CappedCount> for CountView {
    fn from(CappedCount { count, is_capped }: CappedCount) -> Self {
        Self { count, capped: is_capped }
    }
}
