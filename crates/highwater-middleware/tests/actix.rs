//! Load shedding as a middleware of actix-web's, on a real connection.
#![cfg(feature = "actix-web")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests fail as tests do")]

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use highwater::Level;
use highwater_middleware::{LoadShed, Share};

mod common;

use common::{Connection, high};

fn all() -> LoadShed {
    LoadShed::new(high()).from_level(Level::High, Share::ALL).exempt("/status")
}

/// A server on a free port, for as long as the process runs.
fn serve(shed: LoadShed) -> SocketAddr {
    let (tell, address) = channel();
    thread::spawn(move || {
        let app = move || {
            App::new()
                .wrap(shed.clone())
                .app_data(web::PayloadConfig::new(8 << 20))
                .route("/status", web::get().to(async || "fine"))
                .route("/work", web::get().to(async || "done"))
                .route("/upload", web::post().to(async |body: web::Bytes| body.len().to_string()))
        };
        let server = HttpServer::new(app).workers(2).disable_signals().bind(("127.0.0.1", 0)).unwrap();
        tell.send(server.addrs()[0]).unwrap();
        actix_web::rt::System::new().block_on(server.run()).unwrap();
    });
    address.recv().unwrap()
}

#[test]
fn requests_are_turned_away_with_a_time_to_come_back_and_exempt_ones_are_not() {
    let mut connection = Connection::open(serve(all().retry_after(Duration::from_millis(1_500))));
    connection.get("/work").is_turned_away("2");
    connection.get("/nowhere").is_turned_away("2");
    assert_eq!(connection.get("/status?now").body, "fine");
    connection.get("/work").is_turned_away("2");
}

#[test]
fn workers_shed_one_share_together() {
    let address = serve(LoadShed::new(high()));
    // Each connection is at the worker whose turn it is.
    let mut connections = [(); 4].map(|()| Connection::open(address));
    let statuses: Vec<_> = (0..4).flat_map(|_| connections.each_mut().map(|one| one.get("/work").status)).collect();
    assert_eq!(statuses, [200, 503].repeat(8));
}

#[test]
fn a_connection_is_in_order_after_a_request_whose_body_nobody_read() {
    let address = serve(all());
    for size in [0, 10, 10_000, 1 << 20, 16 << 20] {
        let mut connection = Connection::open(address);
        let answer = connection.post("/upload", size);
        answer.is_turned_away("30");
        // actix-web says so where it closes the connection after what it has not read.
        let closes = answer.header("connection") == Some("close");
        assert_eq!(connection.goes_on(), !closes, "{size} bytes");
    }
}
