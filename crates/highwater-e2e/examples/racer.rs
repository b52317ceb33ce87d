//! A subject of the race: a program that allocates and touches memory at a given rate until the kernel kills it.
//!
//! `racer RATE`, in MiB a second or `max`: it says "ready" when the agent has its first sample, and begins at a line on its
//! standard input. `racer stand`: it stands still until its standard input ends, so that the agent can tell what was before.
#![forbid(unsafe_code)]
#![allow(clippy::panic, reason = "a subject without its argument has no purpose")]
#![allow(clippy::disallowed_methods, reason = "its own pace")]

use std::hint::black_box;
use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

highwater::jemalloc!();

const PIECE: usize = 1 << 20;

fn main() -> io::Result<()> {
    let mode = std::env::args().nth(1).unwrap_or_default();
    let agent = highwater::start();
    if mode == "stand" {
        io::stdin().read_to_end(&mut Vec::new())?;
        agent.shutdown(Duration::from_secs(30));
        return Ok(());
    }
    let rate = match mode.as_str() {
        "max" => None,
        rate => Some(rate.parse::<u32>().unwrap_or_else(|_| panic!("{rate:?} is no rate in MiB a second, nor max"))),
    };
    // What the first second does for the first time, the agent and its connection, is not part of the race.
    let begun = Instant::now();
    while agent.status().sample.is_none() || begun.elapsed() < Duration::from_secs(2) {
        thread::sleep(Duration::from_millis(10));
    }
    println!("ready");
    io::stdin().read_line(&mut String::new())?;
    let mut held = Vec::with_capacity(1 << 14);
    let begun = Instant::now();
    for piece in 1_u32.. {
        held.push(guilty());
        if let Some(rate) = rate {
            let due = Duration::from_secs(1).saturating_mul(piece).checked_div(rate).unwrap_or_default();
            thread::sleep(due.saturating_sub(begun.elapsed()));
        }
    }
    drop(black_box(held));
    Ok(())
}

/// The one to blame.
#[inline(never)]
fn guilty() -> Vec<u8> {
    black_box(vec![1; PIECE])
}
