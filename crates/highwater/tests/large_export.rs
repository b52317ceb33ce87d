//! What is larger than the connection's buffer arrives whole.
#![cfg(feature = "otlp")]

use std::time::Duration;

use highwater::Agent;

mod common;

#[test]
fn an_export_larger_than_the_buffer_of_its_connection_arrives_whole() {
    let (endpoint, received) = common::sink(|| {});
    let name = "n".repeat(200_000);
    let agent = Agent::builder().endpoint(&endpoint).service_name(&name).start().unwrap();
    let request = received.recv_timeout(Duration::from_secs(60)).unwrap();
    assert_eq!(request.path, "/v1/metrics");
    assert!(request.body.windows(name.len()).any(|part| part == name.as_bytes()), "{} bytes", request.body.len());
    drop(agent);
}
