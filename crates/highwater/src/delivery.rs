//! What became of what was sent: counts and the present state, one word a change.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

#[cfg(feature = "otlp")]
use crate::clock::Clock;
use crate::signal::{Signal, Signals};

/// Running counts for each signal, and whether the collector can be reached.
#[derive(Debug, Default)]
pub(crate) struct Delivery {
    failures: Signals<AtomicU64>,
    dropped: Signals<AtomicU64>,
    /// Events that a full queue kept from callbacks and the log.
    unheard: AtomicU64,
    last: Mutex<Last>,
    /// Whether profiles are sent.
    profiles: AtomicBool,
}

/// What came of the last exports.
#[derive(Debug, Default)]
struct Last {
    of: Signals<Option<Result<(), String>>>,
    success: Option<SystemTime>,
    failure: Option<(SystemTime, String)>,
}

/// What became of what the agent sends, since its start. Of [`Agent::delivery`](crate::Agent::delivery).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct DeliveryReport {
    /// Where it goes.
    pub target: Target,
    /// Whether it arrives.
    pub state: DeliveryState,
    /// When an export of any signal arrived last.
    pub last_success: Option<SystemTime>,
    /// When one failed last.
    pub last_failure: Option<SystemTime>,
    /// Why that one failed; it stays when others arrive.
    pub last_error: Option<String>,
    /// Exports that failed.
    pub failures: Signals<u64>,
    /// Data points, records and spans that were given up.
    pub dropped: Signals<u64>,
}

impl DeliveryReport {
    /// Of a process in which nothing is sent.
    pub(crate) fn none(target: Target) -> Self {
        Delivery::default().report(target)
    }
}

/// Where what is told goes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// The agent's own pipeline, in words: `OTLP to http://localhost:4318 every 10s`.
    Own(String),
    /// A host's own providers: whether it arrives, the agent does not hear.
    Host,
    /// Nowhere: `OTEL_SDK_DISABLED`.
    Disabled,
    /// Nowhere: neither feature `otlp` nor providers of the host's.
    NotBuiltIn,
    /// Nowhere: the agent gives readings on demand alone, by `HIGHWATER_DISABLED` or since it could not start.
    NotRunning,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own(way) => f.write_str(way),
            Self::Host => f.write_str("telemetry by the host's own providers"),
            Self::Disabled => f.write_str("OTLP off (OTEL_SDK_DISABLED)"),
            Self::NotBuiltIn => f.write_str("OTLP not built in"),
            Self::NotRunning => f.write_str("nothing is sent: the agent does not run"),
        }
    }
}

/// Whether what is sent arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryState {
    /// Nothing was sent yet, or nothing is sent by the agent itself.
    #[default]
    Idle,
    /// The last export of each signal arrived.
    Delivering,
    /// The last export of a signal failed.
    Failing {
        /// Why; of several, the first of metrics, logs, traces.
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
        self.failures.of(signal).load(Ordering::Relaxed)
    }

    pub(crate) fn dropped(&self, signal: Signal) -> u64 {
        self.dropped.of(signal).load(Ordering::Relaxed)
    }

    /// What is counted: profiles where they are sent.
    pub(crate) fn signals(&self) -> impl Iterator<Item = Signal> {
        let profiles = self.profiles.load(Ordering::Relaxed).then_some(Signal::Profiles);
        Signal::ALL.into_iter().chain(profiles)
    }

    /// Profiles are sent, and counted from 0 on.
    pub(crate) fn begin_profiles(&self) {
        self.profiles.store(true, Ordering::Relaxed);
    }

    pub(crate) fn unheard(&self) -> u64 {
        self.unheard.load(Ordering::Relaxed)
    }

    pub(crate) fn state(&self) -> DeliveryState {
        DeliveryState::of(&self.last().of)
    }

    pub(crate) fn report(&self, target: Target) -> DeliveryReport {
        let counts = |counts: &Signals<AtomicU64>| counts.map(|count| count.load(Ordering::Relaxed));
        let last = self.last();
        DeliveryReport {
            target,
            state: DeliveryState::of(&last.of),
            last_success: last.success,
            last_failure: last.failure.as_ref().map(|(at, _)| *at),
            last_error: last.failure.as_ref().map(|(_, error)| error.clone()),
            failures: counts(&self.failures),
            dropped: counts(&self.dropped),
        }
    }

    fn last(&self) -> MutexGuard<'_, Last> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts items that were given up without having been sent.
    pub(crate) fn drop_items(&self, signal: Signal, items: u64) {
        self.dropped.of(signal).fetch_add(items, Ordering::Relaxed);
    }

    /// Counts an event that callbacks and the log will not hear of.
    pub(crate) fn leave_unheard(&self) {
        self.unheard.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the result of one export into account. Returns true where delivery began to fail or works again: worth a word.
    /// Profiles count by themselves, since many a collector takes none: whoever looks whether delivery works does not mean
    /// these.
    #[cfg(feature = "otlp")]
    pub(crate) fn exported(&self, signal: Signal, result: Result<(), String>) -> bool {
        if result.is_err() {
            self.failures.of(signal).fetch_add(1, Ordering::Relaxed);
        }
        let at = Clock::date();
        let mut last = self.last();
        let fails = |last: &Last| match signal {
            Signal::Profiles => matches!(last.of.profiles, Some(Err(_))),
            _ => matches!(DeliveryState::of(&last.of), DeliveryState::Failing { .. }),
        };
        let before = fails(&last);
        match &result {
            Ok(()) => last.success = Some(at),
            Err(error) => last.failure = Some((at, error.clone())),
        }
        *last.of.of_mut(signal) = Some(result);
        before != fails(&last)
    }
}

impl DeliveryState {
    fn of(last: &Signals<Option<Result<(), String>>>) -> Self {
        let failed = last.iter().flatten().find_map(|result| result.as_ref().err());
        match failed {
            Some(error) => Self::Failing { error: error.clone() },
            None if last.iter().any(Option::is_some) => Self::Delivering,
            None => Self::Idle,
        }
    }
}

#[cfg(all(test, feature = "otlp"))]
mod tests {
    use super::*;

    fn refused() -> Result<(), String> {
        Err("connection refused".to_owned())
    }

    #[test]
    fn each_change_of_state_is_worth_one_word() {
        let delivery = Delivery::default();
        assert_eq!(delivery.state(), DeliveryState::Idle);
        let words: Vec<_> = [Ok(()), Ok(()), refused(), refused(), Ok(()), refused()]
            .into_iter()
            .map(|result| delivery.exported(Signal::Logs, result))
            .collect();
        assert_eq!(words, [false, false, true, false, true, true]);
        assert_eq!(delivery.failures(Signal::Logs), 3);
        assert_eq!(delivery.failures(Signal::Metrics), 0);
        assert_eq!(delivery.state(), DeliveryState::Failing { error: "connection refused".to_owned() });
    }

    #[test]
    fn the_last_error_is_known_although_others_arrive_since() {
        let delivery = Delivery::default();
        let report = || delivery.report(Target::NotBuiltIn);
        assert_eq!((report().last_success, report().last_failure, report().last_error), (None, None, None));
        delivery.exported(Signal::Traces, refused());
        assert!(report().last_success.is_none() && report().last_failure.is_some());
        delivery.exported(Signal::Traces, Ok(()));
        delivery.drop_items(Signal::Traces, 3);
        let report = report();
        assert_eq!(
            (report.state, report.last_error.as_deref()),
            (DeliveryState::Delivering, Some("connection refused"))
        );
        assert!(report.last_success >= report.last_failure);
        assert_eq!((report.failures.traces, report.dropped.traces, report.dropped.logs), (1, 3, 0));
    }

    #[test]
    fn a_collector_that_takes_no_profiles_is_said_once_and_delivers_all_the_same() {
        let delivery = Delivery::default();
        assert!(!delivery.exported(Signal::Logs, Ok(())));
        let words: Vec<_> = [refused(), refused(), Ok(()), refused()]
            .into_iter()
            .map(|result| delivery.exported(Signal::Profiles, result))
            .collect();
        assert_eq!(words, [true, false, true, true]);
        assert_eq!((delivery.failures(Signal::Profiles), delivery.state()), (3, DeliveryState::Delivering));
        assert!(delivery.exported(Signal::Logs, refused()), "what fails else is said beside it");
    }

    #[test]
    fn profiles_are_counted_where_they_are_sent() {
        let delivery = Delivery::default();
        assert_eq!(delivery.signals().count(), 3);
        delivery.begin_profiles();
        assert_eq!(delivery.signals().last(), Some(Signal::Profiles));
    }

    #[test]
    fn a_signal_that_fails_beside_one_that_arrives_is_said_once() {
        let delivery = Delivery::default();
        assert!(delivery.exported(Signal::Logs, refused()));
        for _ in 0..3 {
            assert!(!delivery.exported(Signal::Metrics, Ok(())));
            assert!(!delivery.exported(Signal::Logs, refused()));
        }
        assert!(delivery.exported(Signal::Logs, Ok(())));
        assert_eq!(delivery.state(), DeliveryState::Delivering);
    }
}
