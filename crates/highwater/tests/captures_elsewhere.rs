//! A service whose allocator is the system's, although jemalloc is linked: there are neither its numbers nor heap profiles.
#![cfg(target_os = "linux")]

use std::process::Command;
use std::time::Duration;

#[test]
fn it_is_said_that_jemalloc_does_not_serve_the_program_and_who_asks_for_a_heap_profile_is_refused() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_that_asks_for_one", "--ignored", "--nocapture"])
        .env("OTEL_SDK_DISABLED", "true")
        .output()
        .unwrap();
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{error}");
    for part in ["jemalloc is linked, but the program allocates elsewhere"] {
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
