//! Users, and what changes at Stytch means for them.

mod names;
mod pages;
mod reconcile;
mod removal;
mod revoked_rights;
mod suspension;
mod updates;
mod webhooks;
