//! Our own action: the pages that the program has freed and jemalloc still holds go back to the system.
//!
//! Opt-in, since it takes its time for each page, and a program that needs the memory again soon pays once more to get
//! it. It helps where much was freed at once: jemalloc would give it back too, over ten seconds, and only where its
//! background thread runs.

use std::error::Error;

use highwater_sources::jemalloc;

use super::Action;
use crate::pressure::PressureReading;

pub(crate) struct Purge(jemalloc::Purge);

impl Purge {
    /// `None` where jemalloc does not serve the program.
    pub(crate) fn resolve() -> Option<Self> {
        jemalloc::Purge::resolve().map(Self)
    }
}

impl Action for Purge {
    fn name(&self) -> &'static str {
        "purge"
    }

    fn act(&mut self, _: &PressureReading) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.0.run().map_err(|reason| reason.to_string().into())
    }
}
