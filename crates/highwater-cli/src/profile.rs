//! Who holds what in a heap profile: a table for a person, and the profile in other formats.
//!
//! Whatever the profile is, it is read as pprof's format: a dump of jemalloc is turned into that first, with names from
//! those files of this machine that are the ones in the dump.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use highwater_profile::pprof::Profile;
use highwater_profile::symbolize::Symbols;
use highwater_profile::{Analysis, Error};

use crate::{options, say};

mod devtools;
mod flame;
mod table;
mod tree;

/// Shows what the options say.
pub(crate) fn run(options: &options::Profile) -> Result<(), Failure> {
    let read = |path: &Path| read(path).map(|profile| symbolized(profile, &options.symbols));
    let profile = read(&options.file)?;
    let base = options.diff.as_deref().map(read).transpose()?;
    let name = options.file.display().to_string();
    if options.flamegraph.is_some() || options.heapprofile.is_some() {
        let tree = tree::Tree::of(&profile);
        if let Some(path) = &options.flamegraph {
            write(path, flame::draw(&tree, &name).as_bytes())?;
        }
        if let Some(path) = &options.heapprofile {
            let mut content = Vec::new();
            devtools::write(&mut content, &tree, &profile).map_err(|error| Failure::write(path, error))?;
            write(path, &content)?;
        }
    }
    let text = table::table(&sites(&profile), base.as_ref().map(sites).as_ref(), options.top);
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Write("standard output".to_owned(), error))
        }
        _ => Ok(()),
    }
}

/// What is held from a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    bytes: u64,
    objects: u64,
}

/// A function and the name of the file that it is in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Site {
    function: String,
    module: String,
}

fn sites(profile: &Profile) -> HashMap<Site, Held> {
    let mut sites: HashMap<Site, Held> = HashMap::new();
    for sample in &profile.samples {
        let found = profile.site_of(sample).and_then(|(frame, function)| Some((profile.frames.get(frame)?, function)));
        let site = found.map(|(frame, function)| {
            let function = function.and_then(|function| frame.functions.get(function)).cloned();
            let path = frame.module.as_deref().unwrap_or_default();
            let module = path.rsplit('/').next().unwrap_or(path).to_owned();
            Site { function: function.unwrap_or_else(|| unnamed(frame)), module }
        });
        let held = sites.entry(site.unwrap_or_default()).or_default();
        held.bytes = held.bytes.saturating_add(sample.bytes);
        held.objects = held.objects.saturating_add(sample.objects);
    }
    sites
}

/// A call without a name: by its place in the file, which is the same in each run.
fn unnamed(frame: &highwater_profile::pprof::Frame) -> String {
    match frame.mapping {
        Some((start, offset, _)) => format!("+{:#x}", frame.address.wrapping_sub(start).wrapping_add(offset)),
        None => format!("{:#x}", frame.address),
    }
}

/// Where the systems keep the symbols of their programs.
const DEBUG: &str = "/usr/lib/debug";

/// With functions and lines from files, where that was asked for.
fn symbolized(mut profile: Profile, symbols: &[OsString]) -> Profile {
    if !symbols.is_empty() {
        let named = symbols.iter().filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        for outcome in Symbols::new(named, Some(PathBuf::from(DEBUG))).symbolize(&mut profile) {
            if outcome.file.is_none() {
                say(&format!("{}: no file with its build id: --symbols=PATH names one", outcome.module));
            }
        }
    }
    profile
}

/// Reads a profile of either kind.
fn read(path: &Path) -> Result<Profile, Failure> {
    let failed = |error| Failure::Open(path.display().to_string(), error);
    let mut file = File::open(path).map_err(failed)?;
    let mut head = Vec::new();
    Read::by_ref(&mut file).take(8).read_to_end(&mut head).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let profile = if head == b"heap_v2/" { converted(file) } else { Profile::read(file) };
    profile.map_err(|error| Failure::Read(path.display().to_string(), error))
}

fn converted(dump: File) -> Result<Profile, Error> {
    #[cfg(unix)]
    let mut opener = highwater_profile::Opener::without_program();
    #[cfg(not(unix))]
    let mut opener = highwater_profile::NoFiles;
    let mut written = Vec::new();
    Analysis::of(dump, &mut opener)?.write_pprof(&mut written, SystemTime::UNIX_EPOCH)?;
    Profile::read(&*written)
}

fn write(path: &Path, content: &[u8]) -> Result<(), Failure> {
    fs::write(path, content).map_err(|error| Failure::write(path, error))
}

/// Why nothing, or not everything, is shown.
#[derive(Debug)]
pub(crate) enum Failure {
    Open(String, io::Error),
    Read(String, Error),
    Write(String, io::Error),
}

impl Failure {
    fn write(path: &Path, error: io::Error) -> Self {
        Self::Write(path.display().to_string(), error)
    }

    /// 2: something else should be given. 1: what was given is right.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Open(..) | Self::Read(..) => 2,
            Self::Write(..) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(name, error) => write!(f, "{name}: cannot be opened: {error}; name a heap profile"),
            Self::Read(name, error) => {
                write!(f, "{name}: {error}; give a profile in pprof's format or a dump of jemalloc (heap_v2)")
            }
            Self::Write(name, error) => write!(f, "{name}: cannot be written: {error}"),
        }
    }
}
