//! Without feature `heap-profile`: nothing takes a profile, and nobody hears of it. Where the system has none, it is said.

use std::io;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;

use highwater_model::{Bytes, Refusal};

use super::{Opened, Order};
use crate::finished::Running;
use crate::otel::{Profile, Profiles};
use crate::site::Site;

/// Takes nothing.
pub(crate) enum Taker {}

/// A profile that was taken.
pub(super) struct Taken {
    pub(super) sites: Vec<Site>,
    pub(super) bytes: Bytes,
    pub(super) stacks: u64,
    pub(super) file: Option<PathBuf>,
    pub(super) size: Option<Bytes>,
    /// Why there is no file, where there should be one.
    pub(super) trouble: Option<String>,
    /// What is to be sent.
    pub(super) profile: Option<Profile>,
}

impl Taker {
    pub(crate) fn open(_: Option<PathBuf>, _: Bytes, _: Option<Profiles>) -> Option<Result<Self, String>> {
        cfg!(feature = "heap-profile").then(|| Err("there are no heap profiles on this system".to_owned()))
    }

    pub(crate) fn findings(&self) -> Vec<String> {
        match *self {}
    }

    pub(super) fn begin(&mut self, _: Running) -> io::Result<Option<Receiver<Opened>>> {
        match *self {}
    }

    pub(super) fn take(&mut self, _: &Order) -> (Result<Taken, (Refusal, String)>, Option<Bytes>) {
        match *self {}
    }
}
