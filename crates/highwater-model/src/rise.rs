//! A rise of use from one moment to the next, and how long it takes to rise further.

use core::time::Duration;

use crate::{Bytes, SinceStart};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Rise {
    by: Bytes,
    pub(crate) took: Duration,
}

impl Rise {
    /// `None` where use did not rise, or no time went by.
    pub(crate) fn between(before: (SinceStart, Bytes), now: (SinceStart, Bytes)) -> Option<Self> {
        let (by, took) = (now.1.saturating_sub(before.1), now.0.since(before.0));
        (by > Bytes::ZERO && !took.is_zero()).then_some(Self { by, took })
    }

    /// The same rise, as if it had taken no more than this.
    pub(crate) fn within(self, time: Duration) -> Self {
        Self { took: self.took.min(time), ..self }
    }

    /// How long a distance takes at this rate.
    pub(crate) fn time_over(self, left: Bytes) -> Duration {
        let nanos = u128::from(left.get()).saturating_mul(self.took.as_nanos());
        let nanos = nanos.checked_div(u128::from(self.by.get())).unwrap_or(u128::MAX);
        u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
    }
}
