//! How much may be asked in a second: a burst, and then a steady rate.
//!
//! Bounds on one connection do not bound all of them: sixty that ask without a pause would have the page's thread busy for
//! good, and where there is one processor the host with it. Who comes too fast waits; who looks at a page never does.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// Turns, of which so many can be taken at once and so many come back in a second.
#[derive(Debug)]
pub(crate) struct Pace {
    start: Instant,
    bucket: Mutex<Bucket>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    burst: f64,
    a_second: f64,
    /// What can be taken; below nothing, what was promised to those who wait.
    left: f64,
    /// When that was so.
    at: Duration,
}

impl Pace {
    pub(crate) fn new(burst: u32, a_second: u32) -> Self {
        Self { start: Instant::now(), bucket: Mutex::new(Bucket::new(burst, a_second)) }
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self) {
        let wait = self.bucket.lock().unwrap_or_else(PoisonError::into_inner).take(self.start.elapsed());
        if !wait.is_zero() {
            sleep(wait).await;
        }
    }
}

impl Bucket {
    fn new(burst: u32, a_second: u32) -> Self {
        Self { burst: burst.into(), a_second: a_second.into(), left: burst.into(), at: Duration::ZERO }
    }

    /// Takes a turn at `now`; returns how long it has to be waited for.
    fn take(&mut self, now: Duration) -> Duration {
        let since = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + since * self.a_second).min(self.burst) - 1.0;
        self.at = self.at.max(now);
        Duration::try_from_secs_f64((-self.left / self.a_second).max(0.0)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_waits_for_nothing_and_what_comes_after_it_for_its_turn() {
        let mut bucket = Bucket::new(3, 10);
        let mut take = |millis| bucket.take(Duration::from_millis(millis)).as_millis();
        assert_eq!([take(0), take(0), take(0), take(0), take(0)], [0, 0, 0, 100, 200]);
        assert_eq!(take(1_000), 0, "after a pause there are turns again");
        assert_eq!(
            [take(60_000), take(60_000), take(60_000), take(60_000)],
            [0, 0, 0, 100],
            "and no more than a burst"
        );
    }

    proptest! {
        #[test]
        fn in_no_second_there_are_more_turns_than_a_burst_and_a_second_s(
            gaps in proptest::collection::vec(0_u64..40, 1..600),
        ) {
            let mut bucket = Bucket::new(20, 50);
            let mut now = 0;
            let mut turns: Vec<_> = gaps
                .into_iter()
                .map(|gap| {
                    now += gap;
                    now + bucket.take(Duration::from_millis(now)).as_millis() as u64
                })
                .collect();
            turns.sort_unstable();
            for (index, first) in turns.iter().enumerate() {
                let within = turns[index..].iter().take_while(|turn| **turn <= first + 1_000).count();
                prop_assert!(within <= 20 + 50 + 2, "{within} from {first} ms on");
            }
        }
    }
}
