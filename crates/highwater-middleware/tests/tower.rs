//! Load shedding as a layer of tower's: by itself, and before axum and hyper on a real connection.
#![cfg(feature = "tower")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, Response, StatusCode};
use axum::routing::{get, post};
use highwater_middleware::{LoadShed, Share};
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceBuilder, service_fn};

mod common;

use common::{Connection, high};

fn all() -> LoadShed {
    LoadShed::new(high()).from_level(highwater::Level::High, Share::ALL).exempt("/status")
}

/// What is ready now.
#[track_caller]
fn now<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> T {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it is not ready"),
    }
}

fn request(path: &str) -> Request<()> {
    Request::builder().uri(path).body(()).unwrap()
}

/// A service that only a ready one of may be called, once each time; a clone is not ready.
#[derive(Default)]
struct Strict {
    ready: bool,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Service<Request<()>> for Strict {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "it is called without being ready");
        ready(Ok(Response::new(String::new())))
    }
}

#[test]
fn a_service_is_called_only_when_it_is_ready_and_its_share_is_turned_away() {
    let mut service = LoadShed::new(high()).layer(Strict::default());
    let statuses = [(); 6].map(|()| {
        now(|context| service.poll_ready(context)).unwrap();
        let mut answer = pin!(service.call(request("/?a=b")));
        now(|context| answer.as_mut().poll(context)).unwrap().status().as_u16()
    });
    assert_eq!(statuses, [200, 503, 200, 503, 200, 503]);
}

#[test]
fn a_service_behind_it_that_is_not_ready_is_waited_for_and_not_called() {
    let limit = ConcurrencyLimitLayer::new(1);
    let echo = service_fn(|_: Request<()>| std::future::pending::<Result<Response<String>, Infallible>>());
    let mut service = ServiceBuilder::new().layer(all()).layer(limit).service(echo);
    let mut other = service.clone();
    now(|context| service.poll_ready(context)).unwrap();
    let _going_on = service.call(request("/status"));
    assert!(other.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending(), "the limit holds here too");
}

#[test]
fn a_request_that_is_turned_away_gives_back_what_was_reserved_for_it() {
    let limit = ConcurrencyLimitLayer::new(1);
    let echo = service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(String::new()))));
    let mut service = ServiceBuilder::new().layer(all()).layer(limit).service(echo);
    let mut other = service.clone();
    now(|context| service.poll_ready(context)).unwrap();
    assert!(other.poll_ready(&mut Context::from_waker(Waker::noop())).is_pending(), "the one permit is taken");
    let mut answer = pin!(service.call(request("/")));
    assert_eq!(now(|context| answer.as_mut().poll(context)).unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    now(|context| other.poll_ready(context)).unwrap();
}

/// axum on a free port, for as long as the process runs.
fn serve(shed: LoadShed) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new()
        .route("/status", get(async || "fine"))
        .route("/work", get(async || "done"))
        .route(
            "/upload",
            post(async |body: Bytes| body.len().to_string()).layer(axum::extract::DefaultBodyLimit::disable()),
        )
        .layer(shed);
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap();
        });
    });
    address
}

#[test]
fn before_axum_requests_are_turned_away_with_a_time_to_come_back_and_exempt_ones_are_not() {
    let mut connection = Connection::open(serve(all().retry_after(Duration::from_millis(1_500))));
    connection.get("/work").is_turned_away("2");
    connection.get("/nowhere").is_turned_away("2");
    assert_eq!(connection.get("/status?now").body, "fine");
    connection.get("/work").is_turned_away("2");
}

#[test]
fn before_axum_half_of_the_requests_of_a_connection_are_answered() {
    let mut connection = Connection::open(serve(LoadShed::new(high())));
    let statuses = [(); 8].map(|()| connection.get("/work").status);
    assert_eq!(statuses, [200, 503, 200, 503, 200, 503, 200, 503]);
}

#[test]
fn a_connection_is_in_order_after_a_request_whose_body_nobody_read() {
    let address = serve(all());
    for size in [0, 10, 10_000, 1 << 20, 16 << 20] {
        let mut connection = Connection::open(address);
        connection.post("/upload", size).is_turned_away("30");
        // What has arrived with the head hyper reads away; after more it closes the connection.
        assert!(connection.goes_on() || size > 10_000, "{size} bytes");
    }
}

#[test]
fn any_body_that_a_text_can_become_will_do() {
    fn is_service<S: Service<Request<Body>>>(_: S) {}
    is_service(all().layer(service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(Body::empty()))))));
    is_service(all().layer(service_fn(|_: Request<Body>| ready(Ok::<_, Infallible>(Response::new(""))))));
}
