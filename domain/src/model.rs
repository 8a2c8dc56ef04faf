//! The entities and their states. Nothing here reads or writes.

/// Adds the text form of enums: `strum` derives it from the variants' names. The inherent functions
/// save callers from importing the traits.
macro_rules! text_enum {
    ($($type:ty),+ $(,)?) => {$(
        impl $type {
            /// All values, in order of declaration.
            pub const ALL: &'static [Self] = <Self as strum::VariantArray>::VARIANTS;

            /// Returns the text used by the API and in the database.
            pub fn as_str(self) -> &'static str {
                self.into()
            }

            /// Parses the text that [`as_str`](Self::as_str) returns.
            pub fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    )+};
}
pub(crate) use text_enum;

mod actor;
mod api_key;
mod characters;
mod email;
mod event;
mod ids;
mod invitation;
mod job;
mod name;
mod reconciliation;
mod session;
mod user;
mod visitor;

pub use actor::*;
pub use api_key::*;
pub use characters::*;
pub use email::*;
pub use event::*;
pub use ids::*;
pub use invitation::*;
pub use job::*;
pub use name::*;
pub use reconciliation::*;
pub use session::*;
pub use user::*;
pub use visitor::*;

text_enum! {
    Drift, EndReason, EventKind, HeldBy, InvitationStatus, JobState, QueueName,
    RepairAction, Role, Scope, UserStatus, Visitor,
}
