//! Without feature `jemalloc`: nothing to read, and no finding.

use std::fs::File;

use highwater_model::{Allocator, SinceStart};

use super::{AllocatorKind, Settings};
use crate::availability::{Availability, Reason};

/// Reads nothing.
#[derive(Debug)]
pub(crate) struct Reader;

impl Reader {
    pub(crate) fn open() -> Self {
        Self
    }

    pub(crate) fn read(&mut self, _: SinceStart) -> Option<Allocator> {
        None
    }

    pub(crate) fn kind(&self) -> AllocatorKind {
        AllocatorKind::Other
    }

    pub(crate) fn availability(&self) -> Availability {
        Availability::Absent
    }
}

/// Gives freed pages back: there are none to give, since feature `jemalloc` is off.
#[derive(Debug)]
pub enum Purge {}

impl Purge {
    /// Nothing to purge.
    pub fn resolve() -> Option<Self> {
        None
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn run(&self) -> Result<(), Reason> {
        match *self {}
    }
}

/// Takes heap profiles: there are none, since feature `jemalloc` is off.
#[derive(Debug)]
pub enum Profiler {}

impl Profiler {
    /// No profiles.
    pub fn resolve() -> Option<Self> {
        None
    }

    /// Never called.
    ///
    /// # Errors
    ///
    /// None.
    pub fn dump(&self, _: &File) -> Result<(), Reason> {
        match *self {}
    }
}

/// What is in force in jemalloc: nothing, since feature `jemalloc` is off.
pub fn settings() -> Settings {
    Settings::default()
}
