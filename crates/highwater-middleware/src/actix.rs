//! With feature `actix-web`: [`LoadShed`] as a middleware.
//!
//! Made once, outside of the closure that makes the `App` of each worker, and cloned there: the workers then shed one share
//! together. What is wrapped last is asked first.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::header::{ContentType, RETRY_AFTER};
use actix_web::{Error, HttpResponse};
use pin_project_lite::pin_project;

use crate::{LoadShed, Refused};

impl<S, B> Transform<S, ServiceRequest> for LoadShed
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = Shed<S>;
    type InitError = ();
    type Future = Ready<Result<Shed<S>, ()>>;

    fn new_transform(&self, inner: S) -> Self::Future {
        ready(Ok(Shed { shed: self.clone(), inner }))
    }
}

/// A service that turns requests away under memory pressure.
#[derive(Debug)]
pub struct Shed<S> {
    shed: LoadShed,
    inner: S,
}

impl<S, B> Service<ServiceRequest> for Shed<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = Answer<S::Future>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        match self.shed.admit(request.path()) {
            Ok(()) => Answer { state: State::Admitted { future: self.inner.call(request) } },
            Err(refused) => Answer { state: State::Refused { answer: Some(request.into_response(answer(refused))) } },
        }
    }
}

fn answer(refused: Refused) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((RETRY_AFTER, refused.retry_after_seconds()))
        .insert_header(ContentType::plaintext())
        .body(Refused::BODY)
}

pin_project! {
    /// The answer of the service, or that the request is turned away.
    pub struct Answer<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = Projected]
    enum State<F> {
        Admitted {
            #[pin]
            future: F,
        },
        Refused {
            answer: Option<ServiceResponse>,
        },
    }
}

impl<F, B> Future for Answer<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            Projected::Admitted { future } => future.poll(context).map_ok(ServiceResponse::map_into_left_body),
            Projected::Refused { answer } => match answer.take() {
                Some(answer) => Poll::Ready(Ok(answer.map_into_right_body())),
                // Polled again after its end, which is the caller's mistake: there is nothing more to come.
                None => Poll::Pending,
            },
        }
    }
}

impl<F> std::fmt::Debug for Answer<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Answer").finish_non_exhaustive()
    }
}
