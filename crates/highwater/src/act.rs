//! Act: what a program does about memory pressure, on a thread of its own, measured.
//!
//! The watch thread says that the level changed and goes on. *highwater-act*, which exists only where there is an action, runs
//! those whose level is reached, one after the other: the host's in the order in which they were given, then the purge,
//! which gives back what they have freed; later each when its pause is over, the one that waits longest first. Each is
//! measured by readings before and after. One that freed next to nothing rests longer each time; one that panicked is
//! dropped; one that hangs keeps the other actions waiting and nothing else, since what became of an action goes back to
//! the watch thread, and no queue is held from here.
//!
//! | module | idea |
//! |---|---|
//! | `pace` | when an action may run again |
//! | `acted` | what came of one, in words and in numbers |
//! | `purge` | the allocator's freed pages, given back |

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use highwater_model::{Level, SinceStart};
use highwater_sources::{Options, Sources};

use crate::finished::Running;
use crate::latest::Snapshot;
use crate::pressure::PressureReading;
use crate::shared::Shared;

pub(crate) use acted::Acted;
use pace::Pace;
pub(crate) use purge::Purge;

mod acted;
mod pace;
mod purge;

/// How many outcomes wait for the watch thread, which takes them ten times a second: more than there can be.
const OUTCOMES: usize = 16;
/// Longer than an action takes that does not hang.
const LONG: Duration = Duration::from_secs(60);

/// Something that a program does about memory pressure: drop caches, close idle connections, refuse work.
/// [`Builder::action`](crate::Builder::action) takes it.
///
/// ```
/// use std::error::Error;
/// use std::sync::{Arc, Mutex};
///
/// use highwater::{Action, Agent, Level, PressureReading};
///
/// struct DropCache(Arc<Mutex<Vec<u8>>>);
///
/// impl Action for DropCache {
///     fn name(&self) -> &'static str {
///         "drop cache"
///     }
///
///     fn act(&mut self, _: &PressureReading) -> Result<(), Box<dyn Error + Send + Sync>> {
///         *self.0.lock().map_err(|_| "the cache is broken")? = Vec::new();
///         Ok(())
///     }
/// }
///
/// # let cache = Arc::default();
/// let builder = Agent::builder().action(Level::High, DropCache(cache)).purge(Level::High);
/// ```
pub trait Action: Send {
    /// What it is called: in the log, and in the name of its span, `action NAME`. A few words, always the same.
    fn name(&self) -> &'static str;

    /// Does it, now. It may take its time: it delays other actions, nothing else. What it frees is measured when it returns.
    ///
    /// # Errors
    ///
    /// What could not be done. It is said once, and again after it has worked in between; the action is tried again after its
    /// pause.
    fn act(&mut self, reading: &PressureReading) -> Result<(), Box<dyn Error + Send + Sync>>;
}

/// An action, and the level from which on it runs.
pub(crate) struct Planned {
    level: Level,
    name: &'static str,
    span: Arc<str>,
    action: Box<dyn Action>,
}

impl Planned {
    /// One of the host's. Its span cannot be taken for one of the agent's own.
    pub(crate) fn of_host(level: Level, action: impl Action + 'static) -> Self {
        let name = action.name();
        Self { level, name, span: format!("action {name}").into(), action: Box::new(action) }
    }

    pub(crate) fn purge(level: Level, purge: Purge) -> Self {
        let name = purge.name();
        Self { level, name, span: name.into(), action: Box::new(purge) }
    }
}

impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { level, name, .. } = self;
        f.debug_struct("Planned").field("level", level).field("name", name).finish_non_exhaustive()
    }
}

/// What came of an action.
#[derive(Debug)]
pub(crate) enum Outcome {
    Acted(Box<Acted>),
    /// What is to be said of it.
    Broken(String),
}

/// The watch thread's end: when it is dropped, the thread ends after the action that runs.
#[derive(Debug)]
pub(crate) struct Actor {
    changed: SyncSender<()>,
    outcomes: Receiver<Outcome>,
    running: Arc<Mutex<Option<Begun>>>,
}

/// An action that runs.
#[derive(Clone, Copy, Debug)]
struct Begun {
    name: &'static str,
    at: SinceStart,
    /// It was said that it takes long.
    said: bool,
}

impl Actor {
    /// The level changed. It waits for nobody: where the thread has not taken the last word yet, that is word enough.
    pub(crate) fn level_changed(&self) {
        let _ = self.changed.try_send(());
    }

    /// What came of actions since the last call.
    pub(crate) fn outcomes(&self) -> impl Iterator<Item = Outcome> {
        self.outcomes.try_iter()
    }

    /// What is to be said of an action that has been running for so long that it may hang: once, since others wait for it.
    pub(crate) fn hangs(&self, now: SinceStart) -> Option<String> {
        let mut running = self.running.try_lock().ok()?;
        let begun = running.as_mut().filter(|begun| !begun.said && now.since(begun.at) >= LONG)?;
        begun.said = true;
        let long = humantime::format_duration(LONG);
        Some(format!("{} has been running for {long}: no other action runs meanwhile", begun.name))
    }
}

/// Starts the thread; it drops `done` last.
pub(crate) fn spawn(
    planned: Vec<Planned>,
    shared: &Arc<Shared>,
    options: Options,
    done: Running,
) -> io::Result<(Actor, ThreadId)> {
    let (changed, levels) = sync_channel(1);
    let (tell, outcomes) = sync_channel(OUTCOMES);
    let (shared, running) = (Arc::clone(shared), Arc::default());
    let seen = Arc::clone(&running);
    let handle = thread::Builder::new().name("highwater-act".to_owned()).spawn(move || {
        // Opened beforehand: under pressure there may be no descriptor left.
        let sources = Sources::open(options, Arc::clone(&shared.regions));
        let slots = planned.into_iter().map(Slot::new).collect();
        Stage { slots, sources, shared, tell, running }.run(&levels);
        drop(done);
    })?;
    Ok((Actor { changed, outcomes, running: seen }, handle.thread().id()))
}

/// All that the thread owns.
struct Stage {
    slots: Vec<Slot>,
    sources: Sources,
    shared: Arc<Shared>,
    tell: SyncSender<Outcome>,
    running: Arc<Mutex<Option<Begun>>>,
}

struct Slot {
    planned: Planned,
    pace: Pace,
    /// Since when its level is reached.
    reached: Option<SinceStart>,
    /// Whether the last attempt was an error, which was said.
    fails: bool,
}

impl Slot {
    fn new(planned: Planned) -> Self {
        Self { planned, pace: Pace::default(), reached: None, fails: false }
    }

    /// The moment from which on it may run, its level being reached; `None` below it.
    fn due(&mut self, level: Level, now: SinceStart) -> Option<SinceStart> {
        if self.planned.level > level {
            self.reached = None;
            return None;
        }
        Some(self.pace.next().max(*self.reached.get_or_insert(now)))
    }
}

/// Which of them runs next, and when: the one that has been due for longest, so that the turn of each comes however long
/// the others take. Those that waited for their level alone are due at one moment: of them the first of the list.
fn next(slots: &mut [Slot], level: Level, now: SinceStart) -> Option<(SinceStart, usize)> {
    slots.iter_mut().enumerate().filter_map(|(index, slot)| Some((slot.due(level, now)?, index))).min()
}

impl Stage {
    /// Runs until the agent stops.
    fn run(mut self, levels: &Receiver<()>) {
        loop {
            let now = self.shared.clock.now();
            let level = self.shared.pressure.level();
            let pause = match next(&mut self.slots, level, now) {
                Some((due, index)) if due <= now => {
                    self.act(index, level);
                    Duration::ZERO
                }
                Some((due, _)) => due.since(now),
                None => Duration::MAX,
            };
            match levels.recv_timeout(pause) {
                Ok(()) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        for slot in self.slots {
            // What is dropped may be the host's.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(slot)));
        }
    }

    fn act(&mut self, index: usize, level: Level) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        // The cgroup may be another one than at the last action, which can be long ago.
        self.sources.refresh();
        let clock = self.shared.clock;
        let from = clock.now();
        let before = self.sources.sample(from);
        let episode = self.shared.latest.last().and_then(|Snapshot { episode, .. }| episode);
        let reading = self.shared.pressure.reading();
        let Planned { name, ref span, ref mut action, .. } = slot.planned;
        let begun = |begun| *self.running.lock().unwrap_or_else(PoisonError::into_inner) = begun;
        begun(Some(Begun { name, at: from, said: false }));
        // Into words and dropped in there, too: the error is the host's.
        let act = || action.act(&reading).map_err(|error| error.to_string());
        let result = catch_unwind(AssertUnwindSafe(act));
        begun(None);
        let Ok(result) = result else {
            // It has broken its own state.
            let slot = self.slots.remove(index);
            let _ = catch_unwind(AssertUnwindSafe(|| drop(slot)));
            return self.tell(Outcome::Broken(format!("{name} panicked, and is not called again")));
        };
        let to = clock.now();
        let (span, after) = (Arc::clone(span), self.sources.sample(to));
        let mut acted = Acted { name, span, level, from, to, before, after, rest: Duration::ZERO, episode };
        acted.rest = slot.pace.acted(to, acted.effect());
        let failed_before = std::mem::replace(&mut slot.fails, result.is_err());
        match result {
            Ok(()) => self.tell(Outcome::Acted(Box::new(acted))),
            Err(_) if failed_before => {}
            Err(error) => self.tell(Outcome::Broken(format!("{name} failed: {error}"))),
        }
    }

    fn tell(&self, outcome: Outcome) {
        // Where there is no room, or nobody listens any more, it stays untold.
        let _ = self.tell.try_send(outcome);
    }
}

#[cfg(test)]
mod tests;
