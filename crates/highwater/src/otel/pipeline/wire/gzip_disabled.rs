//! Without feature `gzip` no request is compressed; the configuration refuses a route that asks for it.

use super::Body;

pub(super) fn compressed(body: Body) -> Body {
    body
}

/// Nor is an answer: it follows the request.
#[cfg(feature = "grpc")]
pub(super) fn inflated(_: &[u8], _: usize) -> Vec<u8> {
    Vec::new()
}
