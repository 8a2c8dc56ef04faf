//! What the domain needs of the world.

mod lists;
mod provider;
mod store;

pub use lists::{FoundBy, InvitationFilter, Page, Place, Prefix, UserFilter};
pub use provider::{
    Delivered, Identity, IdentityNews, IdentityPage, IdentityProvider, InviteMail, JwtClaims,
    JwtError, LoginMail, Profile, ProfileStatus, ProviderError, ProviderErrorKind, ProviderSession,
    Tokens, Vouched,
};
pub use store::{
    Claim, ReadInvitations, ReadJobs, ReadKeys, ReadReconciliation, ReadSessions, ReadUsers, Seen,
    Stale, Store, StoreError,
};
