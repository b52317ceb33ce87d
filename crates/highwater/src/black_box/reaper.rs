//! Telling of the dead boxes in a folder from beside it: for jobs and pods that never start again.
//!
//! A box is claimed by its lock, so that of a reaper and a process that starts only one tells it. It is sent with the resource
//! of the run that is over, and removed once the collector has taken it; what is not taken stays for the next pass.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use highwater_model::{Sample, Verdict};

use super::claim;
use super::previous::{PreviousRun, Receipt, Surroundings};
use super::reader::ReadError;
use crate::config::{Config, ConfigError, ENDPOINT, Exporter};
use crate::otel;

/// Tells of the boxes in one folder.
#[derive(Debug)]
pub struct Reaper {
    folder: PathBuf,
    config: Config,
    /// What has arrived of the runs whose boxes were kept, by their ids: the next pass tells the rest of each.
    begun: Mutex<BTreeMap<String, Arc<Receipt>>>,
}

/// What one pass came to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Reaped {
    /// The runs that were told; their boxes are gone.
    pub told: Vec<Arc<PreviousRun>>,
    /// The boxes that could not be told, or not be read, and why: they are still there.
    pub kept: Vec<(PathBuf, String)>,
}

/// Why there is no reaper.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReapError {
    /// The folder cannot be read.
    Folder(PathBuf, io::Error),
    /// Settings that cannot be used.
    Config(Vec<ConfigError>),
}

impl fmt::Display for ReapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder, error) => write!(f, "{}: {error}: name the folder with the boxes", folder.display()),
            Self::Config(errors) => {
                for (index, error) in errors.iter().enumerate() {
                    write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for ReapError {}

impl Reaper {
    /// For the boxes in `folder`, which are told to `endpoint`; how it is reached otherwise, the environment says as it does
    /// for an agent.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read, or a setting cannot be used.
    pub fn new(folder: impl AsRef<Path>, endpoint: &str) -> Result<Self, ReapError> {
        let folder = folder.as_ref().to_owned();
        fs::read_dir(&folder).map_err(|error| ReapError::Folder(folder.clone(), error))?;
        let (mut config, mut errors) = Config::from_environment();
        for key in config.forget_signals(ENDPOINT) {
            errors.retain(|error| error.key != key);
        }
        errors.extend(config.set(ENDPOINT, endpoint).err());
        errors.extend(config.settle());
        config.routes.metrics.exporter = Exporter::None;
        if errors.is_empty() {
            Ok(Self { folder, config, begun: Mutex::default() })
        } else {
            Err(ReapError::Config(errors))
        }
    }

    /// One pass over the folder: tells each box that nobody holds.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read.
    pub fn reap(&self) -> Result<Reaped, ReapError> {
        let unread = |error| ReapError::Folder(self.folder.clone(), error);
        claim::clear(&self.folder, "");
        let mut reaped = Reaped::default();
        let around = Surroundings::of(&Sample::default());
        let mut begun = self.begun.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *begun);
        for entry in fs::read_dir(&self.folder).map_err(unread)? {
            let path = entry.map_err(unread)?.path();
            let left = match claim::claim(&path) {
                Ok(Some(left)) => left,
                // In use or being made; none; told by somebody else meanwhile.
                Ok(None) | Err(ReadError::NotABox) => continue,
                Err(ReadError::System(error)) if error.kind() == io::ErrorKind::NotFound => continue,
                // A run may be over that nobody hears of.
                Err(error) => {
                    reaped.kept.push((path, error.to_string()));
                    continue;
                }
            };
            let run = PreviousRun::of(left.black_box.clone(), &around);
            let run = Arc::new(match before.remove(run.black_box().run()) {
                Some(receipt) => run.told_before(receipt),
                None => run,
            });
            if run.verdict() == Verdict::ShutDown && run.black_box().episode().is_none() {
                left.remove();
                continue;
            }
            match otel::deliver(&self.config, &run) {
                Ok(()) => {
                    left.remove();
                    reaped.told.push(run);
                }
                Err(why) => {
                    begun.insert(run.black_box().run().to_owned(), Arc::clone(run.receipt()));
                    reaped.kept.push((path, why));
                }
            }
        }
        Ok(reaped)
    }
}

#[cfg(test)]
mod tests;
