//! A service that installs jemalloc by a line of its own, which could take heap profiles and was not told to.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

use highwater::__private::Jemalloc;

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

#[test]
fn it_is_said_what_turns_heap_profiles_on_and_who_asks_for_one_is_refused() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_that_asks_for_one", "--ignored", "--nocapture"])
        .env("OTEL_SDK_DISABLED", "true")
        .output()
        .unwrap();
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{error}");
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
#[ignore = "the other test starts it, and reads what it says"]
fn a_child_that_asks_for_one() {
    let agent = highwater::start();
    println!("{}", agent.capture(Duration::from_secs(60)).unwrap_err());
    agent.shutdown(Duration::from_secs(60));
}
