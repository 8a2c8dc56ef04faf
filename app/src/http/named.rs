//! The part of an address that names something: read late, for what a caller may not, or has sent
//! wrongly, is told before that nothing is there.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use guestlist_domain::{InvitationId, JobId, QueueName, SessionId, UserId};

use super::problem::Problem;

/// Something that an address can name.
pub trait Nameable: Sized {
    /// What it is called.
    const WHAT: &'static str;

    /// Reads its name. What can't even be read names nothing.
    fn read(name: &str) -> Option<Self>;
}

macro_rules! by_id {
    ($($id:ident $what:literal),+ $(,)?) => {$(
        impl Nameable for $id {
            const WHAT: &'static str = $what;

            fn read(name: &str) -> Option<Self> {
                name.parse().ok()
            }
        }
    )+};
}

by_id!(InvitationId "invitation", JobId "job", SessionId "session", UserId "user");

impl Nameable for QueueName {
    const WHAT: &'static str = "queue";

    fn read(name: &str) -> Option<Self> {
        Self::parse(name)
    }
}

/// The one part of an address that names a `T`.
#[derive(Debug)]
pub struct Named<T>(String, PhantomData<T>);

impl<T: Nameable> Named<T> {
    /// What is named.
    pub fn read(&self) -> Result<T, Problem> {
        T::read(&self.0).ok_or_else(|| Problem::not_found(T::WHAT))
    }
}

impl<S: Send + Sync, T> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let path = path.map_err(|_| Problem::not_found("address"))?;
        Ok(Self(path.0, PhantomData))
    }
}
