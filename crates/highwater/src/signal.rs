//! What OpenTelemetry sends: metrics, logs, traces, and profiles, which are in development.

/// One kind of telemetry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Metrics,
    Logs,
    Traces,
    Profiles,
}

impl Signal {
    /// Those that have settings of their own, and that the state of the delivery is about.
    pub(crate) const ALL: [Self; 3] = [Self::Metrics, Self::Logs, Self::Traces];

    /// The value of `highwater.signal`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Traces => "traces",
            Self::Profiles => "profiles",
        }
    }

    /// Where a collector takes it by HTTP, below the address for all signals.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Metrics => "v1/metrics",
            Self::Logs => "v1/logs",
            Self::Traces => "v1/traces",
            Self::Profiles => "v1development/profiles",
        }
    }
}

/// One of each kind of telemetry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals<T> {
    /// Of metrics.
    pub metrics: T,
    /// Of events, which go as log records.
    pub logs: T,
    /// Of episodes, which go as spans.
    pub traces: T,
    /// Of heap profiles, which are sent with feature `unstable-profiles` only.
    pub profiles: T,
}

impl<T> Signals<T> {
    pub(crate) const fn of(&self, signal: Signal) -> &T {
        match signal {
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
            Signal::Traces => &self.traces,
            Signal::Profiles => &self.profiles,
        }
    }

    pub(crate) const fn of_mut(&mut self, signal: Signal) -> &mut T {
        match signal {
            Signal::Metrics => &mut self.metrics,
            Signal::Logs => &mut self.logs,
            Signal::Traces => &mut self.traces,
            Signal::Profiles => &mut self.profiles,
        }
    }

    pub(crate) fn map<U>(&self, of: impl Fn(&T) -> U) -> Signals<U> {
        let Self { metrics, logs, traces, profiles } = self;
        Signals { metrics: of(metrics), logs: of(logs), traces: of(traces), profiles: of(profiles) }
    }

    /// Those of [`Signal::ALL`], in that order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        Signal::ALL.into_iter().map(|signal| self.of(signal))
    }
}
