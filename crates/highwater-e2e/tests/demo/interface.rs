//! Its interface: that of the well-known Node.js guide, key for key.

use highwater_e2e::demo::Demo;
use highwater_e2e::pattern::assert_fits;
use highwater_e2e::{http, wait};

use super::{AT_ONCE, SMALL, UNSENT, fill};

/// What follows the guide's keys.
const OURS: &str = r#""highwater":{"heapTotal":@,"heapUsed":@,"external":@,"rss":@,"used":@,"limit":@,"limitSource":"config","level":"normal","episode":null}}"#;

#[test]
fn answers_are_those_of_the_guide_byte_for_byte() {
    let demo = Demo::start(None, &[UNSENT]);
    let metrics =
        |external: u32| format!(r#""memoryMetrics":{{"heapTotal":"@MB","heapUsed":"@MB","external":"{external}MB"}}"#);
    let ours = |body: &str| {
        // Absent where jemalloc counts more than the kernel holds.
        let unattributed = if body.contains("unattributed") { r#""used":@,"unattributed":@"# } else { r#""used":@"# };
        let config = if body.contains(r#""limitSource":"config""#) { "config" } else { "cgroup" };
        OURS.replace(r#""used":@"#, unattributed).replace("config", config)
    };
    let answers = |path: &str, head: &str| {
        let answer = demo.get(path);
        assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json"));
        assert_fits(&format!("{{{head},{}", ours(&answer.body)), &answer.body);
    };
    answers("/status", &format!(r#"{},"objectCount":0"#, metrics(0)));
    answers("/allocate", &format!(r#""message":"Allocated 1MB of memory",{},"objectCount":1"#, metrics(0)));
    answers("/allocate", &format!(r#""message":"Allocated 1MB of memory",{},"objectCount":2"#, metrics(0)));
    answers("/buffer", &format!(r#""message":"Created 1MB buffer",{}"#, metrics(1)));
    answers("/status", &format!(r#"{},"objectCount":2"#, metrics(1)));
    let released = "Released 2 objects and 1 buffers; the process holds ~MiB now";
    answers("/release", &format!(r#""message":"{released}",{},"objectCount":0"#, metrics(0)));
    answers("/status", &format!(r#"{},"objectCount":0"#, metrics(0)));
}

#[test]
fn each_call_adds_one_mebibyte_where_it_belongs() {
    let demo = Demo::start(None, &[UNSENT]);
    let mib = 1 << 20;
    let heap_used = |answer: &http::Answer| answer.json()["highwater"]["heapUsed"].as_u64().unwrap();
    for number in 1..=8_u64 {
        let answer = demo.get("/buffer");
        assert_eq!(answer.json()["memoryMetrics"]["external"], format!("{number}MB"));
        assert_eq!(answer.json()["highwater"]["external"], number * mib);
    }
    let mut before = heap_used(&demo.get("/status"));
    for number in 1..=8_u64 {
        let answer = demo.get("/allocate");
        let after = heap_used(&answer);
        // Other threads of the demo allocate and free a little meanwhile.
        assert!((after - before).abs_diff(mib) < mib / 10, "from {before} to {after}");
        assert_eq!(answer.json()["objectCount"], number);
        assert_eq!(answer.json()["memoryMetrics"]["external"], "8MB");
        before = after;
    }
}

#[test]
fn heap_and_buffers_are_resident_and_given_back() {
    let demo = Demo::start(None, &[UNSENT]);
    let rss = || demo.status()["rss"].as_u64().unwrap();
    let before = rss();
    for _ in 0..32 {
        demo.get("/allocate");
        demo.get("/buffer");
    }
    let held = rss();
    assert!(held >= before + (64 << 20), "every page is touched: from {before} to {held}");
    assert!(held.abs_diff(demo.process().resident()) < 2 << 20, "rss is the kernel's");
    let answer = demo.get("/release");
    assert!(answer.body.contains("Released 32 objects and 32 buffers"), "{}", answer.body);
    assert!(rss() <= held - (24 << 20), "mappings go at once");
    assert!(demo.status()["heapUsed"].as_u64().unwrap() < 16 << 20);
}

#[test]
fn anything_else_is_not_found_and_has_no_body() {
    let demo = Demo::start(None, &[UNSENT]);
    let gets = ["/", "/allocate/", "/allocate/1", "/Status", "/metrics/", "/favicon.ico", "//status"]
        .map(|path| ("GET", path));
    let others =
        [("POST", "/allocate"), ("PUT", "/buffer"), ("DELETE", "/release"), ("POST", "/status"), ("HEAD", "/nope")];
    for (method, path) in gets.into_iter().chain(others) {
        let answer = http::ask(method, &demo.url(path)).unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{method} {path}");
    }
    let status = demo.get("/status?with=a&query").json();
    assert_eq!((&status["objectCount"], &status["highwater"]["external"]), (&0.into(), &0.into()), "nothing was done");
}

#[test]
fn near_the_limit_it_refuses_and_says_why() {
    let demo = Demo::start(None, &[&[SMALL, UNSENT], &AT_ONCE[..]].concat());
    for path in ["/allocate", "/buffer"] {
        let answer = fill(&demo, path);
        assert_eq!((answer.status, answer.content_type.as_str()), (507, "application/json"));
        let json = answer.json();
        let why =
            "Refused: ~MiB of 128MiB are used, 97 % is where the demo stops; /release frees, DEMO_ALLOW_OOM=1 goes on";
        assert_fits(why, json["message"].as_str().unwrap());
        let share = json["highwater"]["used"].as_f64().unwrap() / f64::from(128 << 20);
        assert!((0.95..0.97).contains(&share), "every level can be reached, and no more is taken: {share}");
        assert!(json["memoryMetrics"]["heapUsed"].is_string());
    }
    demo.wait_for_level("critical");
    demo.get("/release");
    // The allocator gives back what was freed over ten seconds.
    wait::until("there is room again", || (demo.get("/buffer").status == 200).then_some(()));
}

#[test]
fn it_goes_on_beyond_its_limit_where_that_is_allowed() {
    let demo = Demo::start(None, &[("HIGHWATER_LIMIT", "32MiB"), UNSENT, ("DEMO_ALLOW_OOM", "1")]);
    for _ in 0..40 {
        assert_eq!(demo.get("/allocate").status, 200);
    }
    assert!(demo.status()["used"].as_u64().unwrap() > 32 << 20);
}
