//! What the agent's threads, its handles and OpenTelemetry's callbacks share.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use highwater_sources::{Regions, container_id};

use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::identity::ProcessId;
use crate::latest::{Latest, Snapshot};
use crate::otel::Profile;
use crate::pressure::Board;
use crate::signal::Signal;
use crate::telemetry::Reading;

/// Shared by reference count; callbacks that cannot be taken back hold it weakly.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The process whose agent this is. A child that was forked has its memory and none of its threads.
    pub(crate) process: ProcessId,
    pub(crate) clock: Clock,
    pub(crate) regions: Arc<Regions>,
    pub(crate) latest: Latest,
    pub(crate) pressure: Arc<Board>,
    pub(crate) delivery: Delivery,
    /// Whether the process's container has an id.
    pub(crate) in_container: bool,
    /// The profile that was taken and is not in the outbox yet. One, since it is large: the next takes its place.
    profile: Mutex<Option<Profile>>,
    /// The snapshot of the export under way: one sample for all its metrics.
    #[cfg(feature = "opentelemetry")]
    pub(crate) exported: Mutex<Option<Snapshot>>,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        let process = ProcessId::current();
        Arc::new(Self {
            process,
            clock: Clock::start(),
            regions: Arc::new(Regions::new()),
            latest: Latest::default(),
            pressure: Arc::new(Board::new(process)),
            delivery: Delivery::default(),
            in_container: container_id(Path::new("/")).is_some(),
            profile: Mutex::default(),
            #[cfg(feature = "opentelemetry")]
            exported: Mutex::default(),
        })
    }

    /// All that can be read of `snapshot` and of what is counted beside it.
    pub(crate) fn reading<'a>(&'a self, snapshot: &'a Snapshot) -> Reading<'a> {
        let Self { regions, delivery, pressure, in_container, .. } = self;
        Reading { snapshot, regions, delivery, sheds: pressure.sheds(), in_container: *in_container }
    }

    /// Hands a profile over to who sends it, with the next event.
    pub(crate) fn put_profile(&self, profile: Profile) {
        let replaced = self.profile.lock().unwrap_or_else(PoisonError::into_inner).replace(profile);
        if replaced.is_some() {
            self.delivery.drop_items(Signal::Profiles, 1);
        }
    }

    #[cfg(feature = "otlp")]
    pub(crate) fn take_profile(&self) -> Option<Profile> {
        self.profile.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
