//! What OpenTelemetry sends: metrics, logs, traces.

/// One kind of telemetry.
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

/// One of each kind of telemetry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals<T> {
    /// Of metrics.
    pub metrics: T,
    /// Of events, which go as log records.
    pub logs: T,
    /// Of episodes, which go as spans.
    pub traces: T,
}

impl<T> Signals<T> {
    pub(crate) const fn of(&self, signal: Signal) -> &T {
        match signal {
            Signal::Metrics => &self.metrics,
            Signal::Logs => &self.logs,
            Signal::Traces => &self.traces,
        }
    }

    pub(crate) const fn of_mut(&mut self, signal: Signal) -> &mut T {
        match signal {
            Signal::Metrics => &mut self.metrics,
            Signal::Logs => &mut self.logs,
            Signal::Traces => &mut self.traces,
        }
    }

    pub(crate) fn map<U>(&self, of: impl Fn(&T) -> U) -> Signals<U> {
        Signals { metrics: of(&self.metrics), logs: of(&self.logs), traces: of(&self.traces) }
    }

    /// All three, in the order of [`Signal::ALL`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        Signal::ALL.into_iter().map(|signal| self.of(signal))
    }
}
