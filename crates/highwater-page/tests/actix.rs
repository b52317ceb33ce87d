//! The page in an app of actix-web's, on a real connection.
#![cfg(feature = "actix-web")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::net::SocketAddr;
use std::sync::mpsc::channel;
use std::thread;

use actix_web::{App, HttpServer, web};
use highwater_page::{Mounted, Page};

mod common;

use common::{Connection, agent, metrics_have_both_formats};

/// A host on a free port, for as long as the process runs: the page below a path, below a path in a scope, and at the root.
fn serve(path: &'static str, page: Mounted) -> SocketAddr {
    let (tell, address) = channel();
    thread::spawn(move || {
        let app = move || {
            App::new()
                .route("/work", web::get().to(async || "done"))
                .service(web::scope("/admin").service(page.clone()))
                .service(page.clone())
        };
        let server = HttpServer::new(app).workers(2).disable_signals().bind((path, 0)).unwrap();
        tell.send(server.addrs()[0]).unwrap();
        actix_web::rt::System::new().block_on(server.run()).unwrap();
    });
    address.recv().unwrap()
}

#[test]
fn below_a_path_of_actix_s_everything_is_there_and_without_its_slash_one_is_sent_on() {
    let page = Page::builder(agent()).start_mounted().unwrap();
    let address = serve("127.0.0.1", page.mounted("/memory"));
    let mut connection = Connection::open(address);
    for beginning in ["", "/admin"] {
        assert_eq!(connection.get("/work").text(), "done");
        let sent_on = connection.get(&format!("{beginning}/memory"));
        assert_eq!((sent_on.status, sent_on.header("location")), (308, Some("memory/")));
        assert!(connection.get(&format!("{beginning}/memory/")).text().contains("page.js"));
        let script =
            connection.ask("GET", &format!("{beginning}/memory/page.js"), &["Host: x", "Accept-Encoding: gzip"]);
        assert_eq!(script.header("content-encoding"), Some("gzip"));
        let tag = format!("If-None-Match: {}", script.header("etag").unwrap());
        let again =
            connection.ask("GET", &format!("{beginning}/memory/page.js"), &["Host: x", "Accept-Encoding: gzip", &tag]);
        assert_eq!(again.status, 304);
        // The one that takes it stands in the second line.
        let lines = ["Host: x", "Accept-Encoding: br", "Accept-Encoding: gzip"];
        let script = connection.ask("GET", &format!("{beginning}/memory/page.js"), &lines);
        assert_eq!(script.header("content-encoding"), Some("gzip"));
        metrics_have_both_formats(&mut connection, &format!("{beginning}/memory/metrics"));
        let posted = connection.ask("POST", &format!("{beginning}/memory/"), &["Host: x", "Content-Length: 0"]);
        assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
        assert_eq!(connection.get(&format!("{beginning}/memory/nowhere")).status, 404);
        let head = connection.ask("HEAD", &format!("{beginning}/memory/api/snapshot"), &["Host: x"]);
        assert_eq!(head.status, 200);
        let seq = connection.get(&format!("{beginning}/memory/api/snapshot")).json()["seq"].as_u64().unwrap();
        let mut live = Connection::live(address, &format!("{beginning}/memory/api/live?after={seq}"), &[]);
        assert_eq!(live.message().unwrap().id, Some(seq + 1));
    }
    drop(page);
    assert_eq!(connection.get("/memory/").status, 503, "it ended with its guard");
    assert_eq!(connection.get("/work").text(), "done");
}

#[test]
fn a_mount_point_may_have_the_name_of_a_place_of_the_page() {
    let page = Page::builder(agent()).start_mounted().unwrap();
    let mut connection = Connection::open(serve("127.0.0.1", page.mounted("/api")));
    assert_eq!(connection.get("/api").header("location"), Some("api/"));
    for beginning in ["", "/admin"] {
        assert!(connection.get(&format!("{beginning}/api/")).text().contains("page.js"));
        assert!(connection.get(&format!("{beginning}/api/api/snapshot")).json()["seq"].is_u64());
    }
}

#[test]
fn it_can_be_all_of_an_app() {
    let page = Page::builder(agent()).start_mounted().unwrap();
    let mut connection = Connection::open(serve("127.0.0.1", page.mounted("/")));
    assert_eq!(connection.get("/work").text(), "done");
    assert!(connection.get("/").text().contains("page.js"));
    assert_eq!(connection.get("/api/snapshot").status, 200);
}
