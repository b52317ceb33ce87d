//! Inlined functions and lines of a profile, from the DWARF of the files that its code is from.
//!
//! For tools, offline: files are read whole. A file is used where its build id is that of the profile; where the profile has
//! none, only a file that was named on purpose, with the same name.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use addr2line::Context;
use gimli::{DwarfSections, EndianSlice, RunTimeEndian};
use object::{Object, ObjectSection};

use crate::elf::{Elf, Found, Shifted};
use crate::names::{LONGEST_SYMBOL, readable};
use crate::pprof::{Frame, Profile};

/// No file that is longer is read, nor a section that would be, uncompressed: 4 GiB.
const LONGEST: u64 = 4 << 30;

/// Where files are looked for.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    named: Vec<PathBuf>,
    debug: Option<PathBuf>,
}

/// What became of a file of the profile.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The path in the profile.
    pub module: String,
    /// The file that its functions are from, or `None` where there is none with its build id.
    pub file: Option<PathBuf>,
    /// How many calls have functions now that had none, or have more.
    pub found: usize,
}

impl Symbols {
    /// With the files and folders that are `named`, then in `debug`, such as `/usr/lib/debug`, by build id, and then where
    /// the profile says.
    #[must_use]
    pub fn new(named: Vec<PathBuf>, debug: Option<PathBuf>) -> Self {
        let files = |path: PathBuf| match fs::read_dir(&path) {
            Ok(entries) => entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()).collect(),
            Err(_) => vec![path],
        };
        Self { named: named.into_iter().flat_map(files).collect(), debug }
    }

    /// Gives each call of the profile its functions, as far as files are found; says what became of each.
    pub fn symbolize(&self, profile: &mut Profile) -> Vec<Outcome> {
        let mut modules: BTreeMap<(String, Option<String>), Vec<usize>> = BTreeMap::new();
        for (index, frame) in profile.frames.iter().enumerate() {
            if let Some(module) = frame.module.clone().filter(|module| !module.starts_with('[')) {
                modules.entry((module, frame.build_id.clone())).or_default().push(index);
            }
        }
        let mut outcomes = Vec::new();
        for ((module, build_id), indices) in modules {
            let mut outcome = Outcome { module, file: None, found: 0 };
            for path in self.candidates(&outcome.module, build_id.as_deref()) {
                let Some(content) = read(&path, build_id.as_deref()) else { continue };
                outcome.found = outcome.found.saturating_add(name(&content, &mut profile.frames, &indices));
                outcome.file.get_or_insert(path);
                // The first that knows something: a file without symbols is no reason to look no further.
                if outcome.found > 0 {
                    break;
                }
            }
            outcomes.push(outcome);
        }
        outcomes
    }

    fn candidates(&self, module: &str, build_id: Option<&str>) -> Vec<PathBuf> {
        let Some(build_id) = build_id else {
            let same = |path: &&PathBuf| path.file_name() == Path::new(module).file_name();
            return self.named.iter().filter(same).cloned().collect();
        };
        let mut candidates = self.named.clone();
        if let (Some(debug), Some((folder, file))) = (&self.debug, build_id.split_at_checked(2)) {
            candidates.push(debug.join(".build-id").join(folder).join(format!("{file}.debug")));
        }
        candidates.push(PathBuf::from(module));
        candidates
    }
}

/// Reads a file, if it has this build id.
fn read(path: &Path, build_id: Option<&str>) -> Option<Vec<u8>> {
    let metadata = fs::metadata(path).ok()?;
    if !metadata.is_file() || metadata.len() > LONGEST {
        return None;
    }
    #[cfg(unix)]
    if build_id.is_some() {
        let file = fs::File::open(path).ok()?;
        if Elf::open(&file)?.build_id().as_deref() != build_id {
            return None;
        }
    }
    let content = fs::read(path).ok()?;
    let is = Elf::open(&content)?.build_id();
    (build_id.is_none() || is.as_deref() == build_id).then_some(content)
}

/// Names the calls of one file; says of how many more is known now.
fn name(content: &[u8], frames: &mut [Frame], indices: &[usize]) -> usize {
    let Some(elf) = Elf::open(&content) else { return 0 };
    let mut calls: Vec<(u64, usize)> = indices
        .iter()
        .filter_map(|index| {
            let frame = frames.get(*index)?;
            let (start, offset, length) = frame.mapping?;
            let distance = elf.distance(start, offset, length).or_else(|| elf.distance_by_address(start))?;
            Some((frame.address.wrapping_add(distance), *index))
        })
        .collect();
    calls.sort_unstable();
    let addresses: Vec<u64> = calls.iter().map(|(address, _)| *address).collect();
    let mut found = vec![Found::default(); calls.len()];
    let symbols = elf.symbols();
    if let Some(symbols) = &symbols {
        let _ = elf.find(symbols, &Shifted(&addresses, 0), &mut found);
    }
    let mut buffer = vec![0; LONGEST_SYMBOL];
    let dwarf = Dwarf::of(content);
    let lines = dwarf.as_ref().and_then(Dwarf::lines);
    let mut more: usize = 0;
    for ((address, index), found) in calls.into_iter().zip(found) {
        let Some(frame) = frames.get_mut(index) else { continue };
        let mut inlined = lines.as_ref().map(|lines| lines.at(address)).unwrap_or_default();
        let symbol = symbols.as_ref().and_then(|symbols| readable(elf.name(symbols, found, &mut buffer)));
        let symbol = symbol.or_else(|| frame.functions.last().cloned());
        if let Some((outermost, place)) = inlined.pop() {
            // Where lines are all that was kept of DWARF, it names few functions, and has no path of them.
            let is_more = |name: &String| match &outermost {
                Some(short) => name.strip_suffix(&**short).is_some_and(|path| path.ends_with("::")),
                None => true,
            };
            let Some(function) = symbol.filter(is_more).or(outermost) else { continue };
            let inner = inlined.into_iter().filter_map(|(function, place)| Some((function?, place)));
            (frame.functions, frame.places) = inner.chain([(function, place)]).unzip();
        } else if let Some(name) = symbol.filter(|_| frame.functions.is_empty()) {
            (frame.functions, frame.places) = (vec![name], vec![None]);
        } else {
            continue;
        }
        more = more.saturating_add(1);
    }
    more
}

/// A name without a path, as DWARF has it where little more than lines was kept, with the crate that its file tells: that of the
/// standard library, so that nobody takes it for the program's own.
fn with_crate(name: String, file: &str) -> String {
    let is_bare = !name.starts_with('<') && !name.split('<').next().is_some_and(|start| start.contains("::"));
    let library = file.split_once("/library/").and_then(|(_, rest)| rest.split_once("/src/"));
    match library {
        Some((library @ ("alloc" | "core" | "std"), _)) if is_bare => format!("{library}::{name}"),
        _ => name,
    }
}

/// The sections of DWARF: those that are compressed, by zlib or Zstandard, as they were.
struct Dwarf<'a> {
    sections: DwarfSections<Cow<'a, [u8]>>,
    endian: RunTimeEndian,
}

impl<'a> Dwarf<'a> {
    fn of(content: &'a [u8]) -> Option<Self> {
        let file = object::File::parse(content).ok()?;
        let endian = if file.is_little_endian() { RunTimeEndian::Little } else { RunTimeEndian::Big };
        let load = |id: gimli::SectionId| -> Result<_, gimli::Error> {
            let data = file.section_by_name(id.name()).and_then(|section| section.compressed_data().ok());
            let data = data.filter(|data| data.uncompressed_size <= LONGEST);
            Ok(data.and_then(|data| data.decompress().ok()).unwrap_or_default())
        };
        Some(Self { sections: DwarfSections::load(load).ok()?, endian })
    }

    fn lines(&self) -> Option<Lines<'_>> {
        let dwarf = self.sections.borrow(|section| EndianSlice::new(section, self.endian));
        Context::from_dwarf(dwarf).ok().map(Lines)
    }
}

/// What DWARF says of addresses.
struct Lines<'a>(Context<EndianSlice<'a, RunTimeEndian>>);

impl Lines<'_> {
    /// Functions with their places, the innermost first; none where one but the last has no name.
    fn at(&self, address: u64) -> Vec<(Option<String>, Option<String>)> {
        let Ok(mut frames) = self.0.find_frames(address).skip_all_loads() else { return Vec::new() };
        let mut all = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            if all.last().is_some_and(|(name, _): &(Option<String>, _)| name.is_none()) {
                return Vec::new();
            }
            let file = frame.location.as_ref().and_then(|location| location.file);
            let name = frame.function.and_then(|function| readable(function.name.slice()));
            let name = name.map(|name| with_crate(name, file.unwrap_or_default()));
            let place = frame.location.and_then(|location| {
                let file = location.file?;
                Some(location.line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}")))
            });
            all.push((name, place));
        }
        all
    }
}
