//! One profile: jemalloc writes it into memory, it is named and summed up there, the request is made where profiles are sent,
//! and the file is written where there is a folder.

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::time::SystemTime;

use highwater_model::{Bytes, Refusal, Trigger};
use highwater_profile::{Analysis, Baseline, Opener};
use highwater_sources::jemalloc::{self, Profiler};
use highwater_sources::platform;

use super::filing::Filing;
use super::folder::{Folder, Stored};
use super::{Opened, Order};
use crate::clock::Clock;
use crate::finished::Running;
use crate::otel::{Profile, Profiles};
use crate::site::Site;

/// In the event: as many as a person reads.
const SITES: usize = 10;
/// Of those that grew most, beside the largest.
const GROWN: usize = 3;

/// Takes profiles.
#[derive(Debug)]
pub(crate) struct Taker {
    profiler: Profiler,
    /// Where there is to be one, until [`begin`](Self::begin).
    folder: Option<Folder>,
    filing: Option<Filing>,
    /// Where profiles are sent.
    profiles: Option<Profiles>,
    /// What was held in the calm.
    calm: Option<Baseline>,
    /// Where the kernel shows the program that runs.
    opener: Opener,
}

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
    /// `Err` says why there are no profiles. Where jemalloc does not serve the program that is said already.
    pub(crate) fn open(
        folder: Option<PathBuf>,
        most: Bytes,
        profiles: Option<Profiles>,
    ) -> Option<Result<Self, String>> {
        if platform::memory_file().is_err_and(|error| error.kind() == io::ErrorKind::Unsupported) {
            return Some(Err("there are no heap profiles on this system".to_owned()));
        }
        if !jemalloc_serves() {
            return None;
        }
        Some(Profiler::resolve().ok_or_else(missing).map(|profiler| Self {
            profiler,
            folder: folder.map(|folder| Folder::new(folder, most)),
            filing: None,
            profiles,
            calm: None,
            opener: Opener::new("/proc/self/exe"),
        }))
    }

    /// What is to be said at the start.
    pub(crate) fn findings(&self) -> Vec<String> {
        /// Four times the macro's.
        const RARE: Bytes = Bytes::mib(8);
        let settings = jemalloc::settings();
        let inactive = (settings.sampling == Some(false)).then(|| INACTIVE.to_owned());
        let interval = settings.sample_interval.map(Bytes::new).filter(|interval| *interval > RARE);
        let rare = interval.map(|interval| {
            format!(
                "heap profiles show little: jemalloc samples one in {interval} (lg_prof_sample in its settings; 21 is one in 2MiB)"
            )
        });
        inactive.into_iter().chain(rare).collect()
    }

    /// Opens the folder, where there is one: what it holds comes by the way that is returned, since a disk may hang.
    pub(super) fn begin(&mut self, done: Running) -> io::Result<Option<Receiver<Opened>>> {
        let Some(folder) = self.folder.take() else { return Ok(None) };
        let (filing, opened) = Filing::start(folder, done)?;
        self.filing = Some(filing);
        Ok(Some(opened))
    }

    /// Takes one. The size of its dump goes with it, where there is one.
    pub(super) fn take(&mut self, order: &Order) -> (Result<Taken, (Refusal, String)>, Option<Bytes>) {
        let unavailable = |error: &dyn std::fmt::Display| (Refusal::Unavailable, error.to_string());
        let dump = match platform::memory_file() {
            Ok(file) => file,
            Err(error) => return (Err(unavailable(&error)), None),
        };
        if let Err(reason) = self.profiler.dump(&dump) {
            return (Err(unavailable(&reason)), None);
        }
        let size = dump.metadata().map(|metadata| Bytes::new(metadata.len())).ok();
        let analysis = Analysis::of(dump, &mut self.opener).map_err(|error| unavailable(&error));
        (analysis.and_then(|analysis| self.sum_up(analysis, order)), size)
    }

    fn sum_up(&mut self, mut analysis: Analysis<File>, order: &Order) -> Result<Taken, (Refusal, String)> {
        let mut taken = Taken {
            sites: Vec::new(),
            bytes: Bytes::new(analysis.bytes()),
            stacks: analysis.stacks(),
            file: None,
            size: None,
            trouble: None,
            profile: None,
        };
        let Some(trigger) = order.trigger else {
            self.calm = Some(analysis.baseline());
            return Ok(taken);
        };
        let mut sites = analysis.sites(SITES, self.calm.as_ref());
        if let Some(calm) = &self.calm {
            let grown = analysis.grown(GROWN, calm);
            let more: Vec<_> = grown.into_iter().filter(|site| !sites.contains(site)).collect();
            sites.extend(more);
        }
        taken.sites = sites.into_iter().map(site).collect();
        let now = Clock::date();
        let profiles = self.profiles.as_ref();
        // A dump that cannot be read again has its word with the file.
        taken.profile = profiles.and_then(|profiles| profiles.request(&mut analysis, now, order.episode.as_ref()).ok());
        match self.store(analysis, order, trigger, now).transpose() {
            Ok(stored) => (taken.file, taken.size) = stored.unzip(),
            // The sites are worth telling all the same.
            Err(error) => taken.trouble = Some(format!("it cannot be written to {error}")),
        }
        Ok(taken)
    }

    /// Writes the file, where there is a folder for it.
    fn store(
        &mut self,
        analysis: Analysis<File>,
        order: &Order,
        trigger: Trigger,
        now: SystemTime,
    ) -> Option<Result<(PathBuf, Bytes), String>> {
        let filing = self.filing.as_mut()?;
        let of_episode = order.episode.as_ref().filter(|_| trigger.is_counted());
        let name = Stored {
            time: now,
            process: std::process::id(),
            episode: of_episode.and_then(|episode| episode.id.get().copied()),
            level: order.level,
            bytes: order.used.unwrap_or_else(|| Bytes::new(analysis.bytes())),
        };
        Some(filing.write(analysis, name, trigger == Trigger::Exit))
    }
}

/// The site of the profile's reader, as ours.
fn site(site: highwater_profile::Site) -> Site {
    let highwater_profile::Site { function, module, build_id, offset, bytes, objects, grown, .. } = site;
    Site { function, module, build_id, offset, bytes: Bytes::new(bytes), objects, grown }
}

const INACTIVE: &str = "heap profiles show nothing: jemalloc does not sample now (prof_active:false in its settings)";

/// Why there are no profiles, and what would give them.
fn missing() -> String {
    let why = match jemalloc::settings().profiling {
        None => {
            "this jemalloc is built without them: another crate has chosen it, or its library was given to the build"
        }
        Some(_) => {
            "jemalloc was started without them: `highwater::jemalloc!();` in place of the line that installs it turns them \
             on, and so does _RJEM_MALLOC_CONF=prof:true,lg_prof_sample:21 in the environment"
        }
    };
    format!("there are no heap profiles: {why}")
}

fn jemalloc_serves() -> bool {
    jemalloc::Purge::resolve().is_some()
}
