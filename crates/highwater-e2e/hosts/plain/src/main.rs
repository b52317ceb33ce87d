//! A host with nothing but the agent. With `panicking` its callback panics.

use std::io;
use std::time::Duration;

use highwater::{Agent, Bytes, Level, Threshold};

fn main() {
    let panics = std::env::args().nth(1).as_deref() == Some("panicking");
    let agent = Agent::builder()
        .level(Level::Elevated, Threshold::Amount(Bytes::kib(1)))
        .hold(Level::Elevated, Duration::ZERO)
        .on_event(move |_| assert!(!panics, "the host's fault"))
        .start()
        .unwrap();
    io::stdin().read_line(&mut String::new()).unwrap();
    println!("delivered: {}", agent.shutdown(Duration::from_secs(10)));
}
