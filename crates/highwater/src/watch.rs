//! The watch thread: read, publish, judge, and hand over to those who tell.
//!
//! It waits for nothing but its own timer. Every 100 ms it glances at the cheap signals; once a second, and at once where
//! a glance raises a suspicion, it takes a full sample, publishes it and has it judged; every 10 s it looks at the limits
//! anew. Full samples are stretched out where reading is slow, to stay within a thousandth of a core.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use highwater_model::{Change, Glance, Judge, Level, SinceStart, TrailingPeak, Transition};
use highwater_sources::{Availability, Source, Sources};

use crate::act::{Acted, Actor, Outcome};
use crate::delivery::Delivery;
use crate::event::{Event, Severity, What};
use crate::identity::{EpisodeHandle, EpisodeId};
use crate::latest::Snapshot;
use crate::outlet::Queue;
use crate::pressure::Publisher;
use crate::shared::Shared;
use crate::signal::Signal;
use crate::startup::Findings;

/// Between two glances.
const GLANCE: Duration = Duration::from_millis(100);
/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(1);
/// Between two looks at limits and identity.
pub(crate) const REFRESH: Duration = Duration::from_secs(10);
/// A sample may cost this share of the time to the next one.
const BUDGET: u32 = 1_000;
/// The same for a sample that a suspicion asks for: more, since something is about to happen, but not without end.
const URGENT_BUDGET: u32 = 100;
/// However slow a sample was. Its cost is wall-clock time: a thread that lost its turn, or waited for its own pages while
/// the cgroup thrashed, seems slow, and that is when the next sample counts. A sample that truly costs so much is rare.
const LONGEST: Duration = Duration::from_secs(10);
/// The same for a sample that a suspicion asks for.
const URGENT_LONGEST: Duration = Duration::from_secs(1);

/// All that the watch thread owns.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sources: Sources,
    pub(crate) judge: Judge,
    pub(crate) peak: TrailingPeak,
    pub(crate) outlets: Outlets,
    pub(crate) snapshot: Snapshot,
    pub(crate) pressure: Publisher,
    /// Those who act, where there is something to do.
    pub(crate) actor: Option<Actor>,
    pub(crate) availability: [(Source, Availability); Source::COUNT],
    pub(crate) findings: Findings,
    /// Ends with the agent: nothing is ever sent.
    pub(crate) stop: Receiver<()>,
}

/// Those who tell.
#[derive(Debug)]
pub(crate) struct Outlets {
    /// The agent's own pipeline, where there is one.
    pub(crate) send: Option<Queue>,
    /// What is the host's: its providers, its log, its callbacks.
    pub(crate) tell: Queue,
    /// Whether a host's own providers are among what is the host's.
    pub(crate) of_host: bool,
    /// Whether the id of an episode is ours to choose, or a host's tracer's.
    pub(crate) own_ids: bool,
}

impl Watch {
    /// Runs until the agent stops.
    pub(crate) fn run(mut self) {
        let start = self.shared.clock.now();
        let (mut glance, mut sample, mut refresh) = (start, start, start.after(REFRESH));
        let mut cost = Duration::ZERO;
        let mut sampled: Option<SinceStart> = None;
        loop {
            let now = self.shared.clock.now();
            if now >= refresh {
                self.sources.refresh();
                refresh = now.after(REFRESH);
            }
            let urgent = || sampled.is_none_or(|at| now.since(at) >= urgent_pause(cost));
            if now >= sample || (self.suspects(now) && urgent()) {
                let before = std::mem::replace(&mut cost, self.round(now));
                if sampled.is_none() {
                    self.outlets.first_sample();
                }
                sampled = Some(now);
                // A thread that lost its turn for once seems slow, too; and where something happens each second counts.
                sample = now.after(if self.judge.is_alert() { SAMPLE } else { pause(cost.min(before)) });
            }
            self.tell_outcomes();
            glance = glance.after(GLANCE).max(self.shared.clock.now());
            match self.stop.recv_timeout(glance.since(self.shared.clock.now())) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.shut_down();
    }

    fn suspects(&mut self, now: SinceStart) -> bool {
        let glance: Glance = self.sources.glance(now);
        self.judge.suspects(&glance)
    }

    /// One sample through all stages. Returns what reading it cost.
    fn round(&mut self, now: SinceStart) -> Duration {
        // (1) read
        let sample = self.sources.sample(now);
        let read = self.shared.clock.now();

        // (3) judge; first, since nobody should see a sample without its level
        let transitions = self.judge.judge(&sample);
        if let Some(used) = sample.used {
            self.peak.record(now, used);
        }
        self.snapshot.sample = sample;
        self.snapshot.peak = self.peak.at(now);
        self.snapshot.level = self.judge.level();
        if let Some(words) = self.findings.of(&sample) {
            words.into_iter().for_each(|text| self.outlets.tell.say(Severity::Warn, text));
        }
        let mut events = Vec::new();
        events.extend(transitions.iter().map(|transition| self.event(transition)));
        events.extend(self.availability_events());
        let judged = self.shared.clock.now();

        // (2) publish; before telling, so that a callback that asks for the status finds the new one
        self.shared.latest.publish(&self.snapshot);
        let changed = self.pressure.publish(self.snapshot.level, &sample, &transitions);
        if let Some(actor) = self.actor.as_ref().filter(|_| changed) {
            actor.level_changed();
        }

        // (4) tell
        for event in &events {
            self.outlets.tell(event, &self.shared.delivery);
        }

        let cost = &mut self.snapshot.cost;
        cost.rounds = cost.rounds.saturating_add(1);
        cost.read = cost.read.saturating_add(read.since(now));
        cost.judge = cost.judge.saturating_add(judged.since(read));
        cost.tell = cost.tell.saturating_add(self.shared.clock.now().since(judged));
        read.since(now)
    }

    /// The event of a transition, which opens or closes the episode of the snapshot.
    fn event(&mut self, transition: &Transition) -> Arc<Event> {
        match transition.change {
            Change::Begun(episode) => {
                self.snapshot.counts.episodes = episode.number;
                self.count_entry(episode.level);
                let id = self.outlets.own_ids.then(EpisodeId::random);
                let began = self.shared.clock.wall(episode.began);
                self.snapshot.episode = Some(EpisodeHandle::new(began, episode.began, id));
            }
            Change::Changed(episode, stay) if episode.level > stay.level => self.count_entry(episode.level),
            _ => {}
        }
        let event = self.event_of(What::Memory(*transition), transition.at);
        if matches!(transition.change, Change::Ended(..)) {
            self.snapshot.episode = None;
        }
        event
    }

    fn event_of(&self, what: What, at: SinceStart) -> Arc<Event> {
        let Snapshot { sample, episode, .. } = &self.snapshot;
        Arc::new(Event::new(self.shared.clock.wall(at), what, *sample, episode.clone()))
    }

    /// Tells what came of actions since the last look.
    fn tell_outcomes(&self) {
        let Some(actor) = &self.actor else { return };
        if let Some(text) = actor.hangs(self.shared.clock.now()) {
            self.outlets.tell.say(Severity::Warn, text);
        }
        for outcome in actor.outcomes() {
            match outcome {
                Outcome::Acted(mut acted) => {
                    acted.episode = acted.episode.or_else(|| self.snapshot.episode.clone());
                    self.outlets.acted(&Arc::from(acted), &self.shared.delivery);
                }
                Outcome::Broken(text) => self.outlets.tell.say(Severity::Warn, text),
            }
        }
    }

    fn count_entry(&mut self, entered: Level) {
        for (level, entries) in Level::RAISED.into_iter().zip(&mut self.snapshot.counts.entries) {
            if level == entered {
                *entries = entries.saturating_add(1);
            }
        }
    }

    /// An event of each source that changed between readable and not: one a change.
    fn availability_events(&mut self) -> Vec<Arc<Event>> {
        let before = std::mem::replace(&mut self.availability, self.sources.availability());
        let changes = before.into_iter().zip(self.availability).filter_map(|((source, before), (_, after))| {
            match (before, after) {
                (Availability::Unavailable(_), Availability::Unavailable(_)) => None,
                (_, Availability::Unavailable(why)) => Some(What::SourceUnavailable { source, why }),
                (Availability::Unavailable(_), Availability::Available) => Some(What::SourceRecovered { source }),
                _ => None,
            }
        });
        changes.map(|what| self.event_of(what, self.snapshot.sample.at)).collect()
    }

    /// Ends an open episode as ended by shutdown. Those who tell deliver what waits once the queues are dropped.
    fn shut_down(mut self) {
        self.tell_outcomes();
        if let Some(transition) = self.judge.shut_down(self.shared.clock.now()) {
            let event = self.event(&transition);
            self.snapshot.level = Level::Normal;
            self.shared.latest.publish_last(&self.snapshot);
            self.outlets.tell(&event, &self.shared.delivery);
        }
    }
}

impl Outlets {
    fn tell(&self, event: &Arc<Event>, delivery: &Delivery) {
        let sent = self.send.as_ref().is_none_or(|send| send.tell(event));
        let heard = self.tell.tell(event);
        if !heard {
            delivery.leave_unheard();
        }
        // A host's own providers are told where its callbacks are. An event is one record and at least one span.
        if !sent || (!heard && self.of_host) {
            delivery.drop_items(Signal::Logs, 1);
            delivery.drop_items(Signal::Traces, 1);
        }
    }

    fn acted(&self, acted: &Arc<Acted>, delivery: &Delivery) {
        let sent = self.send.as_ref().is_none_or(|send| send.acted(acted));
        let heard = self.tell.acted(acted);
        if !sent || (!heard && self.of_host) {
            delivery.drop_items(Signal::Traces, 1);
        }
    }

    fn first_sample(&self) {
        if let Some(send) = &self.send {
            send.first_sample();
        }
    }
}

/// From a sample that cost so much to the next.
fn pause(cost: Duration) -> Duration {
    cost.saturating_mul(BUDGET).clamp(SAMPLE, LONGEST)
}

/// The same, where a suspicion asks for the next.
fn urgent_pause(cost: Duration) -> Duration {
    cost.saturating_mul(URGENT_BUDGET).min(URGENT_LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_stretched_out_where_reading_is_slow_but_not_without_end() {
        let micros = Duration::from_micros;
        assert_eq!([20, 2_000, 60_000].map(|cost| pause(micros(cost)).as_secs()), [1, 2, 10]);
        assert_eq!([20, 60_000].map(|cost| urgent_pause(micros(cost)).as_millis()), [2, 1_000]);
    }
}
