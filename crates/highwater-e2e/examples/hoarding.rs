//! A subject of the tests: a program that jemalloc samples, and that holds 100 MiB from its start to the end of its input.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::{self, Read};
use std::time::Duration;

highwater::jemalloc!();

fn main() -> io::Result<()> {
    let agent = highwater::start();
    let held = hoard();
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(held);
    agent.shutdown(Duration::from_secs(60));
    Ok(())
}

#[inline(never)]
fn hoard() -> Vec<Vec<u8>> {
    (0..100).map(|_| black_box(vec![1_u8; 1 << 20])).collect()
}
