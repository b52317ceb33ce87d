//! The bytes of a box: blocks of fixed size at fixed places, each with a checksum.
//!
//! A write that is cut off, by a signal or a full disk, spoils the block that it writes and no other. So nothing is ever
//! overwritten that is still needed: what changes has two places that take turns, and a ring of samples goes round. Which of
//! two is newer is said by a number that counts up.
//!
//! | place | what | |
//! |---|---|---|
//! | [`HEADER`] | who runs: written once | 4 KiB |
//! | [`STATE`] | level, episode, limit, counts, captures; how it ended | 2 x 1 KiB |
//! | [`PANIC`], [`EXIT`] | marks of another end | 512 B, 64 B |
//! | [`SITES`] | what held most | 2 x 4 KiB |
//! | [`RINGS`] | samples: each, one in ten seconds, one a minute | 256, 90, 120 x 128 B |
//!
//! All numbers are little-endian. Whatever the bytes are, reading gives what is whole or nothing, and never fails.

use std::time::{Duration, SystemTime};

use highwater_model::{Bytes, Cause, Episode, Level, Limit, LimitSource};

use crate::site::Site;

/// How a box begins.
pub(super) const MAGIC: [u8; 8] = *b"hwbox\r\n\0";
/// Of what follows it. Another one is not read.
pub(super) const VERSION: u32 = 1;

/// The whole file.
pub(super) const SIZE: u64 = 76 << 10;
/// A block's place and size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at: u64,
    pub(super) size: usize,
}

pub(super) const HEADER: Place = Place { at: 0, size: 4096 };
pub(super) const STATE: [Place; 2] = [Place { at: 4096, size: 1024 }, Place { at: 5120, size: 1024 }];
pub(super) const PANIC: Place = Place { at: 6144, size: 512 };
pub(super) const EXIT: Place = Place { at: 6656, size: 64 };
pub(super) const SITES: [Place; 2] = [Place { at: 8192, size: 4096 }, Place { at: 12288, size: 4096 }];
/// The size of a sample.
pub(super) const SAMPLE: usize = 128;

/// Samples that go round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ring {
    at: u64,
    pub(super) slots: u64,
    /// Between two of its samples; each where it is zero.
    pub(super) every: Duration,
}

/// Each sample of at least two minutes where nothing happens, in which one comes a second; one in ten seconds of a quarter of
/// an hour; one a minute of two hours.
pub(super) const RINGS: [Ring; 3] = [
    Ring { at: 16384, slots: 256, every: Duration::ZERO },
    Ring { at: 49152, slots: 90, every: Duration::from_secs(10) },
    Ring { at: 60672, slots: 120, every: Duration::from_secs(60) },
];

impl Ring {
    /// The place of the `nth` sample of the ring.
    pub(super) fn place(&self, nth: u64) -> Place {
        let slot = nth.checked_rem(self.slots).unwrap_or_default();
        Place { at: self.at.saturating_add(slot.saturating_mul(SAMPLE as u64)), size: SAMPLE }
    }
}

/// How many captures are remembered: those that a day's budget has.
pub(super) const CAPTURES: usize = 20;
/// How many sites.
pub(super) const MOST_SITES: usize = 10;

/// Who runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Header {
    /// The id of the run: that of the event of its end.
    pub(super) run: String,
    pub(super) agent_version: String,
    pub(super) boot_id: String,
    /// A fingerprint of the machine's id.
    pub(super) machine: Option<u64>,
    pub(super) pid: u32,
    pub(super) started: Option<SystemTime>,
    /// When the agent started.
    pub(super) began: Option<SystemTime>,
    /// The settings in one line.
    pub(super) config: String,
    pub(super) resource: Vec<(String, Value)>,
}

/// The value of an attribute of the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value {
    /// A whole number.
    Int(u64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Int(whole) => whole.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What changes beside samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    pub(super) sequence: u64,
    /// When it was written.
    pub(super) at: Option<SystemTime>,
    pub(super) level: Level,
    pub(super) closed: bool,
    pub(super) limit: Option<Limit>,
    /// Of what kills are counted; 0 where that was something else before, or nothing.
    pub(super) cgroup: u64,
    pub(super) others_hold_most: bool,
    pub(super) slope: Option<f64>,
    pub(super) episode: Option<LastEpisode>,
    /// The latest captures, the oldest first.
    pub(super) captures: Captures,
}

/// The moments of the latest captures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Captures {
    moments: [u64; CAPTURES],
    count: u8,
}

impl Captures {
    pub(super) fn push(&mut self, at: SystemTime) {
        let count = usize::from(self.count);
        if count >= CAPTURES {
            self.moments.rotate_left(1);
        }
        if let Some(place) = self.moments.get_mut(count.min(CAPTURES - 1)) {
            *place = millis(at);
        }
        self.count = self.count.saturating_add(1).min(CAPTURES as u8);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = SystemTime> + '_ {
        self.moments.iter().take(usize::from(self.count)).map(|at| moment(*at))
    }
}

/// The episode that was open when a run ended.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct LastEpisode {
    /// The id of its trace.
    pub trace: Option<[u8; 16]>,
    /// The id of its root span, where it was known.
    pub root: Option<[u8; 8]>,
    /// 1 for the first episode of the run.
    pub number: u64,
    /// When it began.
    pub began: Option<SystemTime>,
    /// The level that was told last.
    pub level: Level,
    /// Which part of the memory grew, as it was told last.
    pub cause: Cause,
    /// The highest use.
    pub peak: Bytes,
    /// The same as a share of the limit.
    pub peak_utilization: Option<f64>,
    /// Time at elevated, high and critical.
    pub time_at: [Duration; 3],
    /// Entries that were counted and not told.
    pub merged: u64,
}

/// A sample of a run that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// 1 for the first sample of the run.
    pub number: u64,
    /// When it was taken, by the clock of that time.
    pub at: Option<SystemTime>,
    /// The same in monotonic time since the agent's start.
    pub elapsed: Duration,
    /// The level from it on.
    pub level: Level,
    /// What the kernel could not take back.
    pub used: Option<Bytes>,
    /// The limit that bound it.
    pub limit: Option<Bytes>,
    /// Resident set size.
    pub rss: Option<Bytes>,
    /// Resident anonymous memory.
    pub anon: Option<Bytes>,
    /// What the program held from its allocator.
    pub allocated: Option<Bytes>,
    /// Pages of the allocator with an allocation in them.
    pub active: Option<Bytes>,
    /// What the allocator held.
    pub resident: Option<Bytes>,
    /// Freed pages that the kernel could take back.
    pub muzzy: Option<Bytes>,
    /// Regions that the program registered.
    pub external: Option<Bytes>,
    /// All memory charged to the cgroup.
    pub cgroup_usage: Option<Bytes>,
    /// Processes of the cgroup that were killed for memory so far, as the kernel counts.
    pub oom_kills: Option<u64>,
}

/// The mark of a panic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastPanic {
    /// When.
    pub at: Option<SystemTime>,
    /// File and line. Never the message.
    pub place: String,
    /// Whether in the main thread.
    pub in_main: bool,
}

impl Header {
    /// What has no room is left out, from the end of the resource on.
    pub(super) fn encode(&self, block: &mut [u8]) {
        seal(block, |put| {
            put.bytes(&MAGIC);
            put.u32(VERSION);
            for text in [&self.run, &self.agent_version, &self.boot_id] {
                put.text(text, 64);
            }
            put.u32(self.pid);
            put.time(self.started);
            put.time(self.began);
            put.text(&self.config, 768);
            for (key, value) in &self.resource {
                let room = put.room();
                let text = match value {
                    Value::Int(_) => "",
                    Value::Text(text) => text.as_str(),
                };
                // Kind, two lengths, the number; the end, and what stands behind it.
                if room < key.len().min(128).saturating_add(text.len().min(512)).saturating_add(24) {
                    continue;
                }
                match value {
                    Value::Int(whole) => {
                        put.u8(1);
                        put.text(key, 128);
                        put.u64(*whole);
                    }
                    Value::Text(text) => {
                        put.u8(2);
                        put.text(key, 128);
                        put.text(text, 512);
                    }
                }
            }
            put.u8(0);
            put.u64(self.machine.unwrap_or_default());
        });
    }

    pub(super) fn decode(block: &[u8]) -> Option<Self> {
        let mut take = unseal(block)?;
        if take.array::<8>()? != MAGIC || take.u32()? != VERSION {
            return None;
        }
        let (run, agent_version, boot_id) = (take.text()?, take.text()?, take.text()?);
        let (pid, started, began, config) = (take.u32()?, take.time()?, take.time()?, take.text()?);
        let mut resource = Vec::new();
        loop {
            match take.u8()? {
                1 => resource.push((take.text()?, Value::Int(take.u64()?))),
                2 => resource.push((take.text()?, Value::Text(take.text()?))),
                _ => break,
            }
        }
        let machine = take.u64().filter(|machine| *machine != 0);
        Some(Self { run, agent_version, boot_id, machine, pid, started, began, config, resource })
    }
}

const CAUSES: [Cause; 9] = [
    Cause::Unknown,
    Cause::Heap,
    Cause::Allocator,
    Cause::External,
    Cause::Unattributed,
    Cause::Shmem,
    Cause::Kernel,
    Cause::OtherProcess,
    Cause::File,
];
const LEVELS: [Level; 4] = [Level::Normal, Level::Elevated, Level::High, Level::Critical];
const SOURCES: [LimitSource; 3] = [LimitSource::Config, LimitSource::Cgroup, LimitSource::CgroupHigh];

fn index<T: PartialEq>(of: &[T], value: &T) -> u8 {
    of.iter().position(|known| known == value).and_then(|at| u8::try_from(at).ok()).unwrap_or_default()
}

impl State {
    pub(super) fn encode(&self, block: &mut [u8]) {
        seal(block, |put| {
            put.u64(self.sequence);
            put.time(self.at);
            put.u8(index(&LEVELS, &self.level));
            put.u8(self.closed.into());
            put.u8(self.limit.is_some().into());
            if let Some(Limit { bytes, source, scope }) = self.limit {
                put.u64(bytes.get());
                put.u8(index(&SOURCES, &source));
                put.u64(scope);
            }
            put.u64(self.cgroup);
            // A place that is not used any more.
            put.optional(None);
            put.u8(self.others_hold_most.into());
            put.optional(self.slope.map(f64::to_bits));
            put.u8(self.episode.is_some().into());
            if let Some(episode) = &self.episode {
                put.bytes(&episode.trace.unwrap_or_default());
                put.bytes(&episode.root.unwrap_or_default());
                put.u64(episode.number);
                put.time(episode.began);
                put.u8(index(&LEVELS, &episode.level));
                put.u8(index(&CAUSES, &episode.cause));
                put.u64(episode.peak.get());
                put.optional(episode.peak_utilization.map(f64::to_bits));
                episode.time_at.iter().for_each(|time| put.duration(*time));
                put.u64(episode.merged);
            }
            put.u8(self.captures.count);
            self.captures.moments.iter().for_each(|at| put.u64(*at));
        });
    }

    pub(super) fn decode(block: &[u8]) -> Option<Self> {
        let mut take = unseal(block)?;
        let mut state = Self { sequence: take.u64()?, at: take.time()?, ..Self::default() };
        state.level = take.one_of(&LEVELS)?;
        state.closed = take.u8()? != 0;
        if take.u8()? != 0 {
            let (bytes, source, scope) = (take.u64()?, take.one_of(&SOURCES)?, take.u64()?);
            state.limit = Some(Limit { bytes: Bytes::new(bytes), source, scope });
        }
        state.cgroup = take.u64()?;
        take.optional()?;
        state.others_hold_most = take.u8()? != 0;
        state.slope = take.real()?;
        if take.u8()? != 0 {
            let (trace, root) = (take.array::<16>()?, take.array::<8>()?);
            state.episode = Some(LastEpisode {
                trace: (trace != [0; 16]).then_some(trace),
                root: (root != [0; 8]).then_some(root),
                number: take.u64()?,
                began: take.time()?,
                level: take.one_of(&LEVELS)?,
                cause: take.one_of(&CAUSES)?,
                peak: Bytes::new(take.u64()?),
                peak_utilization: take.real()?,
                time_at: [take.duration()?, take.duration()?, take.duration()?],
                merged: take.u64()?,
            });
        }
        state.captures.count = take.u8()?.min(CAPTURES as u8);
        for at in &mut state.captures.moments {
            *at = take.u64()?;
        }
        Some(state)
    }
}

impl LastEpisode {
    /// As it stands, without the ids of its trace.
    pub(super) fn of(episode: &Episode, began: SystemTime) -> Self {
        Self {
            trace: None,
            root: None,
            number: episode.number,
            began: Some(began),
            level: episode.level,
            cause: episode.cause,
            peak: episode.peak.used,
            peak_utilization: episode.peak.utilization,
            time_at: episode.time_at,
            merged: episode.merged,
        }
    }
}

impl Moment {
    fn amounts(&self) -> [Option<u64>; 11] {
        let bytes = |amount: Option<Bytes>| amount.map(Bytes::get);
        [
            bytes(self.used),
            bytes(self.limit),
            bytes(self.rss),
            bytes(self.anon),
            bytes(self.allocated),
            bytes(self.active),
            bytes(self.resident),
            bytes(self.muzzy),
            bytes(self.external),
            bytes(self.cgroup_usage),
            self.oom_kills,
        ]
    }

    pub(super) fn encode(&self, block: &mut [u8]) {
        seal(block, |put| {
            put.u64(self.number);
            put.time(self.at);
            put.duration(self.elapsed);
            let amounts = self.amounts();
            let known = amounts.iter().rev().fold(0_u32, |bits, amount| (bits << 1) | u32::from(amount.is_some()));
            put.u32((known << 8) | u32::from(index(&LEVELS, &self.level)));
            amounts.iter().for_each(|amount| put.u64(amount.unwrap_or_default()));
        });
    }

    pub(super) fn decode(block: &[u8]) -> Option<Self> {
        let mut take = unseal(block)?;
        let (number, at, elapsed, bits) = (take.u64()?, take.time()?, take.duration()?, take.u32()?);
        let level = *LEVELS.get(usize::try_from(bits & 0xff).ok()?)?;
        let mut known = bits >> 8;
        let mut amounts = [None; 11];
        for amount in &mut amounts {
            let value = take.u64()?;
            *amount = (known & 1 != 0).then_some(value);
            known >>= 1;
        }
        let oom_kills = amounts.last().copied().flatten();
        let [used, limit, rss, anon, allocated, active, resident, muzzy, external, cgroup_usage, _] =
            amounts.map(|amount| amount.map(Bytes::new));
        Some(Self {
            number,
            at,
            elapsed,
            level,
            used,
            limit,
            rss,
            anon,
            allocated,
            active,
            resident,
            muzzy,
            external,
            cgroup_usage,
            oom_kills,
        })
    }
}

/// Sites, the number that tells the newer of two, as they fit.
pub(super) fn encode_sites(sequence: u64, sites: &[Site], block: &mut [u8]) {
    seal(block, |put| {
        put.u64(sequence);
        let count = sites.len().min(MOST_SITES);
        put.u8(u8::try_from(count).unwrap_or_default());
        for site in sites.iter().take(count) {
            for (text, most) in [(&site.function, 240), (&site.module, 64), (&site.build_id, 40)] {
                put.u8(text.is_some().into());
                put.text(text.as_deref().unwrap_or_default(), most);
            }
            put.optional(site.offset);
            put.u64(site.bytes.get());
            put.u64(site.objects);
            put.optional(site.grown.map(|grown| u64::from_le_bytes(grown.to_le_bytes())));
        }
    });
}

pub(super) fn decode_sites(block: &[u8]) -> Option<(u64, Vec<Site>)> {
    let mut take = unseal(block)?;
    let (sequence, count) = (take.u64()?, take.u8()?);
    let mut sites = Vec::new();
    for _ in 0..usize::from(count).min(MOST_SITES) {
        let mut text = || -> Option<Option<String>> {
            let known = take.u8()? != 0;
            let text = take.text()?;
            Some(known.then_some(text))
        };
        let (function, module, build_id) = (text()?, text()?, text()?);
        let (offset, bytes, objects) = (take.optional()?, Bytes::new(take.u64()?), take.u64()?);
        let grown = take.optional()?.map(|bits| i64::from_le_bytes(bits.to_le_bytes()));
        sites.push(Site { function, module, build_id, offset, bytes, objects, grown });
    }
    Some((sequence, sites))
}

/// Writes nothing to the heap: a program that panics may have none left.
pub(super) fn encode_panic(at: SystemTime, file: &str, line: u32, in_main: bool, block: &mut [u8]) {
    seal(block, |put| {
        put.time(Some(at));
        put.u8(in_main.into());
        put.u32(line);
        // Of a long path the end says more.
        let mut from = file.len().saturating_sub(400);
        while !file.is_char_boundary(from) {
            from = from.saturating_add(1);
        }
        put.text(file.get(from..).unwrap_or_default(), 400);
    });
}

pub(super) fn decode_panic(block: &[u8]) -> Option<LastPanic> {
    let mut take = unseal(block)?;
    let (at, in_main, line, file) = (take.time()?, take.u8()? != 0, take.u32()?, take.text()?);
    Some(LastPanic { at, in_main, place: format!("{file}:{line}") })
}

pub(super) fn encode_exit(at: SystemTime, block: &mut [u8]) {
    seal(block, |put| put.time(Some(at)));
}

pub(super) fn decode_exit(block: &[u8]) -> Option<SystemTime> {
    unseal(block)?.time()?
}

/// Seals each block of a file, whatever is in it.
#[cfg(any(fuzzing, test))]
pub(crate) fn seal_all(bytes: &mut [u8]) {
    let rings = RINGS.iter().flat_map(|ring| (0..ring.slots).map(|slot| ring.place(slot)));
    for place in [HEADER, PANIC, EXIT].into_iter().chain(STATE).chain(SITES).chain(rings) {
        let Ok(from) = usize::try_from(place.at) else { continue };
        let Some(block) = bytes.get_mut(from..from.saturating_add(place.size)) else { continue };
        let Some((content, checksum)) = block.split_last_chunk_mut::<CHECKSUM>() else { continue };
        *checksum = crc32(content).to_le_bytes();
    }
}

/// A box in whose blocks these bytes stand, one after the other, behind the right beginning: so that a few thousand reach all
/// of it.
#[cfg(fuzzing)]
pub(crate) fn laid_out(content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; SIZE as usize];
    let mut left = content;
    let begins = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
    let rings = RINGS.iter().flat_map(|ring| (0..4).map(|slot| ring.place(slot)));
    for place in [HEADER, PANIC, EXIT].into_iter().chain(STATE).chain(SITES).chain(rings) {
        let begins = if place == HEADER { &begins[..] } else { &[] };
        // Most of a block is room for long texts.
        let most = place.size.min(512).saturating_sub(begins.len() + CHECKSUM);
        let (here, rest) = left.split_at(most.min(left.len()));
        left = rest;
        let from = place.at as usize;
        bytes[from..from + begins.len()].copy_from_slice(begins);
        bytes[from + begins.len()..from + begins.len() + here.len()].copy_from_slice(here);
    }
    bytes
}

/// Milliseconds since 1970.
pub(super) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The same back. What no clock shows is 1970; later than 9999, which cannot be written as a date, is not.
pub(super) fn moment(millis: u64) -> SystemTime {
    const LATEST: u64 = 253_402_300_799_999;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(millis.min(LATEST))).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// The last four bytes of each block.
const CHECKSUM: usize = 4;

/// Fills a block and seals it.
fn seal(block: &mut [u8], fill: impl FnOnce(&mut Put<'_>)) {
    block.fill(0);
    let Some((content, checksum)) = block.split_last_chunk_mut::<CHECKSUM>() else { return };
    fill(&mut Put { left: &mut *content });
    *checksum = crc32(content).to_le_bytes();
}

/// What a block holds, where its seal is whole.
fn unseal(block: &[u8]) -> Option<Take<'_>> {
    let (content, checksum) = block.split_last_chunk::<CHECKSUM>()?;
    (crc32(content) == u32::from_le_bytes(*checksum)).then_some(Take { left: content })
}

/// Writes from the beginning of a block; what has no room is cut off.
struct Put<'a> {
    left: &'a mut [u8],
}

impl Put<'_> {
    fn room(&self) -> usize {
        self.left.len()
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let count = bytes.len().min(self.left.len());
        let (here, left) = std::mem::take(&mut self.left).split_at_mut(count);
        here.copy_from_slice(bytes.get(..count).unwrap_or_default());
        self.left = left;
    }

    fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }

    fn optional(&mut self, value: Option<u64>) {
        self.u8(value.is_some().into());
        self.u64(value.unwrap_or_default());
    }

    fn time(&mut self, at: Option<SystemTime>) {
        self.u64(at.map_or(0, millis));
    }

    fn duration(&mut self, time: Duration) {
        self.u64(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// At most so many bytes of a text, whole characters.
    fn text(&mut self, text: &str, most: usize) {
        let mut end = text.len().min(most).min(self.room().saturating_sub(2));
        while !text.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        let text = text.get(..end).unwrap_or_default();
        self.bytes(&u16::try_from(text.len()).unwrap_or_default().to_le_bytes());
        self.bytes(text.as_bytes());
    }
}

/// Reads from the beginning of a block.
struct Take<'a> {
    left: &'a [u8],
}

impl Take<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, left) = self.left.split_first_chunk::<N>()?;
        self.left = left;
        Some(*array)
    }

    fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn optional(&mut self) -> Option<Option<u64>> {
        let (known, value) = (self.u8()? != 0, self.u64()?);
        Some(known.then_some(value))
    }

    fn real(&mut self) -> Option<Option<f64>> {
        Some(self.optional()?.map(f64::from_bits).filter(|real| real.is_finite()))
    }

    fn time(&mut self) -> Option<Option<SystemTime>> {
        let at = self.u64()?;
        Some((at != 0).then(|| moment(at)))
    }

    fn duration(&mut self) -> Option<Duration> {
        self.u64().map(Duration::from_micros)
    }

    fn one_of<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        of.get(usize::from(self.u8()?)).copied()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.array().map(u16::from_le_bytes)?;
        let (text, left) = self.left.split_at_checked(length.into())?;
        self.left = left;
        Some(String::from_utf8_lossy(text).into_owned())
    }
}

/// The checksum of IEEE 802.3, as in gzip: it finds each burst of up to 32 bits and each cut. Of a table made beforehand, so
/// that 128 bytes cost a quarter of a microsecond and no crate.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        let at = usize::from((crc as u8) ^ byte);
        (crc >> 8) ^ TABLE.get(at).copied().unwrap_or_default()
    };
    !bytes.iter().fold(u32::MAX, step)
}

static TABLE: [u32; 256] = table();

#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "evaluated by the compiler")]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut crc = at as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests;
