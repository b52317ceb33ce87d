//! The watch thread: read, publish, judge, and hand over to those who tell.
//!
//! It waits for nothing but its own timer and the kernel's word that memory is short. Every 100 ms, and up to every 5 ms
//! while use climbs, it glances at the cheap signals; once a second, at each glance of a fast climb, and at once where a
//! glance or the kernel raises a suspicion, it takes a full sample, publishes it and has it judged; every 10 s it looks at
//! the limits anew.
//!
//! Where reading is slow, glances and samples are stretched out, so that either costs no more than a thousandth of a core
//! in calm, and a hundredth when something is about to happen. Neither is rarer than the table has it, however dear it is:
//! one that costs more than this exceeds its share.
//!
//! | | in calm | when something is about to happen |
//! |---|---|---|
//! | a glance | 1 ms, every second | while use climbs: 1 ms, every 100 ms |
//! | a sample | 10 ms, every 10 s | while the judge is alert: 100 ms, every 10 s; on suspicions: 10 ms, every second |

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use highwater_model::{
    Change, Glance, Judge, Level, Reason, Sample, Schedule, SinceStart, TrailingPeak, Transition, Transitions,
};
use highwater_sources::{Availability, Source, Sources, Waiter, Woken};

use crate::act::{Acted, Actor, Outcome};
use crate::black_box::{Entry, PreviousRun, Recorder};
use crate::capture::{Capturer, Told};
use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::event::{Event, Severity, What};
use crate::identity::{EpisodeHandle, EpisodeId};
use crate::latest::Snapshot;
use crate::outlet::Queue;
use crate::pressure::Publisher;
use crate::record::Recording;
use crate::shared::Shared;
use crate::signal::Signal;
use crate::stack;
use crate::startup::Findings;

/// Between two samples.
const SAMPLE: Duration = Duration::from_secs(1);
/// Between two looks at limits and identity.
pub(crate) const REFRESH: Duration = Duration::from_secs(10);
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
    pub(crate) recording: Option<Recording>,
    pub(crate) black_box: Option<Recorder>,
    pub(crate) snapshot: Snapshot,
    pub(crate) pressure: Publisher,
    /// Those who act, where there is something to do.
    pub(crate) actor: Option<Actor>,
    /// Who takes heap profiles, where there are any.
    pub(crate) capturer: Option<Capturer>,
    pub(crate) availability: [(Source, Availability); Source::COUNT],
    pub(crate) findings: Findings,
    pub(crate) schedule: Schedule,
    /// Ends with the agent.
    pub(crate) waiter: Waiter,
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
        stack::touch::<{ stack::DEEP }>();
        let start = self.shared.clock.now();
        let (mut sample, mut refresh) = (start, start.after(REFRESH));
        let mut cost = Duration::ZERO;
        let (mut is_first, mut out_of_turn) = (true, OutOfTurn::default());
        // The kernel says it once: it is a suspicion until a sample was taken.
        let mut heard = false;
        self.waiter.listen_to(&self.sources.signs());
        // Before anything else is told.
        let tell = &self.outlets.tell;
        let found = self.black_box.as_mut().map(|recorder| recorder.found(|severity, text| tell.say(severity, text)));
        self.tell_previous(found.unwrap_or_default());
        let captures = self.black_box.as_ref().map(|recorder| recorder.captures().to_owned());
        self.remember_captures(&captures.unwrap_or_default());
        // Counters begin at 0, before there is anything to count.
        let told = self.capturer.as_mut().map(Capturer::begin);
        self.tell_of_captures(told.unwrap_or_default());
        loop {
            let now = self.shared.clock.now();
            if now >= refresh {
                self.sources.refresh();
                self.waiter.listen_to(&self.sources.signs());
                refresh = now.after(REFRESH);
            }
            let (mut glance, glance_cost) = self.glance();
            self.snapshot.cost.read = self.snapshot.cost.read.saturating_add(glance_cost);
            let suspects = heard || self.schedule.sees_climb() || self.judge.suspects(&glance);
            if now >= sample || (suspects && out_of_turn.allows(now)) {
                let before = std::mem::replace(&mut cost, self.round(now));
                if std::mem::take(&mut is_first) {
                    self.outlets.first_sample();
                }
                heard = false;
                out_of_turn.spend(now, cost);
                // A thread that lost its turn for once seems slow, too; and where something happens each second counts.
                let budget = if self.judge.is_alert() { Schedule::URGENT_BUDGET } else { Schedule::BUDGET };
                sample = now.after(pause(cost.min(before), budget));
                // What could be reclaimed is known anew: the next glance is compared with this.
                let Sample { at, used, limit, .. } = self.snapshot.sample;
                glance = Glance { at, used, limit };
            }
            self.tell_outcomes();
            self.tell_captures();
            let next = now.after(self.schedule.next(&glance, glance_cost));
            match self.wait_until(next) {
                Woken::Time => {}
                Woken::Kernel => heard = true,
                Woken::Stop => break,
            }
        }
        self.shut_down();
    }

    /// The cheap signals, and what they cost.
    fn glance(&mut self) -> (Glance, Duration) {
        let now = self.shared.clock.now();
        let glance = self.sources.glance(now);
        (glance, self.shared.clock.now().since(now))
    }

    fn wait_until(&mut self, moment: SinceStart) -> Woken {
        loop {
            let time = moment.since(self.shared.clock.now());
            match self.waiter.wait(time) {
                // A signal can end a wait.
                Woken::Time if self.shared.clock.now() < moment => {}
                woken => return woken,
            }
        }
    }

    /// One sample through all stages. Returns what reading and judging it cost.
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
        (self.snapshot.slope, self.snapshot.time_to_limit) = (self.judge.slope(), self.judge.time_to_limit());
        (self.snapshot.is_growing, self.snapshot.warm_up_left) = (self.judge.is_growing(), self.judge.warm_up_left());
        self.snapshot.counts = self.judge.counts();
        if let Some(words) = self.findings.of(&sample) {
            words.into_iter().for_each(|text| self.outlets.tell.say(Severity::Warn, text));
        }
        let mut events = Vec::new();
        events.extend(transitions.iter().map(|transition| self.event(transition)));
        events.extend(self.availability_events());
        let judged = self.shared.clock.now();

        // (2) publish; before telling, so that a callback that asks for the status finds the new one
        self.shared.latest.publish(&self.snapshot);
        let changed = self.pressure.publish(&self.snapshot, &transitions);
        if let Some(actor) = self.actor.as_ref().filter(|_| changed) {
            actor.level_changed();
        }

        self.record();

        // (4) tell
        for event in &events {
            self.outlets.tell(event, &self.shared.delivery);
        }
        // While an episode flaps a change is counted and not told, and those who wait for it are to be woken all the same.
        if changed && events.is_empty() {
            self.outlets.tell.wake();
        }
        self.capture(&transitions);
        if let Some(recording) = &mut self.recording {
            recording.record(&sample, |severity, text| self.outlets.tell.say(severity, text));
        }

        let cost = &mut self.snapshot.cost;
        cost.rounds = cost.rounds.saturating_add(1);
        cost.read = cost.read.saturating_add(read.since(now));
        cost.judge = cost.judge.saturating_add(judged.since(read));
        cost.tell = cost.tell.saturating_add(self.shared.clock.now().since(judged));
        judged.since(now)
    }

    /// Hands what is known now to the black box: before it is told, since it may be the last.
    fn record(&mut self) {
        let Some(recorder) = &mut self.black_box else { return };
        let Snapshot { sample, level, slope, episode, .. } = &self.snapshot;
        let episode = self.judge.episode().zip(episode.clone());
        let entry = Entry::of(sample, *level, *slope, episode);
        let tell = &self.outlets.tell;
        let found = recorder.record(entry, |severity, text| tell.say(severity, text));
        let late = recorder.new_captures();
        self.remember_captures(&late);
        self.tell_previous(found);
    }

    /// Counts captures of earlier runs.
    fn remember_captures(&mut self, captures: &[SystemTime]) {
        if let Some(capturer) = &mut self.capturer {
            capturer.remember(captures);
        }
    }

    /// Tells of runs that are over, whose boxes were found.
    fn tell_previous(&self, found: Vec<Arc<PreviousRun>>) {
        for run in found {
            let event = Arc::new(Event::of_previous(Clock::date(), run));
            self.outlets.tell(&event, &self.shared.delivery);
        }
    }

    /// The event of a transition, which opens or closes the episode of the snapshot.
    fn event(&mut self, transition: &Transition) -> Arc<Event> {
        if let Change::Begun(episode) = transition.change {
            let id = self.outlets.own_ids.then(EpisodeId::random);
            let began = self.shared.clock.wall(episode.began);
            // Of a split, the first half is still there.
            let first_half = self.snapshot.episode.take();
            self.snapshot.episode = Some(EpisodeHandle::new(began, episode.began, id, first_half.as_deref()));
        }
        let event = self.event_of(What::Memory(*transition), transition.at);
        if matches!(transition.change, Change::Ended(..)) && transition.reason != Reason::Split {
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

    /// Has captured what the transitions of this sample are worth.
    fn capture(&mut self, transitions: &Transitions) {
        let Some(capturer) = &mut self.capturer else { return };
        let Snapshot { sample, episode, .. } = &self.snapshot;
        let is_calm = episode.is_none() && !self.judge.is_alert();
        let told = capturer.follow(sample, transitions.iter(), self.judge.level(), is_calm, episode.as_ref());
        if capturer.take_ordered()
            && let Some(recorder) = &mut self.black_box
        {
            recorder.note_capture(Clock::date());
            self.record();
        }
        self.tell_of_captures(told);
    }

    /// Tells what came of captures since the last look, and has those taken that were asked for.
    fn tell_captures(&mut self) {
        let Some(capturer) = &mut self.capturer else { return };
        let Snapshot { sample, level, episode, .. } = &self.snapshot;
        let told = capturer.look(sample, *level, episode.as_ref());
        self.tell_of_captures(told);
    }

    fn tell_of_captures(&mut self, told: Vec<Told>) {
        self.snapshot.captures = self.capturer.as_ref().map(Capturer::counts);
        let mut written = told.iter().rev().filter_map(|told| match told {
            Told::Written(capture, _) => Some(capture),
            Told::Refused(..) | Told::Said(_) => None,
        });
        if let (Some(capture), Some(recorder)) = (written.next(), &mut self.black_box) {
            recorder.note_sites(&capture.sites);
            // At once: the next sample may never come.
            self.record();
        }
        for told in told {
            let (what, episode) = match told {
                Told::Written(capture, episode) => (What::CaptureWritten(capture), episode),
                Told::Refused(refused, episode) => (What::CaptureRefused(refused), episode),
                Told::Said(text) => {
                    self.outlets.tell.say(Severity::Warn, text);
                    continue;
                }
            };
            let at = self.shared.clock.wall(self.shared.clock.now());
            let event = Event::new(at, what, self.snapshot.sample, episode);
            self.outlets.tell(&Arc::new(event), &self.shared.delivery);
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
        self.tell_captures();
        if let Some(transition) = self.judge.shut_down(self.shared.clock.now()) {
            let event = self.event(&transition);
            self.snapshot.level = Level::Normal;
            self.shared.latest.publish_last(&self.snapshot);
            self.outlets.tell(&event, &self.shared.delivery);
        }
        // What comes now may take a while, and the episode is over.
        self.record();
        if let Some(capturer) = &mut self.capturer {
            let told = capturer.finish(&self.snapshot.sample, self.shared.clock);
            self.tell_of_captures(told);
        }
        self.black_box.into_iter().for_each(Recorder::close);
    }
}

impl Outlets {
    fn tell(&self, event: &Arc<Event>, delivery: &Delivery) {
        let sent = self.send.as_ref().is_none_or(|send| send.tell(event));
        let heard = self.tell.tell(event);
        if let Some(receipt) = event.receipt().filter(|_| !sent || (!heard && self.send.is_none())) {
            receipt.lose();
        }
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

/// From a sample that cost so much to the next, within a budget.
fn pause(cost: Duration, budget: u32) -> Duration {
    cost.saturating_mul(budget).clamp(SAMPLE, LONGEST)
}

/// What samples may cost where suspicions ask for them: a hundredth of a core, and as a burst what a second has of that: a
/// fast climb is soon over, and a sample that comes after its end is of no use.
#[derive(Debug, Default)]
struct OutOfTurn {
    /// Until then what was spent is not made up for.
    spent: SinceStart,
}

impl OutOfTurn {
    fn allows(&self, now: SinceStart) -> bool {
        self.spent.since(now) < URGENT_LONGEST
    }

    fn spend(&mut self, now: SinceStart, cost: Duration) {
        let pause = cost.saturating_mul(Schedule::URGENT_BUDGET).min(URGENT_LONGEST);
        self.spent = self.spent.max(now).after(pause);
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::pin::Pin;
    use std::sync::mpsc::{SyncSender, sync_channel};
    use std::task::{Context, Poll, Wake, Waker};

    use highwater_model::{Bytes, Rules};
    use highwater_sources::{Options, waiter};

    use super::*;
    use crate::finished::Finished;
    use crate::outlet::Outlet;
    use crate::pressure::{Pressure, Wakes};

    #[test]
    fn samples_are_stretched_out_where_reading_is_slow_but_not_without_end() {
        let micros = Duration::from_micros;
        let seconds = |budget| [20, 2_000, 60_000, 200_000].map(|cost| pause(micros(cost), budget).as_secs());
        assert_eq!(seconds(Schedule::BUDGET), [1, 2, 10, 10]);
        assert_eq!(seconds(Schedule::URGENT_BUDGET), [1, 1, 6, 10], "while something happens");
    }

    #[test]
    fn samples_out_of_turn_cost_a_hundredth_of_a_core_and_a_burst_of_a_second_s_worth() {
        // How many of such a cost, asked for every 5 ms for 11 s.
        let count = |micros| {
            let mut out_of_turn = OutOfTurn::default();
            let allowed = (0..2_200).filter(|turn| {
                let now = SinceStart::new(Duration::from_millis(5 * turn));
                let allows = out_of_turn.allows(now);
                if allows {
                    out_of_turn.spend(now, Duration::from_micros(micros));
                }
                allows
            });
            allowed.count()
        };
        assert_eq!(count(20), 2_200);
        assert_eq!(count(300), 400, "10 ms a second for 12 s");
        assert_eq!(count(60_000), 12, "one a second");
    }

    #[test]
    fn who_waits_for_a_level_is_woken_by_a_change_that_is_counted_and_not_told() {
        const PATIENCE: Duration = Duration::from_secs(60);
        struct Tell(SyncSender<()>);
        impl Wake for Tell {
            fn wake(self: Arc<Self>) {
                let _ = self.0.try_send(());
            }
        }
        let root = tempfile::tempdir().unwrap();
        let process = root.path().join("proc/self");
        std::fs::create_dir_all(&process).unwrap();
        let uses = |mib: u64| {
            let status = format!("RssAnon:\t {} kB\nRssFile:\t 0 kB\nRssShmem:\t 0 kB\n", mib << 10);
            std::fs::write(process.join("status"), status).unwrap();
        };
        // Kept open from the start on.
        uses(40);
        let mut rules = Rules::default();
        (rules.holds.elevated, rules.holds.leave) = (Duration::ZERO, Duration::ZERO);
        let (shared, finished) = (Shared::new(), Finished::default());
        let wakes: Box<dyn Outlet> = Box::new(Wakes(Arc::clone(&shared.pressure)));
        let options = Options { root: root.path().to_owned(), limit: Some(Bytes::mib(100)), ..Options::default() };
        let (waiter, stop) = waiter();
        let mut watch = Watch {
            sources: Sources::open(options, Arc::clone(&shared.regions)),
            judge: Judge::new(rules),
            peak: TrailingPeak::new(SAMPLE),
            outlets: Outlets {
                send: None,
                tell: Queue::spawn("highwater-tell", vec![wakes], finished.wait_for()).unwrap(),
                of_host: false,
                own_ids: true,
            },
            recording: None,
            black_box: None,
            snapshot: Snapshot::default(),
            pressure: Publisher::new(&shared.pressure),
            actor: None,
            capturer: None,
            availability: Source::ALL.map(|source| (source, Availability::Absent)),
            findings: Findings::new(rules.levels, None),
            schedule: Schedule::new(rules.levels),
            waiter,
            shared,
        };
        let pressure = Pressure::of(&watch.shared.pressure);
        let mut second = 0;
        let mut round = |mib| {
            second += 1;
            uses(mib);
            watch.round(SinceStart::from_secs(second));
            watch.judge.level()
        };
        assert_eq!(round(40), Level::Normal);
        for _ in 0..20 {
            for (from, mib, to) in [(Level::Normal, 80, Level::Elevated), (Level::Elevated, 40, Level::Normal)] {
                let (tell, woken) = sync_channel(1);
                let waker = Waker::from(Arc::new(Tell(tell)));
                let mut changed = pressure.changed(from);
                let mut poll = || Pin::new(&mut changed).poll(&mut Context::from_waker(&waker));
                assert!(poll().is_pending());
                assert_eq!(round(mib), to);
                woken.recv_timeout(PATIENCE).expect("nobody is woken");
                assert_eq!(poll(), Poll::Ready(Ok(to)));
            }
        }
        drop(stop);
    }
}
