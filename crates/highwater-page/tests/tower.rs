//! The page in an app of axum's, on a real connection.
#![cfg(feature = "tower")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::net::SocketAddr;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

use axum::Router;
use axum::routing::get;
use highwater_page::{Mounted, Page};

mod common;

use common::{Connection, PATIENCE, agent, metrics_have_both_formats};

/// A host on a free port, for as long as the process runs.
fn serve(app: impl FnOnce(Router) -> Router + Send + 'static) -> SocketAddr {
    let (tell, address) = channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let app = app(Router::new().route("/work", get(async || "done")));
            axum::serve(listener, app).await.unwrap();
        });
    });
    address.recv().unwrap()
}

fn below_memory(page: Mounted) -> SocketAddr {
    serve(|app| app.route_service("/memory", page.clone()).nest_service("/memory/", page))
}

#[test]
fn below_a_path_of_axum_s_everything_is_there_and_without_its_slash_one_is_sent_on() {
    let page = Page::builder(agent()).start_mounted().unwrap();
    assert_eq!(page.address(), None, "it has no server of its own");
    let address = below_memory(page.mounted("/memory"));
    let mut connection = Connection::open(address);
    assert_eq!(connection.get("/work").text(), "done");
    let sent_on = connection.get("/memory");
    assert_eq!((sent_on.status, sent_on.header("location")), (308, Some("memory/")));
    assert!(connection.get("/memory/").text().contains("page.js"));
    assert_eq!(connection.get("/memory/page.js").header("content-type"), Some("text/javascript; charset=utf-8"));
    metrics_have_both_formats(&mut connection, "/memory/metrics");
    assert_eq!(connection.ask("POST", "/memory/", &["Host: localhost", "Content-Length: 0"]).status, 405);
    assert_eq!(connection.get("/memory/nowhere").status, 404);
    let seq = connection.get("/memory/api/snapshot").json()["seq"].as_u64().unwrap();
    let mut live = Connection::live(address, &format!("/memory/api/live?after={seq}"), &[]);
    assert_eq!(live.message().unwrap().id, Some(seq + 1));
    drop(page);
    while live.message().is_ok() {}
    assert_eq!(connection.get("/memory/").status, 503, "it ended with its guard");
    assert_eq!(connection.get("/work").text(), "done");
}

#[test]
fn a_mount_point_may_have_the_name_of_a_place_of_the_page() {
    let page = Page::builder(agent()).start_mounted().unwrap();
    let (stripped, whole) = (page.mounted("/api"), page.mounted("/api"));
    let stripped = serve(|app| app.route_service("/api", stripped.clone()).nest_service("/api/", stripped));
    let whole = serve(|app| app.route_service("/api", whole.clone()).route_service("/api/{*below}", whole));
    for address in [stripped, whole] {
        let mut connection = Connection::open(address);
        assert_eq!(connection.get("/api").header("location"), Some("api/"));
        assert_eq!(connection.get("/api/page.js").status, 200);
        assert!(connection.get("/api/api/snapshot").json()["seq"].is_u64(), "{address}");
        assert_eq!(connection.get("/api/nowhere").status, 404);
    }
}

#[test]
fn a_graceful_shutdown_ends_while_a_tab_is_open_and_the_page_is_there() {
    let page = Page::builder(agent()).start_mounted().unwrap();
    let mounted = page.mounted("/");
    let (tell, address) = channel();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (end, ended) = channel::<()>();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let served = axum::serve(listener, Router::new().fallback_service(mounted));
            served.with_graceful_shutdown(async { drop(stopped.await) }).await.unwrap();
        });
        drop(end);
    });
    let mut live = Connection::live(address.recv().unwrap(), "/api/live", &[]);
    live.message().unwrap();
    stop.send(()).unwrap();
    assert_eq!(ended.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected), "it waits for no tab for ever");
    drop(page);
}

#[test]
fn it_can_be_all_of_an_app() {
    let page = Page::builder(agent()).start_mounted().unwrap();
    let mounted = page.mounted("/");
    let address = serve(|app| app.fallback_service(mounted));
    let mut connection = Connection::open(address);
    assert!(connection.get("/").text().contains("page.js"));
    assert_eq!(connection.get("/api/snapshot").status, 200);
    assert_eq!(
        connection.ask("HEAD", "/export.json", &["Host: any.example"]).status,
        200,
        "who may ask is the host's to decide"
    );
}
