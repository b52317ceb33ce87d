//! How much may be asked in a second: a burst, and then a steady rate.
//!
//! Bounds on one connection do not bound all of them: sixty that ask without a pause would have the page's thread busy for
//! good, and where there is one processor the host with it. Who comes too fast waits; who looks at a page never does.
//!
//! Those who wait stand in a line, and the first of them takes the next turn when it is there. None is promised before: who
//! gives up leaves the line and owes nothing. Promised turns would be owed by all who come later, and a stranger who asks and
//! closes a thousand times a second would have made minutes of them.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

/// The least that is waited for: what the timer can tell apart.
const STEP: Duration = Duration::from_millis(1);

/// Turns, of which so many can be taken at once and so many come back in a second.
#[derive(Debug)]
pub(crate) struct Pace {
    start: Instant,
    /// Held by the first of those who wait. It is fair, so that they come in the order in which they asked.
    bucket: Mutex<Bucket>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    burst: f64,
    a_second: f64,
    /// What can be taken.
    left: f64,
    /// When that was so.
    at: Duration,
}

impl Pace {
    pub(crate) fn new(burst: u32, a_second: u32) -> Self {
        Self { start: Instant::now(), bucket: Mutex::new(Bucket::new(burst, a_second)) }
    }

    /// Waits for a turn, and takes it. Dropped before, it has taken none.
    pub(crate) async fn turn(&self) {
        let mut bucket = self.bucket.lock().await;
        while let Err(wait) = bucket.take(self.start.elapsed()) {
            sleep(wait).await;
        }
    }
}

impl Bucket {
    fn new(burst: u32, a_second: u32) -> Self {
        Self { burst: burst.into(), a_second: a_second.into(), left: burst.into(), at: Duration::ZERO }
    }

    /// Takes a turn at `now`; where there is none, the error is how long there will be none.
    fn take(&mut self, now: Duration) -> Result<(), Duration> {
        let since = now.saturating_sub(self.at).as_secs_f64();
        self.left = (self.left + since * self.a_second).min(self.burst);
        self.at = self.at.max(now);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        let wait = Duration::try_from_secs_f64((1.0 - self.left) / self.a_second).unwrap_or_default();
        Err(wait.max(STEP))
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// When each of those who come so many milliseconds after the one before has its turn, one after the other.
    fn turns(mut bucket: Bucket, gaps: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let (mut comes, mut now) = (Duration::ZERO, Duration::ZERO);
        let turn = |gap| {
            comes += Duration::from_millis(gap);
            now = comes.max(now);
            while let Err(wait) = bucket.take(now) {
                now += wait;
            }
            now.as_millis() as u64
        };
        gaps.into_iter().map(turn).collect()
    }

    #[test]
    fn a_burst_waits_for_nothing_and_what_comes_after_it_for_its_turn() {
        let bucket = Bucket::new(3, 10);
        assert_eq!(turns(bucket, [0; 5]), [0, 0, 0, 100, 200]);
        assert_eq!(
            turns(bucket, [0, 0, 0, 0, 0, 60_000, 0, 0, 0]),
            [0, 0, 0, 100, 200, 60_000, 60_000, 60_000, 60_100],
            "after a pause there are turns again, and no more than a burst"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_have_their_turns_in_the_order_in_which_they_asked() {
        let pace = Pace::new(1, 10);
        let clock = Instant::now();
        let turn = async |number: u64| {
            pace.turn().await;
            (number, clock.elapsed().as_millis() as u64 / 100)
        };
        let (a, b, c) = tokio::join!(turn(0), turn(1), turn(2));
        assert_eq!([a, b, c], [(0, 0), (1, 1), (2, 2)]);
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_give_up_owe_nothing() {
        let pace = Pace::new(1, 1);
        pace.turn().await;
        let clock = Instant::now();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..60_000 {
            assert!(pin!(pace.turn()).poll(&mut context).is_pending());
        }
        {
            // One that was the first of the line for a while, too.
            let mut first = pin!(pace.turn());
            assert!(first.as_mut().poll(&mut context).is_pending());
            sleep(SECOND / 2).await;
            assert!(first.as_mut().poll(&mut context).is_pending());
        }
        pace.turn().await;
        let waited = clock.elapsed();
        assert!(waited <= SECOND + 2 * STEP, "{waited:?}");
    }

    proptest! {
        #[test]
        fn in_no_second_there_are_more_turns_than_a_burst_and_a_second_s(
            gaps in proptest::collection::vec(0_u64..40, 1..600),
        ) {
            let turns = turns(Bucket::new(20, 50), gaps);
            for (index, first) in turns.iter().enumerate() {
                let within = turns[index..].iter().take_while(|turn| **turn <= first + 1_000).count();
                prop_assert!(within <= 20 + 50 + 2, "{within} from {first} ms on");
            }
        }
    }
}
