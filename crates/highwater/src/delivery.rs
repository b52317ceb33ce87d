//! What became of what was sent: counts and the present state, one word a change.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Metrics,
    Logs,
    Traces,
}

impl Signal {
    pub(crate) const ALL: [Self; 3] = [Self::Metrics, Self::Logs, Self::Traces];

    /// The value of `highwater.signal`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Traces => "traces",
        }
    }
}

/// Running counts for each signal, and whether the collector can be reached.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    failures: [AtomicU64; 3],
    dropped: [AtomicU64; 3],
    state: Mutex<DeliveryState>,
}

/// Whether what is sent arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryState {
    /// Nothing was sent yet, or nothing is sent by the agent itself.
    #[default]
    Idle,
    /// The last export arrived.
    Delivering,
    /// The last export failed.
    Failing {
        /// Why.
        error: String,
    },
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle => f.write_str("nothing sent yet"),
            Self::Delivering => f.write_str("delivering"),
            Self::Failing { error } => write!(f, "failing: {error}"),
        }
    }
}

impl Delivery {
    pub(crate) fn failures(&self, signal: Signal) -> u64 {
        of(&self.failures, signal).load(Ordering::Relaxed)
    }

    pub(crate) fn dropped(&self, signal: Signal) -> u64 {
        of(&self.dropped, signal).load(Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> DeliveryState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts items that were given up without having been sent.
    pub(crate) fn drop_items(&self, signal: Signal, items: u64) {
        of(&self.dropped, signal).fetch_add(items, Ordering::Relaxed);
    }

    /// Takes the result of one export into account. Returns true where the state changed and is worth a word.
    #[cfg(feature = "otlp")]
    pub(crate) fn exported(&self, signal: Signal, result: Result<(), String>) -> bool {
        let next = match result {
            Ok(()) => DeliveryState::Delivering,
            Err(error) => {
                of(&self.failures, signal).fetch_add(1, Ordering::Relaxed);
                DeliveryState::Failing { error }
            }
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // That the first export arrives is what everybody expects.
        let changed = !matches!(
            (&*state, &next),
            (DeliveryState::Idle | DeliveryState::Delivering, DeliveryState::Delivering)
                | (DeliveryState::Failing { .. }, DeliveryState::Failing { .. })
        );
        *state = next;
        changed
    }
}

fn of(counters: &[AtomicU64; 3], signal: Signal) -> &AtomicU64 {
    let [metrics, logs, traces] = counters;
    match signal {
        Signal::Metrics => metrics,
        Signal::Logs => logs,
        Signal::Traces => traces,
    }
}

#[cfg(all(test, feature = "otlp"))]
mod tests {
    use super::*;

    #[test]
    fn each_change_of_state_is_worth_one_word() {
        let delivery = Delivery::default();
        let failure = || Err("connection refused".to_owned());
        let words: Vec<_> = [Ok(()), Ok(()), failure(), failure(), Ok(()), failure()]
            .into_iter()
            .map(|result| delivery.exported(Signal::Logs, result))
            .collect();
        assert_eq!(words, [false, false, true, false, true, true]);
        assert_eq!(delivery.failures(Signal::Logs), 3);
        assert_eq!(delivery.failures(Signal::Metrics), 0);
        assert_eq!(delivery.state(), DeliveryState::Failing { error: "connection refused".to_owned() });
    }
}
