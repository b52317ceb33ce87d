//! With feature `tower`: [`LoadShed`] as a layer, for axum, hyper and what else is built on tower.
//!
//! It is ready when the service behind it is, so that a limit there holds here too. A request that is turned away does not
//! reach that service, and gives back what its readiness had reserved, a permit of a limit, say: the service is
//! exchanged for a clone of it, which has reserved nothing.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{LoadShed, Refused};

impl<S> Layer<S> for LoadShed {
    type Service = Shed<S>;

    fn layer(&self, inner: S) -> Shed<S> {
        Shed { shed: self.clone(), inner }
    }
}

/// A service that turns requests away under memory pressure.
///
/// The path is that of the request as this service gets it: inside of a router that takes a beginning away, what is left.
#[derive(Clone, Debug)]
pub struct Shed<S> {
    shed: LoadShed,
    inner: S,
}

/// The body of an answer can be of any type that a text can be turned into, as `axum::body::Body`,
/// `http_body_util::Full` and `String` are.
impl<S, B, R> Service<Request<B>> for Shed<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: From<&'static str>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Answer<S::Future>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.shed.admit(request.uri().path()) {
            Ok(()) => Answer { state: State::Admitted { future: self.inner.call(request) } },
            Err(refused) => {
                let unready = self.inner.clone();
                drop(mem::replace(&mut self.inner, unready));
                Answer { state: State::Refused { refused } }
            }
        }
    }
}

fn answer<R: From<&'static str>>(refused: Refused) -> Response<R> {
    let mut response = Response::new(Refused::BODY.into());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from(refused.retry_after_seconds()));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

pin_project! {
    /// The answer of the service, or that the request is turned away.
    #[derive(Debug)]
    pub struct Answer<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[derive(Debug)]
    #[project = Projected]
    enum State<F> {
        Admitted {
            #[pin]
            future: F,
        },
        // The answer is made when it is asked for, so that the future of an admitted request has no room for it.
        Refused {
            refused: Refused,
        },
    }
}

impl<F, R, E> Future for Answer<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: From<&'static str>,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Admitted { future } => future.poll(context),
            Projected::Refused { refused } => Poll::Ready(Ok(answer(*refused))),
        }
    }
}
