//! How things stand: what a health endpoint or a person asks for.

use std::time::{Duration, SystemTime};

use highwater_model::{Bytes, Forecast, Level, Sample};
use highwater_sources::AllocatorKind;

use crate::delivery::DeliveryState;
use crate::identity::EpisodeId;

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
    /// The highest use of the trailing minute.
    pub peak: Option<Bytes>,
    /// Bytes a second by which use rises or falls.
    pub growth: Option<f64>,
    /// When the limit is reached, where it is certain that use rises.
    pub time_to_limit: Option<Forecast>,
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
}

impl Status {
    /// Of a process in which no agent runs: a child that was forked from one with an agent.
    pub(crate) fn unknown(allocator: AllocatorKind) -> Self {
        Self {
            sample: None,
            age: None,
            level: Level::Normal,
            peak: None,
            growth: None,
            time_to_limit: None,
            episode: None,
            episodes: 0,
            unheard: 0,
            allocator,
            delivery: DeliveryState::Idle,
        }
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
