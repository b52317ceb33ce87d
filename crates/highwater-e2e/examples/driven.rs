//! A subject of the tests: a program with the agent that does what its standard input says, line by line.
//!
//! `take MIB` holds so much more memory, `drop` gives all of it back, `status` prints how things stand, `stumble` panics and
//! catches that, `exit` leaves past the agent, and the end of the input ends the program, which first prints whether the agent
//! delivered all within the seconds of `DEADLINE`, and how long that took. The allocator is the system's, which gives large blocks back at once.
#![forbid(unsafe_code)]
#![allow(clippy::panic, reason = "a subject that does not understand has no purpose")]

use std::hint::black_box;
use std::io::{self, BufRead};
use std::time::Duration;

fn main() {
    let agent = highwater::start();
    let mut held = Vec::new();
    println!("ready");
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("take", mib) => held.push(black_box(vec![1_u8; mib.parse::<usize>().unwrap_or(0) << 20])),
            ("drop", _) => held.clear(),
            ("stumble", _) => {
                let caught = std::panic::catch_unwind(|| panic!("stumbled"));
                println!("stumbled {}", caught.is_err());
            }
            ("exit", _) => std::process::exit(3),
            ("status", _) => println!("{:?}", agent.status()),
            other => panic!("{other:?} is no command: take, drop, stumble, exit or status"),
        }
    }
    #[expect(clippy::disallowed_methods, reason = "a program's own settings and clock")]
    let (deadline, start) = (std::env::var("DEADLINE"), std::time::Instant::now());
    let deadline = Duration::from_secs(deadline.ok().and_then(|text| text.parse().ok()).unwrap_or(60));
    let delivered = agent.shutdown(deadline);
    println!("delivered {delivered} in {} ms", start.elapsed().as_millis());
}
