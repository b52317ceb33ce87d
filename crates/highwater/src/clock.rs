//! The one room with a clock.
//!
//! Judgement runs on monotonic time since the agent's start; wall-clock time is only in what is sent. A moment is turned
//! into wall-clock time by its distance from now, so that a step of the system's clock moves what is sent from then on and
//! no duration.

use std::time::{Instant, SystemTime};

use highwater_model::SinceStart;

/// Monotonic time since the agent's start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock's room")]
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> SinceStart {
        SinceStart::new(self.start.elapsed())
    }

    /// The wall-clock time.
    #[cfg(feature = "otlp")]
    #[expect(clippy::disallowed_methods, reason = "this is the clock's room")]
    pub(crate) fn date() -> SystemTime {
        SystemTime::now()
    }

    /// The wall-clock time of a moment in the past.
    #[expect(clippy::disallowed_methods, reason = "this is the clock's room")]
    pub(crate) fn wall(&self, moment: SinceStart) -> SystemTime {
        let now = SystemTime::now();
        now.checked_sub(self.now().since(moment)).unwrap_or(now)
    }
}
