//! The HTTP interface: who calls, what they may, what they sent, one flow, what they see.

mod answer;
mod auth;
mod body;
mod cookies;
mod health;
mod idempotency;
mod invitations;
mod login;
mod metrics;
mod ops;
mod origin;
mod paging;
mod presses;
mod problem;
mod router;
mod seen;
mod state;
mod users;
mod view;
mod waits;

pub use answer::Outgoing;
pub use auth::{KEY_PREFIX, Perhaps, Person, had_session};
pub use body::{Form, Named, Params};
pub use cookies::{Hint, begin};
pub use invitations::InvitationRequest;
pub use login::{come_in, held, leave};
pub use origin::Ours;
pub use problem::Problem;
pub use router::router;
pub use seen::keep_noting;
pub use state::App;
pub use view::Time;
pub use waits::Waits;
