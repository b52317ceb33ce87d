//! A service that installs jemalloc by a line of its own, which could take heap profiles and was not told to.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "test code, outside of test functions")]

use std::process::Command;
use std::thread;
use std::time::Duration;

use highwater::__private::Jemalloc;
use highwater::{CaptureError, Refusal};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// What the child says, and what its agent does, with these settings of jemalloc.
fn child(jemalloc: &str) -> (String, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_that_asks_for_one", "--ignored", "--nocapture"])
        .env("OTEL_SDK_DISABLED", "true")
        .env("_RJEM_MALLOC_CONF", jemalloc)
        .output()
        .unwrap();
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{error}");
    (said.into_owned(), error.into_owned())
}

#[test]
fn it_is_said_what_turns_heap_profiles_on_and_who_asks_for_one_is_refused() {
    let (said, error) = child("");
    for part in [
        "there are no heap profiles: jemalloc was started without them",
        "highwater::jemalloc!();",
        "_RJEM_MALLOC_CONF=prof:true",
    ] {
        assert!(error.contains(part), "{part} in {error}");
    }
    assert!(said.contains("no heap profile: none can be taken here, as was said at the start"), "{said}");
}

#[test]
fn it_is_said_that_profiles_show_nothing_while_jemalloc_does_not_sample() {
    let (said, error) = child("prof:true,prof_active:false");
    let text = "heap profiles show nothing: jemalloc does not sample now (prof_active:false in its settings)";
    assert!(error.contains(text), "{error}");
    assert!(said.contains("heap profile in ") && said.contains("nothing was sampled"), "{said}");
}

#[test]
fn it_is_said_which_settings_of_jemalloc_make_its_numbers_and_profiles_worth_less() {
    let (_, error) = child("prof:true,lg_prof_sample:30");
    assert!(error.contains("heap profiles show little: jemalloc samples one in 1GiB (lg_prof_sample"), "{error}");
    assert!(error.contains("jemalloc runs with cache_oblivious:true: "), "{error}");
    let (_, error) = child("prof:true,lg_prof_sample:21,cache_oblivious:false");
    assert!(!error.contains("show little") && !error.contains("oblivious"), "{error}");
}

#[test]
#[ignore = "the other test starts it, and reads what it says"]
fn a_child_that_asks_for_one() {
    let agent = highwater::start();
    loop {
        match agent.capture(Duration::from_secs(60)) {
            // The agent takes one of its own at the start.
            Err(CaptureError::Refused { reason: Refusal::Busy, .. }) => thread::park_timeout(Duration::from_millis(10)),
            Ok(capture) => break println!("{capture}"),
            Err(error) => break println!("{error}"),
        }
    }
    agent.shutdown(Duration::from_secs(60));
}
