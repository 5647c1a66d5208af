//! The content of an answer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

/// Why the content of an answer ended early: the loop has cut its stream.
pub type BodyError = hyper::Error;

/// The content of an answer, as it comes from the loop. Dropping it ends the stream.
#[derive(Debug)]
pub struct Body(Content);

#[derive(Debug)]
enum Content {
    Loop(Incoming),
    /// A text of this crate: a refusal, or nothing.
    Text(Option<Bytes>),
}

impl Body {
    pub(crate) fn of_loop(body: Incoming) -> Self {
        Self(Content::Loop(body))
    }

    pub(crate) fn text(text: &'static str) -> Self {
        Self(Content::Text((!text.is_empty()).then(|| Bytes::from_static(text.as_bytes()))))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Content::Loop(body) => Pin::new(body).poll_frame(context),
            Content::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Loop(body) => body.is_end_stream(),
            Content::Text(text) => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Loop(body) => body.size_hint(),
            Content::Text(text) => {
                SizeHint::with_exact(text.as_ref().map_or(0, |it| it.len() as u64))
            }
        }
    }
}
