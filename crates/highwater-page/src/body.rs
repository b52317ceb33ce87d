//! The body of an answer: pieces that are there, or a stream of what is new.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::live::Live;

/// The body of one of the page's answers.
///
/// It never fails and needs no runtime. That of `api/live` lasts for 15 seconds at most, so that no graceful shutdown waits
/// longer for it; who reads it comes back.
pub struct Body(Inner);

enum Inner {
    Pieces(VecDeque<Bytes>),
    Live(Live),
}

impl Body {
    pub(crate) fn empty() -> Self {
        Self::pieces([])
    }

    pub(crate) fn pieces(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        Self(Inner::Pieces(pieces.into_iter().collect()))
    }

    pub(crate) fn live(live: Live) -> Self {
        Self(Inner::Live(live))
    }

    /// Its length, where it has an end.
    pub(crate) fn length(&self) -> Option<u64> {
        match &self.0 {
            Inner::Pieces(pieces) => Some(pieces.iter().fold(0, |sum, piece| sum.saturating_add(piece.len() as u64))),
            Inner::Live(_) => None,
        }
    }

    /// The next piece.
    pub(crate) fn poll_piece(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        match &mut self.get_mut().0 {
            Inner::Pieces(pieces) => Poll::Ready(pieces.pop_front()),
            Inner::Live(live) => live.poll_next(context),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.poll_piece(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Inner::Pieces(pieces) if pieces.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").field("length", &self.length()).finish_non_exhaustive()
    }
}
