//! What an exporter has encoded, taken where it would be sent: the exporters are given this in place of an HTTP client.

use std::fmt;

use http::header::CONTENT_ENCODING;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

use super::wire::Body;

/// Hands each request to a function. To its exporter every request arrives: what becomes of it is known to who takes it.
pub(super) struct Encoded<F>(pub(super) F);

impl<F> fmt::Debug for Encoded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoded").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl<F: Fn(Body) + Send + Sync> HttpClient for Encoded<F> {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (mut head, bytes) = request.into_parts();
        // The headers that a request needs are the wire's affair.
        let encoding = head.headers.remove(CONTENT_ENCODING);
        (self.0)(Body { bytes, encoding });
        Ok(Response::new(Bytes::new()))
    }
}
