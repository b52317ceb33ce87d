//! Its live page.

use highwater_e2e::demo::Demo;
use highwater_e2e::folder::Folder;
use highwater_e2e::{http, ports, wait};
use serde_json::Value;

use super::{AT_ONCE, SMALL, fill};

const PAGE: (&str, &str) = ("HIGHWATER_PAGE", "127.0.0.1:0");

/// The address that the demo says.
#[track_caller]
fn page_of(demo: &Demo) -> String {
    wait::until_ok("the demo says where its page is", || {
        let error = demo.process().error();
        let url = error.lines().find_map(|line| line.strip_prefix("highwater: page at "));
        url.map(str::to_owned).ok_or(error)
    })
}

#[track_caller]
fn snapshot(page: &str) -> Value {
    http::get(&format!("{page}api/snapshot")).unwrap().json()
}

#[test]
fn the_demo_serves_its_page_and_says_where() {
    let demo = Demo::start(None, &[super::UNSENT, SMALL, AT_ONCE[0], AT_ONCE[1], PAGE]);
    let page = page_of(&demo);
    let index = http::get(&page).unwrap();
    assert_eq!((index.status, index.content_type.as_str()), (200, "text/html; charset=utf-8"));
    assert!(index.body.contains("page.js"), "{}", index.body);
    wait::until_ok("the page shows that the demo warms up", || {
        let state = snapshot(&page)["state"].take();
        let is_so = state["verdict"]["kind"] == "warming_up"
            && state["allocator"] == "jemalloc"
            && state["heap_profiles"] == true;
        if is_so { Ok(()) } else { Err(state) }
    });
    fill(&demo, "/allocate");
    wait::until_ok("the page shows that it is near the limit, and the function that holds the memory", || {
        let snapshot = snapshot(&page);
        let events = snapshot["events"].as_array().unwrap();
        let has = |name: &str| events.iter().find(|event| event["name"] == name);
        let captured = has("highwater.capture.written").map(Value::to_string).unwrap_or_default();
        let is_so = snapshot["state"]["verdict"]["kind"] == "near_limit"
            && snapshot["state"]["episode"]["id"].is_string()
            && has("highwater.memory.episode.begun").is_some()
            && captured.contains("Hoard");
        if is_so { Ok(()) } else { Err(snapshot) }
    });
}

#[test]
fn where_the_page_s_port_is_taken_the_demo_says_so_once_and_serves() {
    let taken = ports::listener();
    let address = format!("127.0.0.1:{}", ports::port(&taken));
    let demo = Demo::start(None, &[super::UNSENT, ("HIGHWATER_PAGE", &address)]);
    assert_eq!(demo.get("/status").status, 200);
    let why = format!("there is no page: cannot listen at {address}: Address already in use (os error 98)");
    demo.wait_for_word(&why);
    assert_eq!(demo.process().error().matches(&address).count(), 1);
}

#[test]
fn what_was_told_before_the_page_was_there_is_on_it() {
    let folder = Folder::temporary();
    let black_box = folder.path().join("memory.box");
    let variables = [super::UNSENT, ("HIGHWATER_BLACK_BOX", black_box.to_str().unwrap()), PAGE];
    let mut first = Demo::start(None, &variables);
    wait::until("the box holds a sample", || {
        let snapshot = snapshot(&page_of(&first));
        (snapshot["history"]["time"].as_array().unwrap().len() >= 3).then_some(())
    });
    first.process().signal("KILL");
    assert_eq!(first.process_mut().wait().code(), None);
    let second = Demo::start(None, &variables);
    wait::until_ok("the page tells how the run before ended", || {
        let snapshot = snapshot(&page_of(&second));
        let event =
            snapshot["events"].as_array().unwrap().iter().find(|event| event["name"] == "highwater.previous_run.ended");
        event.cloned().ok_or(snapshot)
    });
}
