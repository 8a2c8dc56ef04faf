//! The body of an answer: sent whole, or broken off halfway, which no ready-made body can.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};

#[derive(Debug)]
pub(crate) struct Body {
    bytes: Bytes,
    /// What `Content-Length` says: more than will be sent, of one that breaks off.
    length: u64,
    flushed: bool,
}

impl Body {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { length: bytes.len() as u64, bytes, flushed: false }
    }

    /// Its first half; then the connection is dropped.
    pub(crate) fn cut_short(self) -> Self {
        Self { bytes: self.bytes.slice(..self.bytes.len() / 2), ..self }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let bytes = std::mem::take(&mut self.bytes);
        self.length -= bytes.len() as u64;
        if !bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.length == 0 {
            return Poll::Ready(None);
        }
        if !self.flushed {
            // hyper sends what it has when it must wait, and nothing more once there is an error.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Err(io::Error::other("broken off, as the fault asks"))))
    }

    fn is_end_stream(&self) -> bool {
        self.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}
