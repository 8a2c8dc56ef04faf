//! What the domain needs of the world.

mod lists;
mod provider;
mod store;

pub use lists::{Cursor, InvitationFilter, Page, SearchPrefix, SortKey, UserFilter};
pub use provider::{
    AuthenticatedSession, Identity, IdentityEvent, IdentityPage, IdentityProvider, InviteMail,
    JwtClaims, JwtError, LoginMail, Profile, ProfileStatus, ProviderError, ProviderErrorKind,
    ProviderSession, SentMail, Tokens,
};
pub use store::{
    ExpiredRows, LinkClaim, ReadInvitations, ReadJobs, ReadKeys, ReadReconciliation, ReadSessions,
    ReadUsers, Store, StoreError, Usage,
};
