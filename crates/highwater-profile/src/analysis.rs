//! A dump as a whole: which functions hold how much.
//!
//! The dump is read three times at most, each time from its beginning and through a fixed buffer: once for the addresses
//! and the mappings, once for the sums of the sites, once more to write it in another format. What is held between are the
//! distinct addresses, sorted, a number of a name for each, and the names.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::SystemTime;

use crate::dump::{self, Entry};
use crate::elf::{Elf, Found, Shifted};
use crate::error::Error;
use crate::frames::{Kind, is_system, kind};
use crate::maps::Mapping;
use crate::names::{LONGEST_SYMBOL, Names, Number};
use crate::open::Open;
use crate::pprof;
use crate::site::{Baseline, Site, key};

#[cfg(feature = "unstable-otlp")]
mod request;

/// How many distinct addresses are known at most: 64 Ki.
pub const MOST_ADDRESSES: usize = 64 << 10;
/// How many mappings with code are known at most.
pub const MOST_MAPPINGS: usize = 1024;
/// How many sites are known at most: when there are more, the smaller half of them goes to the rest.
pub const MOST_SITES: usize = 8 << 10;
/// Where nothing has a name, how far above the frames that all stacks share the site is taken to be.
pub(crate) const UNNAMED_DEPTH: usize = 4;
/// How far from the leaf an allocator's function is looked for.
pub(crate) const MOST_OF_ALLOCATOR: usize = 32;
/// No allocator has more frames than this that all stacks share; a program with a single stack does.
pub(crate) const MOST_SHARED: usize = 8;

/// A heap profile that has been read, and named.
pub struct Analysis<R> {
    dump: R,
    period: u64,
    stacks: u64,
    skipped: u64,
    total: Held,
    rest: Held,
    /// How many frames from the leaf all stacks share.
    shared: usize,
    named: Named,
    /// What is held from each call that is a site, by the index of its address.
    sites: HashMap<u32, Held>,
}

/// What is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    bytes: u64,
    objects: u64,
}

impl Held {
    fn add(&mut self, more: Self) {
        self.bytes = self.bytes.saturating_add(more.bytes);
        self.objects = self.objects.saturating_add(more.objects);
    }
}

impl<R> fmt::Debug for Analysis<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analysis")
            .field("bytes", &self.total.bytes)
            .field("objects", &self.total.objects)
            .field("stacks", &self.stacks)
            .finish_non_exhaustive()
    }
}

impl<R: Read + Seek> Analysis<R> {
    /// Reads a dump of jemalloc, finds names in the files that `opener` opens, and sums up.
    ///
    /// # Errors
    ///
    /// When the dump cannot be read or is none. A file that cannot be read leaves its functions without names.
    pub fn of(mut dump: R, opener: &mut dyn Open) -> Result<Self, Error> {
        let mut known = HashSet::new();
        let (mut stacks, mut total) = (0_u64, Held::default());
        let mut mappings = Vec::new();
        // The frames from the leaf that all stacks have had so far.
        let mut shared: Option<Vec<u64>> = None;
        dump.seek(SeekFrom::Start(0))?;
        let whole = dump::read(&mut dump, &mut |entry| {
            match entry {
                Entry::Stack(stack) => {
                    stacks = stacks.saturating_add(1);
                    total.add(Held { bytes: stack.bytes, objects: stack.objects });
                    let leaf = stack.calls.get(..MOST_SHARED).unwrap_or(stack.calls);
                    match &mut shared {
                        None => shared = Some(leaf.to_vec()),
                        Some(shared) => shared.truncate(shared.iter().zip(leaf).take_while(|(a, b)| a == b).count()),
                    }
                    for call in stack.calls {
                        if known.len() < MOST_ADDRESSES {
                            known.insert(*call);
                        }
                    }
                }
                Entry::Mapping(mapping) if mappings.len() < MOST_MAPPINGS => mappings.push(mapping),
                Entry::Mapping(_) => {}
            }
            Ok(())
        })?;
        let mut addresses: Vec<u64> = Vec::with_capacity(known.len());
        addresses.extend(&known);
        drop(known);
        addresses.sort_unstable();
        mappings.sort_by_key(Mapping::start);
        let mut analysis = Self {
            dump,
            period: whole.period,
            stacks,
            skipped: whole.skipped,
            total,
            rest: Held::default(),
            shared: shared.map_or(0, |shared| shared.len()),
            named: Named::new(addresses, mappings, opener),
            sites: HashMap::new(),
        };
        analysis.sum()?;
        Ok(analysis)
    }

    /// Gives each stack what it holds to its site.
    fn sum(&mut self) -> Result<(), Error> {
        let Self { dump, named, sites, rest, shared, .. } = self;
        dump.seek(SeekFrom::Start(0))?;
        dump::read(dump, &mut |entry| {
            if let Entry::Stack(stack) = entry {
                let held = Held { bytes: stack.bytes, objects: stack.objects };
                match named.site(stack.calls, *shared) {
                    Some(index) => {
                        if sites.len() >= MOST_SITES && !sites.contains_key(&index) {
                            rest.add(forget(sites));
                        }
                        sites.entry(index).or_default().add(held);
                    }
                    None => rest.add(held),
                }
            }
            Ok(())
        })?;
        Ok(())
    }

    /// What is live, as far as the samples tell: the sum of all stacks.
    pub fn bytes(&self) -> u64 {
        self.total.bytes
    }

    /// In how many objects.
    pub fn objects(&self) -> u64 {
        self.total.objects
    }

    /// How many stacks there are.
    pub fn stacks(&self) -> u64 {
        self.stacks
    }

    /// The mean of bytes between two samples.
    pub fn period(&self) -> u64 {
        self.period
    }

    /// How many lines were not understood.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Bytes and objects that belong to no site: those of stacks without any address that is known, and of
    /// small sites where there are more than [`MOST_SITES`].
    pub fn rest(&self) -> (u64, u64) {
        (self.rest.bytes, self.rest.objects)
    }

    /// The mappings that hold code, by address.
    pub fn mappings(&self) -> &[Mapping] {
        &self.named.mappings
    }

    /// The function that a call is in, if its file names it.
    pub fn name_of(&self, call: u64) -> Option<&str> {
        self.named.names.get(self.named.number(self.named.index(call)?))
    }

    /// The `most` largest sites, the largest first; with a baseline each with what it has grown.
    pub fn sites(&self, most: usize, baseline: Option<&Baseline>) -> Vec<Site> {
        let mut merged = self.merged();
        merged.sort_unstable_by_key(|(key, site)| (std::cmp::Reverse(site.held.bytes), *key));
        let grown = |key, held: Held| baseline.map(|baseline| baseline.grown(key, held.bytes));
        merged.iter().take(most).map(|(key, site)| self.site(site, grown(*key, site.held))).collect()
    }

    /// The `most` sites that have grown most since the baseline, and of them only those that have.
    pub fn grown(&self, most: usize, baseline: &Baseline) -> Vec<Site> {
        let merged = self.merged().into_iter();
        let mut merged: Vec<_> = merged
            .map(|(key, site)| (baseline.grown(key, site.held.bytes), key, site))
            .filter(|(grown, ..)| *grown > 0)
            .collect();
        merged.sort_unstable_by_key(|(grown, key, _)| (std::cmp::Reverse(*grown), *key));
        merged.iter().take(most).map(|(grown, _, site)| self.site(site, Some(*grown))).collect()
    }

    /// What the sites hold, for a later comparison: of the largest 4,096, in 64 KiB.
    pub fn baseline(&self) -> Baseline {
        Baseline::new(self.merged().into_iter().map(|(key, site)| (key, site.held.bytes)).collect())
    }

    /// Gives each stack: its calls from the leaf, and the objects and bytes that are live of it.
    ///
    /// The calls are those that [`name_of`](Self::name_of) and [`mappings`](Self::mappings) know: of each return address
    /// the one before it.
    ///
    /// # Errors
    ///
    /// When the dump cannot be read any more.
    pub fn for_each_stack(&mut self, each: &mut dyn FnMut(&[u64], u64, u64)) -> io::Result<()> {
        self.dump.seek(SeekFrom::Start(0))?;
        let read = dump::read(&mut self.dump, &mut |entry| {
            if let Entry::Stack(stack) = entry {
                each(stack.calls, stack.objects, stack.bytes);
            }
            Ok(())
        });
        read.map(|_| ()).map_err(io_error)
    }

    /// Reads the dump once more and writes it in pprof's format, packed by gzip; returns how many bytes were written.
    ///
    /// `time` is when the dump was taken.
    ///
    /// # Errors
    ///
    /// When the dump cannot be read any more, or when `out` cannot be written.
    pub fn write_pprof(&mut self, out: impl Write, time: SystemTime) -> io::Result<u64> {
        let Self { dump, named, period, .. } = self;
        let mut writer = pprof::Writer::begin(out, *period, time)?;
        for mapping in &named.mappings {
            writer.mapping(mapping, mapping.to_file.is_some() && named.has_names(mapping))?;
        }
        for name in named.names.iter() {
            writer.function(name)?;
        }
        for (index, address) in named.addresses.iter().enumerate() {
            writer.location(
                index,
                *address,
                named.mapping_index(*address),
                // Of a kind alone there is no function.
                named
                    .numbers
                    .get(index)
                    .copied()
                    .filter(|number| named.names.get(*number).is_some())
                    .unwrap_or_default(),
            )?;
        }
        dump.seek(SeekFrom::Start(0))?;
        let mut locations = Vec::with_capacity(dump::MOST_FRAMES);
        let read = dump::read(dump, &mut |entry| {
            let Entry::Stack(stack) = entry else { return Ok(()) };
            locations.clear();
            locations.extend(stack.calls.iter().filter_map(|call| named.index(*call)));
            writer.sample(&locations, stack.objects, stack.bytes)
        });
        read.map_err(io_error)?;
        writer.end()
    }

    /// The sites, those of one function together.
    fn merged(&self) -> Vec<(u64, Merged)> {
        let one = |(index, held): (&u32, &Held)| {
            (self.named.key(*index), Merged { held: *held, largest: held.bytes, index: *index })
        };
        let mut sites: Vec<(u64, Merged)> = self.sites.iter().map(one).collect();
        // The largest call of a function first, and of two that are as large the lower address.
        sites.sort_unstable_by_key(|(key, site)| (*key, std::cmp::Reverse(site.largest), site.index));
        sites.dedup_by(|(key, site), (first_key, first)| {
            let same = key == first_key;
            if same {
                first.held.add(site.held);
            }
            same
        });
        sites
    }

    fn site(&self, site: &Merged, grown: Option<i64>) -> Site {
        let Held { bytes, objects } = site.held;
        let (function, mapping, address) = self.named.of(site.index);
        Site {
            function: function.map(str::to_owned),
            module: mapping.map(|mapping| mapping.file_name().to_owned()),
            build_id: mapping.and_then(Mapping::build_id).map(str::to_owned),
            offset: mapping.zip(address).and_then(|(mapping, address)| mapping.to_file(address)),
            bytes,
            objects,
            grown,
        }
    }
}

/// Takes the smaller half of the sites out, and returns what they held.
///
/// One that comes again begins anew: what a large site can lose so is less than what it is shown with.
fn forget(sites: &mut HashMap<u32, Held>) -> Held {
    let mut order: Vec<(u64, u32)> = sites.iter().map(|(index, held)| (held.bytes, *index)).collect();
    order.sort_unstable();
    let mut forgotten = Held::default();
    for (_, index) in order.iter().take(MOST_SITES / 2) {
        forgotten.add(sites.remove(index).unwrap_or_default());
    }
    forgotten
}

/// All calls of one function.
#[derive(Clone, Copy, Debug, Default)]
struct Merged {
    held: Held,
    /// Of the call that most is held from.
    largest: u64,
    index: u32,
}

/// Addresses and what is known of them.
#[derive(Debug)]
struct Named {
    /// Sorted.
    addresses: Vec<u64>,
    /// Of each address the number of its name.
    numbers: Vec<Number>,
    names: Names,
    /// Sorted.
    mappings: Vec<Mapping>,
}

impl Named {
    fn new(addresses: Vec<u64>, mut mappings: Vec<Mapping>, opener: &mut dyn Open) -> Self {
        let mut numbers = vec![0; addresses.len()];
        let mut names = Names::with_room(addresses.len());
        for mapping in &mut mappings {
            let begin = addresses.partition_point(|address| *address < mapping.start());
            let end = addresses.partition_point(|address| *address < mapping.end());
            if let (Some(addresses), Some(numbers)) = (addresses.get(begin..end), numbers.get_mut(begin..end))
                && !addresses.is_empty()
            {
                name(mapping, addresses, numbers, &mut names, opener);
            }
        }
        Self { addresses, numbers, names, mappings }
    }

    /// Which call of a stack is its site.
    ///
    /// The first, from the leaf, that is the program's own. What an allocator's function calls is the allocator's, whatever
    /// its name. A call without a name counts as that once a name of the
    /// allocator or of the standard library has been seen below it: it is in a library that has no names. Where nothing of
    /// the stack is the program's own, as in what the runtime itself holds, the outermost of the standard library, which
    /// says for what. And where nothing at all has a name, the call some frames above those that all stacks share: these
    /// are the allocator's, and those above them containers, so a call there is in the program or near it.
    fn site(&self, calls: &[u64], shared: usize) -> Option<u32> {
        let kind = |call: &u64| self.names.kind(self.number(self.index(*call)?));
        let leaf = calls.get(..MOST_OF_ALLOCATOR).unwrap_or(calls);
        let allocator = leaf.iter().rposition(|call| kind(call) == Some(Kind::Allocator));
        let (mut seen, mut outermost, mut any) = (allocator.is_some(), None, None);
        for call in calls.get(allocator.unwrap_or_default()..).unwrap_or_default() {
            let Some(index) = self.index(*call) else { continue };
            match self.names.kind(self.number(index)) {
                Some(Kind::Own) if outermost.is_some_and(|outermost| self.runs_main(outermost, index)) => {}
                Some(Kind::Own) => return Some(index),
                Some(Kind::Std) => (seen, outermost) = (true, Some(index)),
                Some(Kind::Allocator | Kind::System) => seen = true,
                Some(Kind::StartUp) => {}
                None if seen && !self.is_system(*call) => return Some(index),
                None => {}
            }
            any = Some(index);
        }
        let above = calls.get(shared.saturating_add(UNNAMED_DEPTH).min(calls.len().saturating_sub(1)));
        let unnamed = above.and_then(|call| self.index(*call)).filter(|_| !seen);
        outermost.or(unnamed).or(any)
    }

    /// Whether this is the `main` that C calls and that Rust makes, above its runtime.
    fn runs_main(&self, below: u32, index: u32) -> bool {
        let name = |index| self.names.get(self.number(index)).unwrap_or_default();
        name(index) == "main" && name(below).starts_with("std::rt::")
    }

    /// Whether a call is in a library of the system, of which few functions have names.
    fn is_system(&self, call: u64) -> bool {
        let mapping = self.mapping_index(call).and_then(|index| self.mappings.get(index));
        mapping.is_some_and(|mapping| is_system(mapping.file_name()))
    }

    fn index(&self, call: u64) -> Option<u32> {
        self.addresses.binary_search(&call).ok().and_then(|index| u32::try_from(index).ok())
    }

    fn number(&self, index: u32) -> Number {
        usize::try_from(index).ok().and_then(|index| self.numbers.get(index).copied()).unwrap_or_default()
    }

    fn mapping_index(&self, address: u64) -> Option<usize> {
        let index = self.mappings.partition_point(|mapping| mapping.end() <= address);
        self.mappings.get(index).filter(|mapping| mapping.contains(address)).map(|_| index)
    }

    fn has_names(&self, mapping: &Mapping) -> bool {
        let begin = self.addresses.partition_point(|address| *address < mapping.start());
        let end = self.addresses.partition_point(|address| *address < mapping.end());
        self.numbers
            .get(begin..end)
            .is_some_and(|numbers| numbers.iter().any(|number| self.names.get(*number).is_some()))
    }

    /// Function, mapping and address.
    fn of(&self, index: u32) -> (Option<&str>, Option<&Mapping>, Option<u64>) {
        let address = usize::try_from(index).ok().and_then(|index| self.addresses.get(index).copied());
        let mapping = address.and_then(|address| self.mappings.get(self.mapping_index(address)?));
        (self.names.get(self.number(index)), mapping, address)
    }

    fn key(&self, index: u32) -> u64 {
        let (function, mapping, address) = self.of(index);
        let offset = mapping.zip(address).map_or(address, |(mapping, address)| {
            // As the file counts, or from the beginning of the mapping, which is as fixed.
            mapping
                .to_file(address)
                .or_else(|| Some(address.saturating_sub(mapping.start()).saturating_add(mapping.file_offset())))
        });
        key(mapping.map_or("", Mapping::file_name), function, offset)
    }
}

/// Finds the names of addresses that lie in one mapping.
fn name(mapping: &mut Mapping, addresses: &[u64], numbers: &mut [Number], names: &mut Names, opener: &mut dyn Open) {
    let Some(file) = opener.open(mapping) else { return };
    let Some(elf) = Elf::open(&*file) else { return };
    mapping.build_id = elf.build_id();
    let length = mapping.end().saturating_sub(mapping.start());
    let Some(distance) = elf.distance(mapping.start(), mapping.file_offset(), length) else { return };
    mapping.to_file = Some(distance);
    let ends = [addresses.first(), addresses.last()].map(|end| end.map(|end| end.wrapping_add(distance)));
    let Some(symbols) = elf.symbols().filter(|_| ends.first() <= ends.last()) else { return };
    let mut found = vec![Found::default(); addresses.len()];
    // What has been found before a file fails is right.
    let _ = elf.find(&symbols, &Shifted(addresses, distance), &mut found);
    let mut buffer = vec![0; LONGEST_SYMBOL];
    let mut last = (Found::default(), 0);
    for (found, number) in found.into_iter().zip(numbers) {
        if found.name == 0 {
            continue;
        }
        if found != last.0 {
            let symbol = elf.name(&symbols, found, &mut buffer);
            last = (found, names.add(symbol, |name| kind(name, mapping.file_name())));
        }
        *number = last.1;
    }
}

/// What went wrong when a dump that had been read once was read again.
fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        error => io::Error::new(io::ErrorKind::InvalidData, error),
    }
}

#[cfg(test)]
mod tests;
