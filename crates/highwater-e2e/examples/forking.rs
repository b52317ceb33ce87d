//! A subject of the tests: a program with the agent that forks.
//!
//! `hurried` forks again and again, each time at a moment at which other threads use the agent, and has each child use what
//! it inherits and start an agent of its own. `workers` forks two workers as a server does; each holds so much more memory
//! than its parent, and all three run until their common input ends.
#![allow(unsafe_code, reason = "fork has no safe form")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "a subject fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a program's own clock")]

use std::hint::black_box;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use highwater::{Agent, Ended, Exposition, Level};
use highwater_page::Page;

highwater::jemalloc!();

/// How often `hurried` forks.
const FORKS: u32 = 40;
/// For all that a child does: what hangs is ended by its own alarm.
const PATIENCE: u32 = 60;
/// Longer than anything takes that waits for nobody, on a machine that has other things to do.
const AT_ONCE: Duration = Duration::from_secs(20);

fn main() {
    let agent = highwater::start();
    match std::env::args().nth(1).as_deref() {
        Some("hurried") => hurried(agent),
        Some("workers") => workers(agent),
        other => panic!("{other:?} is no way to fork: hurried or workers"),
    }
}

fn hurried(agent: Agent) {
    let done = AtomicBool::new(false);
    let page = highwater_page::start(&agent);
    let (agent, page) = thread::scope(|scope| {
        for user in [
            || drop(highwater::start().status()),
            || drop(highwater::start().render_prometheus(Exposition::OpenMetrics)),
            || {
                highwater::start().sample();
            },
            || drop(highwater::start().region("staging")),
            || {
                let now = &mut Context::from_waker(Waker::noop());
                let _ = pin!(highwater::start().pressure().changed(Level::Normal)).poll(now);
                highwater::start().pressure().reading();
            },
            || drop(highwater::start().observer().delivery()),
        ] {
            let done = &done;
            scope.spawn(move || {
                while !done.load(Relaxed) {
                    user()
                }
            });
        }
        for number in 0..FORKS {
            let Some(child) = fork() else {
                leave(AssertUnwindSafe(|| use_what_is_inherited(agent, page, number)));
            };
            let ended = wait_for(child);
            if ended != 0 {
                eprintln!("child {number} ended with {ended:#x}");
                // The other threads would not end.
                std::process::exit(1);
            }
        }
        done.store(true, Relaxed);
        (agent, page)
    });
    assert!(agent.status().sample.is_some(), "the parent's agent goes on");
    assert!(page.address().is_some());
    println!("{FORKS} children ended well");
}

/// All that a child can do with its parent's agent.
fn use_what_is_inherited(inherited: Agent, page: Page, number: u32) {
    let clock = Instant::now();
    let observer = inherited.observer();
    assert!(
        !observer.is_running()
            && observer.status().sample.is_none()
            && observer.follow(|_| ControlFlow::Continue(())).is_empty()
    );
    drop(page);
    assert!(inherited.status().sample.is_none(), "nothing is known of the child");
    assert_eq!(inherited.render_prometheus(Exposition::Text), "", "the numbers are the parent's");
    assert_eq!(inherited.sample().process.threads, Some(1), "the child itself is read");
    inherited.on_event(|_| ());
    let pressure = inherited.pressure();
    assert_eq!((pressure.level(), pressure.reading().used), (Level::Normal, None), "the level is the parent's");
    assert_eq!(pressure.wait(Level::Normal, AT_ONCE.saturating_mul(2)), Err(Ended), "nothing will change");
    let now = &mut Context::from_waker(Waker::noop());
    assert_eq!(pin!(pressure.changed(Level::Normal)).poll(now), Poll::Ready(Err(Ended)));
    assert!(inherited.shutdown(AT_ONCE.saturating_mul(2)), "nothing is the child's to deliver");
    drop(inherited);
    assert!(clock.elapsed() < AT_ONCE, "{:?}", clock.elapsed());
    // Threads cost their time, so that it is not each child that has some.
    if number.is_multiple_of(5) {
        let own = Agent::builder().start().unwrap();
        while own.status().sample.is_none() {
            assert!(clock.elapsed() < AT_ONCE, "the child's own agent reads nothing");
            thread::yield_now();
        }
        assert!(own.shutdown(AT_ONCE));
    }
}

fn workers(agent: Agent) {
    let mut workers = Vec::new();
    for mib in [16, 48] {
        let Some(child) = fork() else { leave(AssertUnwindSafe(|| work(agent, mib))) };
        println!("worker {child} holds {mib} MiB");
        workers.push(child);
    }
    wait_for_the_end_of_input();
    drop(agent);
    for worker in workers {
        assert_eq!(wait_for(worker), 0);
    }
}

fn work(inherited: Agent, mib: usize) {
    let held = black_box(vec![1_u8; mib << 20]);
    let own = highwater::start();
    drop(inherited);
    wait_for_the_end_of_input();
    drop(held);
    assert!(own.shutdown(AT_ONCE));
}

fn wait_for_the_end_of_input() {
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The child's id, in the child `None`.
fn fork() -> Option<libc::pid_t> {
    // SAFETY: fork(2): the child uses what this crate's tests want to know of, and an allocator that takes care of itself.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", io::Error::last_os_error());
    (child > 0).then_some(child)
}

/// Does what a child does, and ends it.
fn leave(work: AssertUnwindSafe<impl FnOnce()>) -> ! {
    // SAFETY: alarm(2) takes any number.
    unsafe { libc::alarm(PATIENCE) };
    let status = if catch_unwind(work).is_ok() { 0 } else { 1 };
    // SAFETY: _exit(2) ends the process at once.
    unsafe { libc::_exit(status) }
}

/// Waits for the end of `child`, and gives its status as wait(2) does.
fn wait_for(child: libc::pid_t) -> i32 {
    let mut status = 0;
    // SAFETY: waitpid(2): `status` is a place for the answer.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    status
}
