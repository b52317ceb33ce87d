//! Without feature `unstable-profiles`, or where there are no heap profiles, none is sent.

#[cfg(all(feature = "heap-profile", unix))]
use std::{io, sync::Arc, time::SystemTime};

use crate::config::Config;
#[cfg(all(feature = "heap-profile", unix))]
use crate::identity::EpisodeHandle;

/// Makes none.
#[derive(Debug)]
pub(crate) enum Profiles {}

/// There is none.
#[derive(Debug)]
pub(crate) enum Profile {}

impl Profiles {
    pub(crate) fn of(_: &Config) -> Option<Self> {
        None
    }

    #[cfg(all(feature = "heap-profile", unix))]
    pub(crate) fn request<A>(&self, _: &mut A, _: SystemTime, _: Option<&Arc<EpisodeHandle>>) -> io::Result<Profile> {
        match *self {}
    }
}

#[cfg(feature = "otlp")]
impl Profile {
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        match self {}
    }
}
