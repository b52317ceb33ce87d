//! What the agent's threads, its handles and OpenTelemetry's callbacks share.

use std::sync::Arc;

use highwater_sources::Regions;

use crate::clock::Clock;
use crate::delivery::Delivery;
use crate::latest::Latest;

/// Shared by reference count; callbacks that cannot be taken back hold it weakly.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) regions: Arc<Regions>,
    pub(crate) latest: Latest,
    pub(crate) delivery: Delivery,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: Clock::start(),
            regions: Arc::new(Regions::new()),
            latest: Latest::default(),
            delivery: Delivery::default(),
        })
    }
}
