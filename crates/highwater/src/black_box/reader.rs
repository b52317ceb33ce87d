//! What a box says, whoever left it and in whatever state.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use highwater_model::{Allocator, Cgroup, CgroupEvents, Level, Limit, Process, Sample, SinceStart};
use highwater_sources::platform;

use super::format::{self, Header, LastEpisode, LastPanic, Moment, Place, SAMPLE, State, Value};
use crate::identity::EpisodeId;
use crate::site::Site;

/// A box that was read: the last minutes of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct BlackBox {
    header: Header,
    state: State,
    samples: Vec<Moment>,
    sites: Vec<Site>,
    panic: Option<LastPanic>,
    exited: Option<SystemTime>,
}

/// Why a file is no box that can be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// It cannot be read at all.
    System(io::Error),
    /// It is something else.
    NotABox,
    /// It was written by another version of the agent, in this version of the format.
    Version(u32),
    /// Its first block is spoilt: who ran is not known.
    Spoilt,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System(error) => error.fmt(f),
            Self::NotABox => f.write_str("it is no black box"),
            Self::Version(version) => write!(
                f,
                "it has version {version} of the format, and this program reads {}: one of the agent's own version reads it",
                format::VERSION
            ),
            Self::Spoilt => f.write_str("its first block is spoilt: it was cut, or never written to the end"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::System(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl BlackBox {
    /// Reads the box at `path`.
    ///
    /// Not that of the process that calls: to close a file ends this process's lock of it, by which others know that it is
    /// in use.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or is none.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        // Before it is opened: a FIFO would wait for whoever writes.
        if !std::fs::metadata(path.as_ref())?.is_file() {
            return Err(ReadError::NotABox);
        }
        Self::read_from(&File::open(path)?)
    }

    /// Whether the run that writes the box at `path` goes on. Not of the process that calls.
    ///
    /// # Errors
    ///
    /// Where the file cannot be opened.
    pub fn is_in_use(path: impl AsRef<Path>) -> io::Result<bool> {
        platform::is_locked(&File::open(path)?)
    }

    /// Reads a box that is open.
    pub(super) fn read_from(file: &File) -> Result<Self, ReadError> {
        let mut bytes = Vec::new();
        let mut reader = file;
        io::Seek::seek(&mut reader, io::SeekFrom::Start(0))?;
        reader.take(format::SIZE).read_to_end(&mut bytes)?;
        Self::parse(&bytes)
    }

    /// What the bytes of a file say: of two blocks the newer that is whole, of samples each that is.
    ///
    /// # Errors
    ///
    /// Where it is no box, of another version, or does not say who ran.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let (magic, rest) = bytes.split_first_chunk::<8>().ok_or(ReadError::NotABox)?;
        if *magic != format::MAGIC {
            return Err(ReadError::NotABox);
        }
        let version = rest.first_chunk::<4>().map(|version| u32::from_le_bytes(*version)).ok_or(ReadError::Spoilt)?;
        if version != format::VERSION {
            return Err(ReadError::Version(version));
        }
        let block = |place: Place| {
            let from = usize::try_from(place.at).ok()?;
            bytes.get(from..from.checked_add(place.size)?)
        };
        let header = block(format::HEADER).and_then(Header::decode).ok_or(ReadError::Spoilt)?;
        let states = format::STATE.into_iter().filter_map(|place| State::decode(block(place)?));
        let sites = format::SITES.into_iter().filter_map(|place| format::decode_sites(block(place)?));
        let mut samples = BTreeMap::new();
        for ring in format::RINGS {
            for slot in 0..ring.slots {
                let sample = block(ring.place(slot)).filter(|block| block.len() == SAMPLE).and_then(Moment::decode);
                samples.extend(sample.map(|sample| (sample.number, sample)));
            }
        }
        Ok(Self {
            header,
            state: states.max_by_key(|state| state.sequence).unwrap_or_default(),
            samples: samples.into_values().collect(),
            sites: sites.max_by_key(|(sequence, _)| *sequence).unwrap_or_default().1,
            panic: block(format::PANIC).and_then(format::decode_panic),
            exited: block(format::EXIT).and_then(format::decode_exit),
        })
    }

    /// The id of the run, which is that of the event of its end.
    pub fn run(&self) -> &str {
        &self.header.run
    }

    /// The version of the agent.
    pub fn agent_version(&self) -> &str {
        &self.header.agent_version
    }

    /// The process's id.
    pub fn process(&self) -> u32 {
        self.header.pid
    }

    /// When the process started.
    pub fn started(&self) -> Option<SystemTime> {
        self.header.started
    }

    /// When the agent started.
    pub fn began(&self) -> Option<SystemTime> {
        self.header.began
    }

    /// The id of the machine's start that it ran in.
    pub fn boot_id(&self) -> Option<&str> {
        Some(self.header.boot_id.as_str()).filter(|id| !id.is_empty())
    }

    /// Of the machine that it ran on, where that has an id.
    pub(super) fn machine(&self) -> Option<u64> {
        self.header.machine
    }

    /// What the agent had found and was set to, in one line.
    pub fn config(&self) -> &str {
        &self.header.config
    }

    /// Who ran, as it was sent with its telemetry.
    pub fn resource(&self) -> &[(String, Value)] {
        &self.header.resource
    }

    /// A text of the resource.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.header.resource.iter().find_map(|(key, value)| match value {
            Value::Text(text) if key == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// The samples, the oldest first: each of the last minutes, fewer of what was before.
    pub fn samples(&self) -> &[Moment] {
        &self.samples
    }

    /// The level at the end.
    pub fn level(&self) -> Level {
        self.state.level
    }

    /// The limit that bound at the end.
    pub fn limit(&self) -> Option<Limit> {
        self.state.limit
    }

    /// The episode that was open.
    pub fn episode(&self) -> Option<&LastEpisode> {
        self.state.episode.as_ref()
    }

    /// What held most, as of the last heap profile.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// When heap profiles were taken, the oldest first, of this run and those before it.
    pub fn captures(&self) -> impl Iterator<Item = SystemTime> + '_ {
        self.state.captures.iter()
    }

    /// Whether the agent was shut down.
    pub fn is_closed(&self) -> bool {
        self.state.closed
    }

    /// The last panic.
    pub fn panic(&self) -> Option<&LastPanic> {
        self.panic.as_ref()
    }

    /// When it left by an exit that the agent was not told of.
    pub fn exited(&self) -> Option<SystemTime> {
        self.exited
    }

    /// When it was last known to run.
    pub fn last_seen(&self) -> Option<SystemTime> {
        let last = self.samples.last().and_then(|sample| sample.at);
        last.into_iter().chain(self.state.at).chain(self.exited).max().or(self.header.began)
    }

    /// The growth that the agent saw, in bytes a second.
    pub fn slope(&self) -> Option<f64> {
        self.state.slope
    }

    /// Bytes a second by which use rose over the last ten seconds that were sampled.
    pub fn last_slope(&self) -> Option<f64> {
        const SPAN: Duration = Duration::from_secs(10);
        let (last, before) = self.samples.split_last()?;
        let since = |sample: &Moment| last.elapsed.checked_sub(sample.elapsed);
        let first = before.iter().rev().take_while(|sample| since(sample).is_some_and(|since| since <= SPAN)).last();
        // Of two samples far apart, the one before tells at least something.
        let first = first.or(before.last())?;
        let seconds = since(first).filter(|since| !since.is_zero())?.as_secs_f64();
        Some((last.used?.get() as f64 - first.used?.get() as f64) / seconds)
    }

    pub(super) fn is_of(&self, name: Option<&str>, namespace: Option<&str>) -> bool {
        (self.attribute("service.name"), self.attribute("service.namespace")) == (name, namespace)
    }

    /// Of what kills were counted, and the count at the last sample.
    pub(super) fn kills(&self) -> Option<(u64, u64)> {
        let last = self.samples.iter().rev().find_map(|sample| sample.oom_kills)?;
        Some((self.state.cgroup, last)).filter(|(cgroup, _)| *cgroup != 0)
    }

    pub(super) fn others_hold_most(&self) -> bool {
        self.state.others_hold_most
    }

    pub(super) fn trace(&self) -> Option<EpisodeId> {
        self.state.episode.as_ref()?.trace.map(EpisodeId::from_bytes)
    }

    /// The last sample, as far as it was kept.
    pub(crate) fn last_sample(&self) -> Sample {
        let Some(last) = self.samples.last() else { return Sample::default() };
        let allocator = last.allocated.zip(last.active).zip(last.resident);
        let allocator = allocator.map(|((allocated, active), resident)| Allocator {
            allocated,
            active,
            resident,
            muzzy: last.muzzy,
            ..Allocator::default()
        });
        let events = CgroupEvents { oom_kills: last.oom_kills, ..CgroupEvents::default() };
        Sample {
            at: SinceStart::new(last.elapsed),
            used: last.used,
            limit: self.state.limit,
            allocator,
            process: Process { rss: last.rss, anon: last.anon, ..Process::default() },
            cgroup: last.cgroup_usage.map(|usage| Cgroup {
                kills_of: self.state.cgroup,
                usage: Some(usage),
                events,
                ..Cgroup::default()
            }),
            external: last.external.unwrap_or_default(),
        }
    }

    /// Some of the samples, the oldest first, ever fewer the further back.
    pub(super) fn outline(&self) -> Vec<(Duration, Moment)> {
        const BEFORE_THE_END: [u64; 20] =
            [7200, 4800, 2400, 1200, 600, 300, 180, 120, 90, 60, 45, 30, 20, 15, 10, 7, 5, 3, 2, 1];
        let Some(last) = self.samples.last() else { return Vec::new() };
        let mut outline: Vec<(Duration, Moment)> = Vec::new();
        let mut add = |sample: &Moment| {
            let before = last.elapsed.saturating_sub(sample.elapsed);
            if outline.last().is_none_or(|(_, known)| known.number != sample.number) {
                outline.push((before, *sample));
            }
        };
        for seconds in BEFORE_THE_END {
            let back = Duration::from_secs(seconds);
            let before = |sample: &&Moment| last.elapsed.saturating_sub(sample.elapsed) >= back;
            self.samples.iter().rev().find(before).into_iter().for_each(&mut add);
        }
        add(last);
        let surplus = outline.len().saturating_sub(BEFORE_THE_END.len());
        outline.drain(..surplus);
        outline
    }
}
