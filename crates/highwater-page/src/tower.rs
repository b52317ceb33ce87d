//! With feature `tower`: [`Mounted`] as a service, for axum, hyper and what else is built on tower.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::body::Body;
use crate::mounted::Mounted;
use crate::routes::Ask;

/// Always ready, and answers at once. The body of a request is not read.
impl<B> Service<Request<B>> for Mounted {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (uri, headers) = (request.uri(), request.headers());
        ready(Ok(self.answer(Ask { method: request.method(), path: uri.path(), query: uri.query(), headers })))
    }
}
