//! Answers that are not what Stytch's API sends, but what is met on the way to it all the same.

use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};
use serde::{Deserialize, Serialize};

use crate::{answer::HttpResponse, body::Body};

const HUGE: usize = 10 * 1024 * 1024;

/// What becomes of the body of an answer; status and other headers stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Spoiling {
    /// A proxy's page.
    Html,
    /// Nothing.
    Empty,
    /// Text, though it is said to be JSON.
    NotJson,
    /// The first half, after which the connection is dropped.
    Truncated,
    /// The true one, after 10 MiB of blanks. It is valid JSON, for whoever reads that far.
    Huge,
}

impl Spoiling {
    pub(crate) fn spoil(self, response: HttpResponse) -> HttpResponse {
        let (mut head, body) = response.into_parts();
        let body = match self {
            Self::Html => {
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                head.headers.insert(CONTENT_TYPE, html);
                Body::whole(page(head.status).into())
            }
            Self::Empty => {
                head.headers.remove(CONTENT_TYPE);
                Body::whole("".into())
            }
            Self::NotJson => Body::whole("upstream connect error or disconnect/reset".into()),
            Self::Truncated => body.cut_short(),
            Self::Huge => Body::whole([vec![b' '; HUGE].as_slice(), body.bytes()].concat().into()),
        };
        HttpResponse::from_parts(head, body)
    }
}

fn page(status: StatusCode) -> String {
    format!(
        "<html>\n<head><title>{status}</title></head>\n<body>\n<center><h1>{status}</h1></center>\n\
         <hr><center>nginx</center>\n</body>\n</html>\n"
    )
}
