//! A service whose standard error is gone, as of a supervisor that died: the agent fails it no more than anything else.
#![cfg(unix)]

use std::process::{Command, Stdio};

#[test]
fn words_that_nobody_can_hear_fail_nobody() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_with_something_to_say", "--ignored"])
        .env("HIGHWATER_LIMIT", "much")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
}

#[test]
#[ignore = "the other test starts it, with its standard error closed"]
fn a_child_with_something_to_say() {
    let agent = highwater::start();
    agent.shutdown(std::time::Duration::from_secs(5));
}
