//! Bodies that end as they should, break off, or never end.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

use super::Recorded;

/// What an endless body is made of.
static PIECE: [u8; 16 * 1024] = [b'x'; 16 * 1024];

/// A body of one of the three kinds.
pub(super) enum ScriptedBody {
    /// These bytes, if any are left.
    Whole(Option<Bytes>),
    /// These bytes, then an error, upon which the connection is closed.
    Cut(Option<Bytes>),
    /// Pieces without an end, counted.
    Endless(Arc<Recorded>),
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(match self.get_mut() {
            Self::Whole(bytes) => bytes.take().map(|bytes| Ok(Frame::data(bytes))),
            Self::Cut(bytes) => Some(match bytes.take() {
                Some(bytes) => Ok(Frame::data(bytes)),
                None => Err(io::ErrorKind::ConnectionAborted.into()),
            }),
            Self::Endless(request) => {
                request.sent_bytes.fetch_add(PIECE.len() as u64, Ordering::Relaxed);
                Some(Ok(Frame::data(Bytes::from_static(&PIECE))))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Cut(_) | Self::Endless(_) => SizeHint::default(),
        }
    }
}
