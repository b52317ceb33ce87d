//! What the page knows: kept up to date by its own thread, asked by whoever serves it.
//!
//! Twice a second the thread looks for a new sample of the agent's; it takes none itself. Events come by the agent's own
//! thread for callbacks, which encodes them. Who serves takes from here what is encoded already: a snapshot is made by the
//! first who asks for it and shared until the next row.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use highwater::{Event, Observer, Status};

use crate::clock;
use crate::history::{History, Row, stalled};
use crate::json::{Json, Millis, millis};
use crate::live::Feed;
use crate::process::ProcessId;
use crate::snapshots::{Found, Snapshots};
use crate::state::{self, Fixed, Load};
use crate::told::{self, Told};

/// Between two looks for a sample: one comes every second, and none should be missed for being a moment late.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
/// Rows are no closer: where something happens the agent takes ten samples a second.
const ROWS_APART: Duration = Duration::from_millis(750);
/// While no sample comes, the state is told all the same, so that who looks sees that.
const NEWS_APART: u32 = 10;
/// For so many looks after the last who looked, messages are made, for the one who comes back.
const LOOKS_KEPT: u32 = 60;
/// A step of the system's clock by so many milliseconds moves all dates: who looks begins anew.
const STEP: u64 = 2_000;

/// What is shared by the page's thread, the agent's callback, and those who serve.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) process: ProcessId,
    pub(crate) feed: Arc<Feed>,
    pub(crate) observer: Observer,
    fixed: Fixed,
    kept: Mutex<Kept>,
}

#[derive(Debug)]
struct Kept {
    history: History,
    told: Told,
    /// The agent's start on the system's clock, in milliseconds since 1970, as of the last sample.
    start: u64,
    /// What was stalled by the last row.
    stalled: [Option<Duration>; 2],
    /// Looks since the last message.
    silent: u32,
    /// Looks since somebody looked.
    unseen: u32,
    snapshots: Snapshots,
}

impl Keeper {
    pub(crate) fn new(observer: Observer, jaeger: Option<String>) -> Arc<Self> {
        let keeper = Arc::new(Self {
            process: ProcessId::current(),
            // Numbers go on where an earlier run's cannot be: less than a thousand come a second.
            feed: Arc::new(Feed::after(millis(clock::date()))),
            fixed: Fixed::of(&observer, jaeger),
            observer,
            kept: Mutex::new(Kept {
                history: History::new(),
                told: Told::default(),
                start: 0,
                stalled: [None; 2],
                silent: 0,
                unseen: LOOKS_KEPT,
                snapshots: Snapshots::default(),
            }),
        });
        // It can be asked for at once.
        keeper.look();
        keeper
    }

    /// Hears what happens from now on, and what did before.
    pub(crate) fn follow(self: &Arc<Self>) {
        let weak = Arc::downgrade(self);
        let before = self.observer.follow(move |event| tell(&weak, event));
        before.iter().for_each(|event| self.tell(event));
    }

    /// Takes a new sample into account, where there is one.
    pub(crate) fn look(&self) {
        self.feed.look();
        let (status, now) = (self.observer.status(), clock::date());
        let mut kept = self.kept();
        kept.unseen = kept.unseen.saturating_add(1);
        kept.silent = kept.silent.saturating_add(1);
        let row = kept.row(&status);
        if let Some(start) = start(&status, now) {
            let before = std::mem::replace(&mut kept.start, start);
            if before != 0 {
                kept.told.redate(before, start);
            }
            if before != 0 && before.abs_diff(start) >= STEP {
                kept.snapshots.outdate();
                self.feed.reset();
            }
        }
        if row.is_none() && kept.silent < NEWS_APART {
            return;
        }
        if let (Some(row), Some(sample)) = (row, status.sample) {
            kept.history.push(row);
            kept.stalled = stalled(&sample);
        }
        kept.silent = 0;
        kept.snapshots.release();
        let readers = self.feed.readers();
        let wanted = readers > 0 || kept.unseen < LOOKS_KEPT;
        if !wanted {
            kept.snapshots.rest();
        }
        let message = wanted.then(|| {
            Json::of(|json| {
                if let Some(row) = row {
                    json.object_field("row", |json| row.write(json, kept.start));
                }
                json.ready_field("state", &self.state(&kept, &status, now, readers));
            })
        });
        self.feed.publish("sample", message.as_deref());
    }

    fn tell(&self, event: &Event) {
        let mut kept = self.kept();
        let wanted = self.feed.readers() > 0 || kept.unseen < LOOKS_KEPT;
        // Whoever publishes holds the lock above: the number is the next one's.
        let mut encoded = told::encoded(event, self.feed.last().saturating_add(1));
        // Its date is by the clock of now, those of rows by that of the last look.
        if let Some(start) = start(&self.observer.status(), clock::date())
            && kept.start != 0
        {
            encoded.redate(start, kept.start);
        }
        let message = wanted.then(|| Json::of(|json| encoded.write(json)));
        self.feed.publish("event", message.as_deref());
        kept.told.push(encoded);
    }

    /// Everything now, as JSON; nothing while those who read slowly hold all that may be held.
    pub(crate) fn snapshot(&self) -> Option<Bytes> {
        let mut kept = self.kept();
        kept.unseen = 0;
        let seq = self.feed.last();
        match kept.snapshots.up_to(seq, self.feed.kept_after()) {
            Found::Ready(snapshot) => return Some(snapshot),
            Found::Busy => return None,
            Found::ToMake => {}
        }
        let (status, now) = (self.observer.status(), clock::date());
        let text = Json::of(|json| {
            json.field("seq", seq);
            json.field("interval", 1.0);
            json.known("start", (kept.start != 0).then_some(Millis(kept.start)));
            json.object_field("history", |json| kept.history.write(json, kept.start));
            json.array_field("events", |json| kept.told.write(json));
            json.ready_field("state", &self.state(&kept, &status, now, self.feed.readers()));
        });
        Some(kept.snapshots.keep(seq, text))
    }

    /// Somebody looks: what comes is worth making.
    pub(crate) fn see(&self) {
        self.kept().unseen = 0;
    }

    fn state(&self, kept: &Kept, status: &Status, now: SystemTime, readers: usize) -> String {
        let held = [History::BYTES, kept.told.bytes(), self.feed.bytes(), kept.snapshots.bytes()];
        let load = Load { bytes: held.into_iter().fold(0, usize::saturating_add), readers };
        let delivery = self.observer.delivery();
        state::encoded(&self.fixed, self.observer.is_running(), status, &delivery, &kept.history, load, now)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The row of a sample that is new.
    fn row(&self, status: &Status) -> Option<Row> {
        let sample = status.sample?;
        let last = self.history.last().map(Row::at);
        if last.is_some_and(|last| sample.at.elapsed() < last.saturating_add(ROWS_APART)) {
            return None;
        }
        Some(Row::of(&sample, status.level, last.map(|last| (last, self.stalled))))
    }
}

/// The agent's start on the system's clock, where there is a sample.
fn start(status: &Status, now: SystemTime) -> Option<u64> {
    let (sample, age) = (status.sample?, status.age?);
    Some(millis(now).saturating_sub(whole_millis(age)).saturating_sub(whole_millis(sample.at.elapsed())))
}

/// The agent's callback: it keeps nothing of the page's alive, and ends after it.
fn tell(keeper: &Weak<Keeper>, event: &Event) -> ControlFlow<()> {
    match keeper.upgrade() {
        Some(keeper) => {
            keeper.tell(event);
            ControlFlow::Continue(())
        }
        None => ControlFlow::Break(()),
    }
}

fn whole_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::OnceLock;

    use highwater::Agent;

    use super::*;

    /// Of an agent that was not started. One for all tests, since a process has one agent.
    pub(crate) fn observer() -> Observer {
        static IDLE: OnceLock<Agent> = OnceLock::new();
        IDLE.get_or_init(|| Agent::builder().set("HIGHWATER_DISABLED", "true").start().unwrap()).observer()
    }

    /// There is no sample, and what is told is that.
    fn keeper() -> Arc<Keeper> {
        Keeper::new(observer(), None)
    }

    fn look(keeper: &Keeper, times: u32) {
        (0..times).for_each(|_| keeper.look());
    }

    #[test]
    fn while_nobody_looks_nothing_is_made_and_numbers_go_on() {
        let keeper = keeper();
        let first = keeper.feed.last();
        look(&keeper, 10 * NEWS_APART);
        assert_eq!((keeper.feed.bytes(), keeper.feed.last()), (0, first + 10));
        keeper.see();
        look(&keeper, NEWS_APART);
        assert!(keeper.feed.bytes() > 0, "for the one who looks");
        look(&keeper, LOOKS_KEPT);
        assert_eq!(keeper.feed.bytes(), 0, "who has not come back");
        let reader = keeper.feed.read(None);
        look(&keeper, 2 * LOOKS_KEPT);
        assert!(keeper.feed.bytes() > 0, "for as long as somebody reads");
        drop(reader);
    }

    #[test]
    fn a_snapshot_is_made_once_for_all_who_ask_before_the_next_message() {
        let keeper = keeper();
        let snapshot = || keeper.snapshot().unwrap();
        let first = snapshot();
        assert_eq!(snapshot().as_ptr(), first.as_ptr());
        look(&keeper, NEWS_APART);
        let next: serde_json::Value = serde_json::from_slice(&snapshot()).unwrap();
        assert_eq!(next["seq"], keeper.feed.last());
        assert_eq!(next["state"]["verdict"]["kind"], "stale");
    }

    #[test]
    fn the_snapshot_counts_as_memory_of_the_page_for_as_long_as_somebody_asks_for_one() {
        let keeper = keeper();
        let counted = || {
            let state = keeper.state(&keeper.kept(), &keeper.observer.status(), clock::date(), 0);
            let state: serde_json::Value = serde_json::from_str(&state).unwrap();
            state["cost"]["page_bytes"].as_u64().unwrap()
        };
        let without = counted();
        let size = keeper.snapshot().unwrap().len() as u64;
        assert_eq!(counted(), without + size);
        look(&keeper, NEWS_APART);
        let messages = keeper.feed.bytes() as u64;
        assert_eq!(counted(), without + size + messages, "the next one is made as soon as somebody asks");
        look(&keeper, LOOKS_KEPT);
        assert_eq!(counted(), without);
    }

    /// `cargo test --release -p highwater-page --lib costs -- --ignored --nocapture`
    #[test]
    #[ignore = "prints what is in docs/figures.md"]
    fn costs() {
        use highwater::model::{Limit, LimitSource, Process, SinceStart};
        use highwater::{Bytes as Amount, Level, Sample};

        let keeper = keeper();
        for second in 0..30_000 {
            let amount = |share: u64| Some(Amount::new(400_000_000 + second * 1_000 * share));
            let process =
                Process { rss: amount(3), anon: amount(2), file: amount(1), shmem: amount(1), ..Process::default() };
            let limit = Some(Limit { bytes: Amount::gib(1), source: LimitSource::Config, scope: 0 });
            let sample =
                Sample { at: SinceStart::from_secs(second), used: amount(3), limit, process, ..Sample::default() };
            keeper.kept().history.push(Row::of(&sample, Level::Normal, None));
        }
        keeper.see();
        let mean = |what: &str, times: u32, of: &mut dyn FnMut()| {
            let clock = tokio::time::Instant::now();
            (0..times).for_each(|_| of());
            println!("{what}: {:.1} us", clock.elapsed().as_secs_f64() * 1e6 / f64::from(times));
        };
        mean("a snapshot of six hours", 100, &mut || {
            keeper.kept().snapshots.outdate();
            keeper.snapshot();
        });
        println!("its size: {} bytes", keeper.snapshot().unwrap().len());
        mean("the same again, before the next row", 100_000, &mut || drop(keeper.snapshot()));
        let reader = keeper.feed.read(None);
        mean("a message", 1_000, &mut || {
            keeper.kept().silent = NEWS_APART;
            keeper.look();
        });
        drop(reader);
        keeper.kept().unseen = LOOKS_KEPT;
        mean("a look while nobody does", 100_000, &mut || keeper.look());
    }
}
