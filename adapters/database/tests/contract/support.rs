//! What the tests share.

pub(crate) mod fixtures;
pub(crate) mod proxy;
pub(crate) mod query_plan;
pub(crate) mod test_database;
pub(crate) mod test_store;
