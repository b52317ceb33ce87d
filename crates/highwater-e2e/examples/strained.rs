//! A subject of the tests: a program with the agent in a process that is short of something, or full of it.
//!
//! `threads N` has N threads more, each with memory of its own. `descriptors before` and `descriptors after` take all file
//! descriptors before the agent's start or after its first sample, and give them back on the first line of the input.
//! `nothing` only has what its limits leave it. The end of the input ends the program.
#![forbid(unsafe_code)]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a subject fails by panicking")]

use std::fs::File;
use std::hint::black_box;
use std::io;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use highwater::{Agent, Sample};

highwater::jemalloc!();

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["threads", number] => threads(number.parse().unwrap()),
        ["descriptors", "before"] => {
            let taken = take_descriptors();
            descriptors(&highwater::start(), taken);
        }
        ["descriptors", "after"] => {
            let agent = highwater::start();
            next_sample(&agent);
            descriptors(&agent, take_descriptors());
        }
        ["nothing"] => {
            let agent = highwater::start();
            println!("went on, resident memory is known: {}", agent.sample().process.rss.is_some());
            until_the_next_line();
        }
        ref other => panic!("{other:?} is no strain"),
    }
}

fn threads(number: u32) {
    let (ready, all) = channel::<()>();
    for _ in 0..number {
        let ready = ready.clone();
        let live = move || {
            let held = black_box(vec![1_u8; 512]);
            drop(ready);
            loop {
                thread::park();
                black_box(&held);
            }
        };
        thread::Builder::new().stack_size(64 << 10).spawn(live).unwrap();
    }
    drop(ready);
    assert!(all.recv().is_err(), "all threads have their memory");
    let agent = highwater::start();
    println!("ready");
    until_the_next_line();
    println!("{} threads", agent.status().sample.unwrap().process.threads.unwrap());
}

fn descriptors(agent: &Agent, taken: Vec<File>) {
    println!("with all taken, resident memory is known: {}", next_sample(agent).process.rss.is_some());
    until_the_next_line();
    drop(taken);
    println!("given back");
    until_the_next_line();
    println!("delivery: {}", agent.status().delivery);
}

/// The next sample that the agent takes.
fn next_sample(agent: &Agent) -> Sample {
    let last = agent.status().sample.map(|sample| sample.at);
    loop {
        match agent.status().sample {
            Some(sample) if Some(sample.at) != last => return sample,
            _ => thread::sleep(Duration::from_millis(10)),
        }
    }
}

fn take_descriptors() -> Vec<File> {
    std::iter::from_fn(|| File::open("/dev/null").ok()).collect()
}

fn until_the_next_line() {
    io::stdin().read_line(&mut String::new()).unwrap();
}
