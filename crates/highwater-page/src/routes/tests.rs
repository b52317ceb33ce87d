use std::sync::OnceLock;

use http::header::HeaderName;
use proptest::prelude::*;

use super::*;
use crate::keeper;
use crate::mount::Mount;
use crate::mounted::Mounted;
use crate::snapshots::MOST;

/// The page of an agent that was not started: each of its answers is there all the same.
fn keeper() -> &'static Keeper {
    static KEEPER: OnceLock<std::sync::Arc<Keeper>> = OnceLock::new();
    KEEPER.get_or_init(|| Keeper::new(keeper::tests::observer(), None))
}

fn ask(method: &str, path: &str, headers: &[(&'static str, &str)]) -> Response<Body> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    answer(keeper(), Ask { method: &method.parse().unwrap(), path, query, headers: &map })
}

/// With what asks it of its own server and, at a path that is mounted in two ways, of a host's.
fn ask_each(keeper: &std::sync::Arc<Keeper>, path: &str) -> [Response<Body>; 3] {
    let (method, headers) = (Method::GET, HeaderMap::new());
    let ask = |path| Ask { method: &method, path, query: None, headers: &headers };
    let mounted = Mounted::new(std::sync::Arc::downgrade(keeper), Mount::at("/memory"));
    let whole = format!("/memory{path}");
    [answer(keeper, ask(path)), mounted.answer(ask(&whole)), mounted.answer_below(ask(path))]
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[test]
fn every_answer_has_the_headers_that_guard_it() {
    for (method, path) in [("GET", "/"), ("GET", "/nowhere"), ("POST", "/"), ("GET", "/api/live"), ("HEAD", "/page.js")]
    {
        let answer = ask(method, path, &[]);
        let policy = header(&answer, "content-security-policy");
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert_eq!(header(&answer, "referrer-policy"), "no-referrer");
        assert_eq!(header(&answer, "cross-origin-resource-policy"), "same-origin");
        assert!(answer.headers().keys().all(|name| !name.as_str().starts_with("access-control-")));
        assert!(!header(&answer, "cache-control").is_empty());
    }
}

#[test]
fn only_get_and_head_are_answered() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "BREW"] {
        let answer = ask(method, "/api/snapshot", &[]);
        assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, "GET, HEAD"), "{method}");
    }
}

#[test]
fn head_says_what_get_would_and_has_no_body() {
    for path in ["/", "/page.css", "/api/snapshot", "/export.html", "/nowhere"] {
        let (get, head) = (ask("GET", path, &[]), ask("HEAD", path, &[]));
        assert_eq!((get.status(), head.body().length()), (head.status(), Some(0)));
        assert_eq!(header(&head, "content-type"), header(&get, "content-type"));
        assert!(!header(&head, "content-length").is_empty() && header(&head, "content-length") != "0", "{path}");
    }
    let live = ask("HEAD", "/api/live", &[]);
    assert_eq!((header(&live, "content-type"), live.body().length()), ("text/event-stream", Some(0)));
    assert_eq!(keeper().feed.readers(), 0);
}

#[test]
fn metrics_come_in_the_format_that_is_asked_for() {
    const OPEN: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    // The agent was not started and has no number: one format is empty then, the other says its end.
    for (accept, content_type, length) in [
        (&[""][..], "text/plain; version=0.0.4; charset=utf-8", 0),
        (&["application/openmetrics-text;version=1.0.0"], OPEN, 6),
        (&["text/html", "application/openmetrics-text;version=1.0.0"], OPEN, 6),
    ] {
        let lines: Vec<_> = accept.iter().map(|line| ("accept", *line)).collect();
        let answer = ask("GET", "/metrics", &lines);
        assert_eq!((header(&answer, "content-type"), answer.body().length()), (content_type, Some(length)));
    }
}

#[test]
fn an_asset_comes_by_gzip_where_that_is_taken_and_not_again_where_it_is_held() {
    for (accepted, encoding) in [
        ("gzip, deflate, br", "gzip"),
        ("GZIP", "gzip"),
        ("br;q=1.0, gzip;q=0.5", "gzip"),
        ("", ""),
        ("br", ""),
        ("gzip;q=0", ""),
        ("gzip; q=0.0", ""),
        ("x-gzip", ""),
    ] {
        let answer = ask("GET", "/page.js", &[("accept-encoding", accepted)]);
        assert_eq!(header(&answer, "content-encoding"), encoding, "{accepted:?}");
        assert_eq!(header(&answer, "vary"), "accept-encoding");
        let tag = header(&answer, "etag").to_owned();
        let held = format!("\"other\", W/{tag}");
        let again = ask("GET", "/page.js", &[("accept-encoding", accepted), ("if-none-match", &held)]);
        assert_eq!((again.status().as_u16(), again.body().length()), (304, Some(0)), "{accepted:?}");
        assert_eq!(header(&again, "etag"), tag);
    }
    let plain = header(&ask("GET", "/page.js", &[]), "etag").to_owned();
    let answer = ask("GET", "/page.js", &[("accept-encoding", "gzip"), ("if-none-match", &plain)]);
    assert_eq!(answer.status(), 200, "it is the other form that is held");
}

#[test]
fn while_slow_readers_hold_all_snapshots_an_old_one_is_given_only_while_the_stream_goes_on_from_it() {
    let keeper = Keeper::new(keeper::tests::observer(), None);
    let publish = |count| (0..count).for_each(|_| keeper.feed.publish("sample", Some("{}")));
    let held: Vec<_> = (0..MOST)
        .map(|_| {
            publish(1);
            keeper.snapshot().unwrap()
        })
        .collect();
    let paths = ["/api/snapshot", "/export.json", "/export.html"];
    let answers = || paths.map(|path| ask_each(&keeper, path)).into_iter().flatten();
    // As many as the stream keeps.
    publish(64);
    assert!(answers().all(|answer| answer.status() == 200), "the stream goes on from the newest");
    publish(1);
    for answer in answers() {
        assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "5"));
        assert_eq!(header(&answer, "cache-control"), "no-store");
    }
    drop(held);
    assert!(answers().all(|answer| answer.status() == 200), "there is room again");
}

#[test]
fn what_is_exported_is_a_file_with_a_name() {
    assert_eq!(
        header(&ask("GET", "/export.json", &[]), "content-disposition"),
        "attachment; filename=\"highwater.json\""
    );
    assert_eq!(
        header(&ask("GET", "/export.html", &[]), "content-disposition"),
        "attachment; filename=\"highwater.html\""
    );
}

#[test]
fn a_path_that_is_not_written_so_is_not_there() {
    for path in [
        "/index.html",
        "//page.js",
        "/page.js/",
        "/../page.js",
        "/%70age.js",
        "/api",
        "/api/",
        "/api/snapshot/",
        "page.js",
    ] {
        assert_eq!(ask("GET", path, &[]).status(), 404, "{path}");
    }
    assert_eq!(ask("GET", "", &[]).status(), 200, "what a router leaves of the mount point");
}

proptest! {
    #[test]
    fn any_request_gets_one_answer(
        method in "[A-Z]{1,8}",
        path in "[!-~]{0,40}",
        id in "[ -~]{0,24}",
        accepted in "[ -~]{0,24}",
    ) {
        let path = path.replace('?', "");
        for path in [format!("/{path}"), format!("/api/live?after={path}"), "/page.js".to_owned()] {
            let answer = ask(&method, &path, &[("last-event-id", &id), ("accept-encoding", &accepted), ("if-none-match", &id)]);
            prop_assert!(matches!(answer.status().as_u16(), 200 | 304 | 404 | 405), "{} of {}", answer.status(), path);
        }
        prop_assert_eq!(keeper().feed.readers(), 0, "a stream that is dropped leaves nothing behind");
    }
}
