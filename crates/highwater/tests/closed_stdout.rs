//! A service whose standard output is gone, as before `| head`: what is exported to the console is refused there, and no
//! more comes of it.
#![cfg(all(unix, feature = "otlp"))]

use std::io::{Read, Write};
use std::process::{Command, Stdio, exit};
use std::time::Duration;

use highwater::{Agent, Bytes, DeliveryState, Level, Threshold};

const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_closed_standard_output_is_no_reason_to_panic() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_child_that_exports_to_the_console", "--ignored", "--nocapture"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What the test's harness prints comes before; the child waits until nobody reads any more.
    let mut output = child.stdout.take().unwrap();
    let mut printed = [0; 8];
    output.read_exact(&mut printed).unwrap();
    let mut last = [0];
    while last != *b"!" {
        output.read_exact(&mut last).unwrap();
    }
    drop(output);
    child.stdin.take().unwrap().write_all(b"closed\n").unwrap();
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    assert!(child.wait().unwrap().success(), "{error}");
    assert!(error.contains("to standard output: Broken pipe"), "said once: {error}");
    assert!(!error.contains("panicked"), "{error}");
}

#[test]
#[ignore = "the other test starts it, and closes its standard output"]
fn a_child_that_exports_to_the_console() {
    println!("ready!");
    std::io::stdin().read_line(&mut String::new()).unwrap();
    // A host that ends with a panic would not even unwind.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("panicked: {panic}");
        std::process::abort();
    }));
    let agent = Agent::builder()
        .set("OTEL_METRICS_EXPORTER", "console")
        .set("OTEL_LOGS_EXPORTER", "console")
        .set("OTEL_TRACES_EXPORTER", "console")
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
        .start()
        .unwrap();
    agent.shutdown(PATIENCE);
    let state = agent.status().delivery;
    assert!(matches!(state, DeliveryState::Failing { .. }), "{state:?}");
    // Not by the harness, which would print.
    exit(0);
}
