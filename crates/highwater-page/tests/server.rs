//! The page's own server over real sockets: what it shows, and what it does with those who ask too much, too slowly, or not at
//! all.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use highwater_page::{Page, StartError};

mod common;

use common::{Connection, agent, page, until};

fn address(page: &Page) -> SocketAddr {
    page.address().unwrap()
}

#[test]
fn a_snapshot_has_history_state_and_a_verdict() {
    let page = page();
    let mut connection = Connection::open(address(&page));
    let snapshot = until("there are two rows", || {
        let snapshot = connection.get("/api/snapshot").json();
        (snapshot["history"]["time"].as_array()?.len() >= 2).then_some(snapshot)
    });
    let used = snapshot["history"]["used"].as_array().unwrap();
    assert!(used.iter().all(|used| used.as_u64().is_some_and(|used| used > 100_000)), "{used:?}");
    let state = &snapshot["state"];
    assert!(!state["verdict"]["title"].as_str().unwrap().is_empty(), "{state}");
    assert_eq!(state["service"]["pid"], std::process::id());
    assert_eq!(state["delivery"]["state"], "off");
    assert!(!state["delivery"]["hint"].as_str().unwrap().is_empty());
    assert_eq!(state["levels"][2]["setting"], "95%");
    assert!(state["cost"]["page_bytes"].as_u64().unwrap() >= 451_440);
}

#[test]
fn the_page_and_its_assets_come_over_one_connection() {
    let page = page();
    let mut connection = Connection::open(address(&page));
    assert!(connection.get("/").text().contains("<script src=\"page.js\" defer></script>"));
    for asset in ["/page.css", "/page.js", "/uplot.js", "/uplot.css", "/favicon.svg"] {
        let answer = connection.ask("GET", asset, &["Host: localhost", "Accept-Encoding: gzip"]);
        assert_eq!((answer.status, answer.header("content-encoding")), (200, Some("gzip")), "{asset}");
        assert_eq!(answer.body[..2], [0x1f, 0x8b], "{asset}");
    }
    let export = connection.get("/export.html");
    assert!(export.text().contains("id=\"snapshot\">{\"seq\":"));
    assert_eq!(connection.ask("HEAD", "/api/snapshot", &["Host: localhost"]).status, 200);
    assert_eq!(connection.get("/nowhere").status, 404);
    assert_eq!(connection.ask("DELETE", "/api/snapshot", &["Host: localhost"]).status, 405);
    assert_eq!(connection.ask("GET", "/", &["Host: evil.example"]).status, 403);
}

#[test]
fn a_stream_goes_on_from_a_snapshot_and_after_a_break_from_its_last_message() {
    let page = page();
    let seq = Connection::open(address(&page)).get("/api/snapshot").json()["seq"].as_u64().unwrap();
    let mut live = Connection::live(address(&page), &format!("/api/live?after={seq}"), &[]);
    let first = live.message().unwrap();
    assert_eq!((first.event.as_str(), first.id), ("sample", Some(seq + 1)));
    assert!(first.data["row"]["used"].as_u64().is_some() && first.data["state"]["verdict"].is_object(), "{first:?}");
    drop(live);
    let id = format!("Last-Event-ID: {}", seq + 1);
    let mut again = Connection::live(address(&page), "/api/live?after=1", &[&id]);
    let ids: Vec<_> = (0..3).map(|_| again.message().unwrap().id.unwrap()).collect();
    assert_eq!(ids, [seq + 2, seq + 3, seq + 4], "the header counts, and nothing is missed");
    for unknown in ["/api/live?after=1", "/api/live?after=x"] {
        let reset = Connection::live(address(&page), unknown, &[]).message().unwrap();
        assert_eq!((reset.event.as_str(), reset.id), ("reset", None), "{unknown}");
    }
}

#[test]
fn fifty_streams_get_the_same_messages() {
    let page = page();
    let seq = Connection::open(address(&page)).get("/api/snapshot").json()["seq"].as_u64().unwrap();
    let target = format!("/api/live?after={seq}");
    let mut streams: Vec<_> = (0..50).map(|_| Connection::live(address(&page), &target, &[])).collect();
    for number in 1..=2 {
        let messages: Vec<_> = streams.iter_mut().map(|live| live.message().unwrap()).collect();
        for message in &messages {
            assert_eq!(message.id, Some(seq + number));
            assert_eq!(message.data, messages[0].data);
        }
    }
}

#[test]
fn a_token_is_needed_where_one_is_given_and_becomes_a_cookie() {
    const TOKEN: &str = "correct-horse-battery";
    let page = Page::builder(agent()).address((Ipv4Addr::LOCALHOST, 0)).token(TOKEN).start().unwrap();
    let mut connection = Connection::open(address(&page));
    assert_eq!(connection.get("/api/snapshot").status, 401);
    assert_eq!(connection.get("/page.js").status, 401);
    let welcome = connection.get(&format!("/?token={TOKEN}"));
    assert_eq!((welcome.status, welcome.header("location")), (303, Some("./")));
    let cookie = welcome.header("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    let cookie = format!("Cookie: {}", cookie.split(';').next().unwrap());
    assert_eq!(connection.ask("GET", "/api/snapshot", &["Host: localhost", &cookie]).status, 200);
    let bearer = format!("Authorization: Bearer {TOKEN}");
    assert_eq!(connection.ask("GET", "/api/snapshot", &["Host: localhost", &bearer]).status, 200);
    let refused = Page::builder(agent()).token("short").start().unwrap_err();
    assert!(matches!(&refused, StartError::Token(remedy) if !remedy.contains("short")), "{refused}");
}

/// In a process of its own, since it is about the environment.
#[test]
fn with_a_token_of_the_environment_that_cannot_be_used_there_is_no_page() {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "no_page", "--ignored", "--nocapture"]);
    child.env("HIGHWATER_PAGE_TOKEN", "too-short").env("OTEL_SDK_DISABLED", "true");
    let output = child.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("HIGHWATER_PAGE_TOKEN=\"***\": not a token: write 16 to 256 letters"), "{said}");
    assert!(said.contains("there is no page: the page's token (HIGHWATER_PAGE_TOKEN) is not a token: "), "{said}");
    assert!(!said.contains("too-short"), "{said}");
}

#[test]
#[ignore = "the process of the test above"]
fn no_page() {
    let page = highwater_page::start(&highwater::start());
    assert!(page.address().is_none());
}

#[test]
fn what_code_sets_is_checked_as_what_the_environment_does() {
    let host = Page::builder(agent()).host("http://memory.example.org").start().unwrap_err();
    assert!(matches!(host, StartError::Host(_)) && host.to_string().contains("without scheme"), "{host}");
    let jaeger = Page::builder(agent()).jaeger("javascript:alert(1)").start_mounted().unwrap_err();
    assert!(matches!(jaeger, StartError::Jaeger(_)) && jaeger.to_string().contains("http://HOST:PORT"), "{jaeger}");
    let page = Page::builder(agent())
        .address((Ipv4Addr::LOCALHOST, 0))
        .host("Memory.example.org")
        .jaeger("http://127.0.0.1:16686/")
        .start()
        .unwrap();
    let answer = Connection::open(address(&page)).ask("GET", "/api/snapshot", &["Host: memory.example.org"]);
    assert_eq!(answer.json()["state"]["links"]["jaeger"], "http://127.0.0.1:16686");
}

#[test]
fn on_another_address_than_loopback_a_token_is_made() {
    let page = Page::builder(agent()).address((Ipv4Addr::UNSPECIFIED, 0)).start().unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, address(&page).port()));
    assert_eq!(page.url().unwrap(), format!("http://{address}/"));
    assert_eq!(Connection::open(address).get("/").status, 401);
}

/// In a process of its own, since it is about standard error.
#[test]
fn a_token_that_is_made_is_on_standard_error_once_and_not_in_the_log() {
    for (process, logged) in [("a_page_without_a_log", 0), ("a_page_with_a_log", 1)] {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", process, "--ignored", "--nocapture"]);
        child.env("OTEL_SDK_DISABLED", "true").env("HIGHWATER_PAGE", "0.0.0.0:0");
        let output = child.output().unwrap();
        let [error, log] = [output.stderr, output.stdout].map(|said| String::from_utf8(said).unwrap());
        assert!(output.status.success(), "{error}");
        let said: Vec<_> = error.lines().filter(|line| line.contains("page at")).collect();
        let [line] = said[..] else { panic!("once: {error}") };
        let (address, token) = line.strip_prefix("highwater: page at ").unwrap().split_once("?token=").unwrap();
        assert!(address.starts_with("http://127.0.0.1:") && address.ends_with('/'), "{line}");
        assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line}");
        assert!(!log.contains(token), "{log}");
        let said =
            format!("page at {address}?token=... (the token is on standard error, and HIGHWATER_PAGE_TOKEN sets one)");
        assert_eq!(log.matches(&said).count(), logged, "{log}");
    }
}

#[test]
#[ignore = "a process of the test above"]
fn a_page_without_a_log() {
    let page = highwater_page::start(&highwater::start());
    assert!(page.address().is_some());
}

#[test]
#[ignore = "a process of the test above"]
fn a_page_with_a_log() {
    tracing_core::dispatcher::set_global_default(tracing_core::Dispatch::new(Log)).unwrap();
    a_page_without_a_log();
}

/// A log on standard output.
struct Log;

impl tracing_core::Subscriber for Log {
    fn enabled(&self, metadata: &tracing_core::Metadata<'_>) -> bool {
        metadata.target() == "highwater"
    }

    fn new_span(&self, _: &tracing_core::span::Attributes<'_>) -> tracing_core::span::Id {
        tracing_core::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing_core::span::Id, _: &tracing_core::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing_core::span::Id, _: &tracing_core::span::Id) {}

    fn event(&self, event: &tracing_core::Event<'_>) {
        event.record(&mut |_: &tracing_core::Field, value: &dyn std::fmt::Debug| println!("{value:?}"));
    }

    fn enter(&self, _: &tracing_core::span::Id) {}

    fn exit(&self, _: &tracing_core::span::Id) {}
}

#[test]
fn a_port_that_is_taken_is_an_error_that_names_the_setting() {
    let first = page();
    let error = Page::builder(agent()).address(address(&first)).start().unwrap_err();
    let said = error.to_string();
    assert!(
        said.starts_with(&format!("cannot listen at {}: ", address(&first))) && said.contains("HIGHWATER_PAGE"),
        "{said}"
    );
}

#[test]
fn a_head_that_is_too_large_is_refused_and_the_connection_closed() {
    let page = page();
    for header in [format!("X: {}", "x".repeat(64 << 10)), "X: y\r\n".repeat(200)] {
        let mut connection = Connection::open(address(&page));
        // The server may be done before all is written.
        let _ = connection.write(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n").as_bytes());
        match connection.head() {
            Ok(answer) => assert_eq!(answer.status, 431),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
        assert!(connection.is_closed());
    }
    assert_eq!(Connection::open(address(&page)).get("/").status, 200);
}

#[test]
fn half_a_request_and_none_at_all_are_waited_for_and_no_longer() {
    let page = page();
    let mut silent = Connection::open(address(&page));
    let mut half = Connection::open(address(&page));
    half.write(b"GET / HTTP/1.1\r\nHost: loc").unwrap();
    let mut idle = Connection::open(address(&page));
    assert_eq!(idle.get("/").status, 200);
    assert!(half.is_closed() && silent.is_closed() && idle.is_closed());
}

#[test]
fn where_too_many_connect_they_are_told_and_those_that_go_make_room() {
    let page = page();
    let held: Vec<_> = (0..64).map(|_| Connection::live(address(&page), "/api/live", &[])).collect();
    for _ in 0..20 {
        let mut beyond = TcpStream::connect(address(&page)).unwrap();
        let mut answer = String::new();
        beyond.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 503 ") && head.contains(&format!("Content-Length: {}", body.len())),
            "{answer}"
        );
    }
    drop(held);
    until("there is room again", || {
        let mut connection = Connection::open(address(&page));
        connection.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
        connection.head().ok().filter(|answer| answer.status == 200)
    });
}

#[test]
fn those_who_ask_for_nothing_now_make_room_for_those_who_come() {
    let page = page();
    let mut live = Connection::live(address(&page), "/api/live", &[]);
    // As the browsers of twenty people who open the page at once: six connections each, which they keep.
    let kept: Vec<_> = (0..120)
        .map(|_| {
            let mut connection = Connection::open(address(&page));
            assert_eq!(connection.get("/page.js").status, 200);
            connection
        })
        .collect();
    assert!(live.message().is_ok(), "a stream goes on");
    drop(kept);
}

#[test]
fn ten_thousand_connection_attempts_are_over_soon_and_leave_the_page_as_it_was() {
    let page = page();
    let mut open = std::collections::VecDeque::new();
    for _ in 0..10_000 {
        open.push_back(TcpStream::connect(address(&page)).unwrap());
        // As many as a client has descriptors for.
        if open.len() > 400 {
            open.pop_front();
        }
    }
    drop(open);
    until("the page answers", || {
        let mut connection = Connection::open(address(&page));
        connection.write(b"GET /api/snapshot HTTP/1.1\r\nHost: localhost\r\n\r\n").ok()?;
        connection.head().ok().filter(|answer| answer.status == 200)
    });
}

#[test]
fn strangers_who_ask_and_leave_are_in_the_way_of_nobody_who_has_the_token() {
    const TOKEN: &str = "correct-horse-battery";
    let page = Page::builder(agent()).address((Ipv4Addr::LOCALHOST, 0)).token(TOKEN).start().unwrap();
    for _ in 0..5_000 {
        // Who is sent away at once may not have written all.
        let _ = Connection::open(address(&page)).write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    }
    let clock = tokio::time::Instant::now();
    let request = format!("GET /api/snapshot HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
    until("who has the token is answered", || {
        let mut connection = Connection::open(address(&page));
        connection.write(request.as_bytes()).ok()?;
        connection.head().ok().filter(|answer| answer.status == 200)
    });
    // Where each had had its turn, there would be more than ten seconds of them.
    assert!(clock.elapsed().as_secs() < 5, "{:?}", clock.elapsed());
}

#[test]
fn a_reader_that_stands_still_is_cut_off() {
    let page = page();
    let mut connection = Connection::open(address(&page));
    // Far more than the kernel keeps for a reader, and none of it is read.
    connection.write(&b"GET /export.html HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2_000)).unwrap();
    let error = until("the server closes the connection", || connection.error());
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[test]
fn the_page_ends_with_its_guard() {
    let page = page();
    let address = address(&page);
    let mut live = Connection::live(address, "/api/live", &[]);
    drop(page);
    while live.message().is_ok() {}
    assert!(TcpStream::connect(address).is_err());
    let again = Page::builder(agent()).address(address).start().unwrap();
    assert_eq!(again.address(), Some(address), "the port is free at once");
}

#[test]
fn it_starts_and_ends_inside_of_any_runtime_and_is_served_while_that_is_stuck() {
    let current = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let multi = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    for runtime in [&current, &multi] {
        runtime.block_on(async {
            let page = page();
            // Blocks the executor, and is answered all the same.
            assert_eq!(Connection::open(address(&page)).get("/api/snapshot").status, 200);
            drop(page);
        });
    }
}
