//! Sends what the outbox holds: what is due now, and at the end all of it.

use std::sync::Arc;
use std::time::Duration;

use super::courier::Courier;
use super::outbox::{Outbox, Parcel};
use super::wire::Answer;
use crate::clock::Clock;
use crate::event::Severity;
use crate::identity::random;
use crate::signal::{Signal, Signals};

/// For all that waits when the agent ends; whoever waits for that has a deadline of their own.
const END: Duration = Duration::from_secs(5);

/// For one profile: a large request, and an event that comes meanwhile waits behind it.
const PROFILE: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(super) struct Dispatch {
    outbox: Outbox,
    couriers: Signals<Arc<Courier>>,
    clock: Clock,
}

impl Dispatch {
    pub(super) fn new(couriers: Signals<Arc<Courier>>, clock: Clock) -> Self {
        Self { outbox: Outbox::default(), couriers, clock }
    }

    /// Keeps what is to be sent.
    pub(super) fn put(&mut self, parcel: Parcel) {
        if let Some(lost) = self.outbox.put(parcel) {
            lost_for_now(&lost);
            self.couriers.of(lost.signal).give_up(1);
        }
    }

    /// Sends one parcel, if one is due. Returns how long nothing will be, where something waits.
    pub(super) fn work(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        while let Some(expired) = self.outbox.take_expired(now) {
            lost_for_now(&expired);
            self.couriers.of(expired.signal).give_up(1);
        }
        if let Some(parcel) = self.outbox.take_due(now) {
            self.send(parcel);
        }
        self.outbox.rest(self.clock.now())
    }

    fn send(&mut self, parcel: Parcel) {
        let courier = self.couriers.of(parcel.signal);
        match courier.carry(&parcel.body, at_most(parcel.signal)) {
            Answer::Taken => {
                arrived(&parcel);
                self.outbox.succeeded(parcel.signal);
            }
            Answer::TakenInPart { .. } => {
                lost_for_now(&parcel);
                self.outbox.succeeded(parcel.signal);
            }
            Answer::Later { after, .. } => self.outbox.failed(parcel, self.clock.now(), after, spread()),
            Answer::Refused { .. } => {
                courier.give_up(1);
                // Not by this collector as it is now: it may be another at the next start, or one that was mended.
                lost_for_now(&parcel);
                self.outbox.succeeded(parcel.signal);
            }
        }
    }

    /// Tries all that waits once more, whether it is due or not, unless the collector has asked for a rest. A way that
    /// fails is not tried again. What is left then is given up.
    pub(super) fn finish(&mut self) {
        let end = self.clock.now().after(END);
        let mut closed = Signals::<bool>::default();
        let mut lost = 0_u64;
        for parcel in self.outbox.take_all() {
            let (signal, now) = (parcel.signal, self.clock.now());
            let (courier, closed) = (self.couriers.of(signal), closed.of_mut(signal));
            *closed |= now >= end || self.outbox.is_asked_to_rest(signal, now);
            let answer = (!*closed).then(|| courier.carry(&parcel.body, end.since(now).min(at_most(signal))));
            *closed |= matches!(answer, Some(Answer::Later { .. }));
            match answer {
                Some(Answer::Taken) => arrived(&parcel),
                Some(Answer::TakenInPart { .. }) => lost_for_now(&parcel),
                Some(Answer::Later { .. } | Answer::Refused { .. }) | None => {
                    lost_for_now(&parcel);
                    courier.give_up(1);
                    lost = lost.saturating_add(1);
                }
            }
        }
        if lost > 0 {
            let text = format!("{lost} log records, spans and profiles could not be sent before the end");
            self.couriers.logs.words.say(Severity::Warn, text);
        }
    }
}

/// How long a request may take, beside its timeout.
const fn at_most(signal: Signal) -> Duration {
    match signal {
        Signal::Profiles => PROFILE,
        Signal::Metrics | Signal::Logs | Signal::Traces => Duration::MAX,
    }
}

fn arrived(parcel: &Parcel) {
    parcel.receipt.iter().for_each(|receipt| receipt.take(parcel.signal));
}

/// Whoever waits for it tells it again, in another run.
fn lost_for_now(parcel: &Parcel) {
    parcel.receipt.iter().for_each(|receipt| receipt.lose());
}

/// From 0 to 1.
fn spread() -> f64 {
    f64::from(random() as u32) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests;
