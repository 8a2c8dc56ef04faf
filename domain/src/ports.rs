//! What the domain needs of the world.

mod provider;
mod store;

pub use provider::{
    Delivered, Identity, IdentityPage, IdentityProvider, InviteMail, JwtClaims, JwtError,
    LoginMail, Profile, ProfileStatus, ProviderError, ProviderErrorKind, ProviderSession, Tokens,
    Vouched,
};
pub use store::{
    InvitationFilter, Page, ReadInvitations, ReadJobs, ReadKeys, ReadReconciliation, ReadSessions,
    ReadUsers, Seen, Stale, Store, StoreError, UserFilter,
};
