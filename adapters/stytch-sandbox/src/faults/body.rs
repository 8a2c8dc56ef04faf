//! Faulty response bodies, as proxies and broken connections produce them.

use std::io;

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{
        StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue},
    },
    response::Response,
};
use futures::stream::{self, StreamExt};
use serde::{Deserialize, Serialize};

const PADDING_BYTES: usize = 10 * 1024 * 1024;

/// The fault of a response body; the status and the other headers stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BodyFault {
    /// A proxy's error page.
    Html,
    /// No body.
    Empty,
    /// Text that is declared as JSON.
    NotJson,
    /// The first half, after which the connection is dropped.
    Truncated,
    /// The real body after 10 MiB of spaces, which is still valid JSON.
    Huge,
}

impl BodyFault {
    pub(crate) async fn apply(self, response: Response) -> Response {
        let (mut head, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let body = match self {
            Self::Html => {
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                head.headers.insert(CONTENT_TYPE, html);
                Body::from(page(head.status))
            }
            Self::Empty => {
                head.headers.remove(CONTENT_TYPE);
                Body::empty()
            }
            Self::NotJson => Body::from("upstream connect error or disconnect/reset"),
            Self::Truncated => {
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
                truncated(&body)
            }
            Self::Huge => Body::from([vec![b' '; PADDING_BYTES].as_slice(), &body].concat()),
        };
        Response::from_parts(head, body)
    }
}

/// Returns the first half of a body, followed by an error.
fn truncated(body: &Bytes) -> Body {
    let half = body.slice(..body.len() / 2);
    let error = async {
        // hyper sends what it has buffered when the body is pending, and nothing after an error.
        tokio::task::yield_now().await;
        Err(io::Error::other("truncated by a fault"))
    };
    Body::from_stream(stream::iter([Ok(half)]).chain(stream::once(error)))
}

fn page(status: StatusCode) -> String {
    format!(
        "<html>\n<head><title>{status}</title></head>\n<body>\n<center><h1>{status}</h1></center>\n\
         <hr><center>nginx</center>\n</body>\n</html>\n"
    )
}
