//! Publish: the latest sample and what was judged of it, for everybody who asks.
//!
//! The watch thread never waits for a reader. A reader holds the lock for one copy; where one holds it at the very moment
//! of publishing, that sample is not published, and the next one, a second later, is.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use highwater_model::{Bytes, Counts, Forecast, Level, Sample, SinceStart};

use crate::capture::CaptureCounts;
use crate::identity::EpisodeHandle;
use crate::status::Cost;

/// The latest sample, what was judged of it, and what it cost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) sample: Sample,
    pub(crate) level: Level,
    /// The highest use of the trailing minute.
    pub(crate) peak: Option<Bytes>,
    /// Bytes a second by which use rises or falls.
    pub(crate) slope: Option<f64>,
    pub(crate) time_to_limit: Option<Forecast>,
    /// Whether growth that was told goes on.
    pub(crate) is_growing: bool,
    /// For how much longer nothing counts as growth.
    pub(crate) warm_up_left: Duration,
    pub(crate) episode: Option<Arc<EpisodeHandle>>,
    pub(crate) counts: Counts,
    /// What became of captures, where there are any.
    pub(crate) captures: Option<CaptureCounts>,
    pub(crate) cost: Cost,
}

/// The shared place of the latest snapshot.
#[derive(Debug, Default)]
pub(crate) struct Latest(Mutex<Option<Snapshot>>);

impl Latest {
    /// A snapshot older than this is not worth showing: the watch thread reads every second, at most every ten.
    const STALE: Duration = Duration::from_secs(30);

    pub(crate) fn publish(&self, snapshot: &Snapshot) {
        match self.0.try_lock() {
            Ok(mut latest) => *latest = Some(snapshot.clone()),
            Err(TryLockError::Poisoned(poisoned)) => *poisoned.into_inner() = Some(snapshot.clone()),
            Err(TryLockError::WouldBlock) => {}
        }
    }

    /// Publishes the last snapshot of all, which nothing follows: a reader is waited for.
    pub(crate) fn publish_last(&self, snapshot: &Snapshot) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(snapshot.clone());
    }

    /// The latest snapshot, however old.
    pub(crate) fn last(&self) -> Option<Snapshot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The latest snapshot, unless it is stale.
    pub(crate) fn at(&self, now: SinceStart) -> Option<Snapshot> {
        self.last().filter(|latest| now.since(latest.sample.at) < Self::STALE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_at(seconds: u64) -> Snapshot {
        let sample = Sample { at: SinceStart::from_secs(seconds), ..Sample::default() };
        Snapshot { sample, ..Snapshot::default() }
    }

    #[test]
    fn a_stale_snapshot_is_not_shown() {
        let latest = Latest::default();
        assert!(latest.at(SinceStart::from_secs(0)).is_none());
        latest.publish(&taken_at(5));
        assert!(latest.at(SinceStart::from_secs(34)).is_some());
        assert!(latest.at(SinceStart::from_secs(35)).is_none());
    }

    #[test]
    fn publishing_does_not_wait_for_a_reader() {
        let latest = Latest::default();
        latest.publish(&taken_at(1));
        let reader = latest.0.lock().unwrap();
        latest.publish(&taken_at(2));
        drop(reader);
        assert_eq!(latest.at(SinceStart::from_secs(2)).unwrap().sample.at, SinceStart::from_secs(1));
    }
}
