//! A subject of the tests: a program with the agent in the runtime that its argument names.
//!
//! It takes memory over a level, holds the executor's only thread until its standard input ends, and drops the agent inside
//! the runtime, where a blocking client of the wrong kind would panic.
#![forbid(unsafe_code)]
#![allow(clippy::panic, reason = "a subject without its argument has no purpose")]

use std::hint::black_box;
use std::io::{self, Read};

use tokio::runtime::Builder;

highwater::jemalloc!();

fn main() -> io::Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("none") => subject(),
        Some("current-thread") => Builder::new_current_thread().enable_all().build()?.block_on(async { subject() }),
        Some("multi-thread") => {
            let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
            // Spawned, so that it is the worker that is held.
            runtime.block_on(async { tokio::spawn(async { subject() }).await.map_err(io::Error::other)? })
        }
        other => panic!("{other:?} is no runtime: none, current-thread or multi-thread"),
    }
}

fn subject() -> io::Result<()> {
    let _highwater = highwater::start();
    let held = black_box(vec![1_u8; 56 << 20]);
    println!("stuck");
    io::stdin().read_to_end(&mut Vec::new())?;
    println!("went on");
    drop(held);
    Ok(())
}
