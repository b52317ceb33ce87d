//! Waiting for a fact: asking again and again, with a deadline so generous that only a broken program meets it.

use std::thread;
use std::time::{Duration, Instant};

/// For a fact that is due within a second or two, on a machine that has other things to do.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(25);

/// A clock that was started.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts.
    #[expect(clippy::disallowed_methods, reason = "this is the room of this crate's clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since the start.
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Acts again and again, so long apart, until it is enough: a load, not a wait for a fact. What comes late is not made up
/// for, so that a machine that is busy makes it slower and never a burst.
///
/// # Panics
///
/// Where `most` was not enough.
#[track_caller]
pub fn steadily(apart: Duration, most: u32, mut enough: impl FnMut() -> bool) {
    for _ in 0..most {
        if enough() {
            return;
        }
        thread::sleep(apart);
    }
    panic!("{most} times, {apart:?} apart, were not enough");
}

/// Asks until there is an answer.
///
/// # Panics
///
/// Where there is none in time, with `what` was waited for.
#[track_caller]
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    until_ok(what, || ask().ok_or("nothing"))
}

/// Asks until the answer is good.
///
/// # Panics
///
/// Where it is not in time, with `what` was waited for and the last answer.
#[track_caller]
pub fn until_ok<T, E: std::fmt::Display>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let clock = Stopwatch::start();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(last) if clock.elapsed() > PATIENCE => {
                panic!("not in {} s: {what}; the last answer: {last}", PATIENCE.as_secs())
            }
            Err(_) => thread::sleep(INTERVAL),
        }
    }
}
