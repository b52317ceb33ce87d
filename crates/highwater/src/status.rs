//! How things stand: what a health endpoint or a person asks for.

use std::time::{Duration, SystemTime};

use highwater_model::{Bytes, Forecast, Level, Levels, Sample};
use highwater_sources::AllocatorKind;

use crate::delivery::DeliveryState;
use crate::identity::EpisodeId;
use crate::latest::Snapshot;
use crate::observer::About;
use crate::shared::Shared;

/// How things stand, as of the last sample that was judged.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Status {
    /// The last sample that was judged; absent before the first, and in a child that was forked.
    pub sample: Option<Sample>,
    /// How old it is: a second in a process that runs, more where reading is slow, and ever more after a shutdown.
    pub age: Option<Duration>,
    /// The level as of that sample.
    pub level: Level,
    /// Where the levels begin, as they are set; [`Levels::lines`] has them as bytes under a limit.
    pub levels: Levels,
    /// The highest use of the trailing minute.
    pub peak: Option<Bytes>,
    /// Bytes a second by which use rises or falls.
    pub growth: Option<f64>,
    /// When the limit is reached, where it is certain that use rises.
    pub time_to_limit: Option<Forecast>,
    /// Whether growth that was told (`highwater.memory.growth.detected`) has not stopped since, and was not given back.
    pub is_growing: bool,
    /// For how much longer after the start nothing counts as growth; zero once the process is warm.
    pub warm_up_left: Duration,
    /// The open episode.
    pub episode: Option<OpenEpisode>,
    /// How many episodes began since the start.
    pub episodes: u64,
    /// Events that callbacks and the log did not hear of, because one of them hung.
    pub unheard: u64,
    /// Whose allocator the program runs on.
    pub allocator: AllocatorKind,
    /// Whether what the agent sends arrives.
    pub delivery: DeliveryState,
    /// Whether heap profiles can be taken.
    pub heap_profiles: bool,
    /// What the agent itself spent.
    pub cost: Cost,
}

impl Status {
    pub(crate) fn of(shared: &Shared, about: &About) -> Self {
        if !shared.process.is_current() {
            // A child that was forked from a process with an agent: none runs here.
            return Self::made(Snapshot::default(), about);
        }
        let snapshot = shared.latest.last();
        let sample = snapshot.as_ref().map(|snapshot| snapshot.sample);
        Self {
            age: sample.map(|sample| shared.clock.now().since(sample.at)),
            sample,
            unheard: shared.delivery.unheard(),
            delivery: shared.delivery.state(),
            ..Self::made(snapshot.unwrap_or_default(), about)
        }
    }

    /// What follows from a snapshot alone.
    fn made(snapshot: Snapshot, about: &About) -> Self {
        let Snapshot { level, peak, slope, time_to_limit, is_growing, warm_up_left, episode, counts, cost, .. } =
            snapshot;
        Self {
            sample: None,
            age: None,
            level,
            levels: about.levels,
            peak,
            growth: slope,
            time_to_limit,
            is_growing,
            warm_up_left,
            episode: episode.map(|handle| OpenEpisode { id: handle.id.get().copied(), began: handle.began }),
            episodes: counts.episodes,
            unheard: 0,
            allocator: about.allocator,
            delivery: DeliveryState::Idle,
            heap_profiles: about.heap_profiles,
            cost,
        }
    }
}

/// What the watch thread spent since the start, as wall-clock time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cost {
    /// Samples that were taken and judged.
    pub rounds: u64,
    /// Reading them, and the glances between them. What the kernel takes to wake the thread is not in it: with glances every
    /// 100 ms that is most of the cost, some 0.03 % of a core.
    pub read: Duration,
    /// Judging them.
    pub judge: Duration,
    /// Publishing them, and handing over what is told.
    pub tell: Duration,
}

impl Cost {
    /// All of it.
    pub fn total(&self) -> Duration {
        self.read.saturating_add(self.judge).saturating_add(self.tell)
    }
}

/// An episode that goes on.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct OpenEpisode {
    /// Its id, which is the id of its trace. Of a host's own tracer, once that has made the episode's span.
    pub id: Option<EpisodeId>,
    /// When the line of its first level was exceeded.
    pub began: SystemTime,
}
