//! Whose a box is: who has locked it. One that nobody has is of a run that is over, and belongs to whoever locks it first.
//!
//! A new box is locked before it has its name, so that nobody takes it for one that was left. One that was left at the path
//! makes room by going to `PATH.1`; in a folder it keeps its name. Either is removed once it was told.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use highwater_sources::{boot_id, platform, start_time_of};

use super::format;
use super::reader::{BlackBox, ReadError};
use crate::clock::Clock;

/// How many boxes beside `PATH` wait to be told.
const WAITING: usize = 8;
/// How many boxes of runs that are over a folder holds, and how many of them are open at a time.
const IN_FOLDER: usize = 32;

/// A box of a run that is over, locked.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) path: PathBuf,
    /// Kept open: to close it ends the lock.
    pub(super) file: File,
    pub(super) black_box: BlackBox,
}

impl Left {
    /// It was told: nobody needs it any more.
    pub(super) fn remove(self) {
        if platform::stands_at(&self.file, &self.path).unwrap_or_default() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Left {
    /// Finds its name again, after others were set aside before it.
    pub(super) fn follow(&mut self, path: &Path) {
        let stands = |path: &PathBuf| platform::stands_at(&self.file, path).unwrap_or_default();
        if let Some(path) = (1..=WAITING).map(|number| waiting(path, number)).find(stands) {
            self.path = path;
        }
    }
}

/// The box at `path`, if it is one, and nobody's.
pub(super) fn claim(path: &Path) -> Result<Option<Left>, ReadError> {
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NotABox);
    }
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    if !platform::lock(&file)? || !platform::stands_at(&file, path)? {
        return Ok(None);
    }
    let black_box = BlackBox::read_from(&file)?;
    let root = Path::new("/");
    let start_of = |process| start_time_of(root, process);
    if !platform::has_locks(&file) && seems_in_use(&black_box, Clock::date(), boot_id(root).as_deref(), start_of) {
        return Ok(None);
    }
    Ok(Some(Left { path: path.to_owned(), file, black_box }))
}

/// The box at `path`, if nobody has locked it. It is not locked for this: while it is, its own service would take it for one
/// in use, and not look again.
fn look(path: &Path) -> Result<Option<BlackBox>, ReadError> {
    if !fs::metadata(path)?.is_file() {
        return Err(ReadError::NotABox);
    }
    let file = File::open(path)?;
    if platform::is_locked(&file)? { Ok(None) } else { BlackBox::read_from(&file).map(Some) }
}

/// Whether a box that cannot be locked is written yet, as far as it shows: it is fresh, and nothing says that its process is
/// gone.
fn seems_in_use(
    black_box: &BlackBox,
    now: SystemTime,
    boot: Option<&str>,
    start_of: impl Fn(u32) -> Option<SystemTime>,
) -> bool {
    /// The state is written every ten seconds.
    const FRESH: Duration = Duration::from_secs(15);
    /// Of two looks at the start of a process, where the clock was set between them.
    const APART: Duration = Duration::from_secs(2);
    let seen = black_box.last_seen().map(|seen| now.duration_since(seen).unwrap_or_default());
    if black_box.is_closed() || black_box.exited().is_some() || seen.is_none_or(|seen| seen >= FRESH) {
        return false;
    }
    let Some(started) = black_box.started().filter(|_| boot.is_some() && black_box.boot_id() == boot) else {
        return true;
    };
    let is_it = |at: SystemTime| at.duration_since(started).unwrap_or_else(|error| error.duration()) < APART;
    start_of(black_box.process()).is_some_and(is_it)
}

/// `PATH.1` and so on.
fn waiting(path: &Path, number: usize) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

/// Those that wait beside `path`.
pub(super) fn beside(path: &Path) -> Vec<Left> {
    (1..=WAITING).filter_map(|number| claim(&waiting(path, number)).ok().flatten()).collect()
}

/// Gives what stands at `left.path` another name. Those at `held` are boxes that this process has locked, and are not opened:
/// to close them again would end the lock. Returns one that had to go for it.
pub(super) fn set_aside(left: &mut Left, held: &[&Path]) -> io::Result<Option<PathBuf>> {
    let path = left.path.clone();
    let is_usable = |place: &PathBuf| held.contains(&place.as_path()) || is_free(place) || is_box(place);
    let mut places: Vec<_> = (1..=WAITING).map(|number| waiting(&path, number)).filter(is_usable).collect();
    let free = places.iter().position(|place| is_free(place));
    places.truncate(free.map_or(WAITING, |free| free.saturating_add(1)));
    let Some(first) = places.first() else {
        let text = format!("{} to .{WAITING} are files that are no boxes", waiting(&path, 1).display());
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    };
    for (from, to) in places.iter().zip(places.iter().skip(1)).rev() {
        fs::rename(from, to)?;
    }
    fs::rename(&path, first)?;
    left.path.clone_from(first);
    Ok(if free.is_none() { places.pop() } else { None })
}

/// Whether nothing stands there.
fn is_free(path: &Path) -> bool {
    fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Whether it is a box, of whatever version and in whatever state. Not of those that this process has locked.
fn is_box(path: &Path) -> bool {
    let is_file = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file && matches!(BlackBox::read(path), Ok(_) | Err(ReadError::Version(_) | ReadError::Spoilt))
}

/// The boxes of ours in a folder that are left, the oldest first, and how many had to go: of all boxes that are left, the
/// oldest of more than there may be.
pub(super) fn in_folder(folder: &Path, is_ours: impl Fn(&BlackBox) -> bool) -> io::Result<(Vec<Left>, usize)> {
    let is_named = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "box");
    let mut paths: Vec<_> =
        fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_named).collect();
    paths.sort_by_cached_key(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok());
    let root = Path::new("/");
    let (boot, start_of) = (boot_id(root), |process| start_time_of(root, process));
    let (mut ours, mut dead, mut gone) = (Vec::new(), 0_usize, 0_usize);
    for path in paths.into_iter().rev() {
        let is_ours = match look(&path) {
            Ok(Some(black_box)) if is_ours(&black_box) => true,
            // On a file system without locks.
            Ok(Some(black_box)) if seems_in_use(&black_box, Clock::date(), boot.as_deref(), start_of) => continue,
            Ok(Some(_)) => false,
            Err(ReadError::Version(_) | ReadError::Spoilt) => false,
            // In use, no box at all, or it is not known what it is.
            Ok(None) | Err(ReadError::NotABox | ReadError::System(_)) => continue,
        };
        let is_surplus = dead >= IN_FOLDER;
        if !is_ours && !is_surplus {
            dead = dead.saturating_add(1);
            continue;
        }
        let claimed = match claim(&path) {
            Ok(Some(left)) => Some(left),
            Err(ReadError::Version(_) | ReadError::Spoilt) => None,
            Ok(None) | Err(ReadError::NotABox | ReadError::System(_)) => continue,
        };
        dead = dead.saturating_add(1);
        if is_surplus {
            gone = gone.saturating_add(usize::from(fs::remove_file(&path).is_ok()));
        } else {
            ours.extend(claimed);
        }
    }
    ours.reverse();
    Ok((ours, gone))
}

/// Makes a box at `path`, where nothing stands: locked, of its full size, and with its first block.
pub(super) fn make(path: &Path, run: &str, header: &[u8]) -> io::Result<File> {
    let mut name = OsString::from(path);
    name.push(format!(".{run}{UNFINISHED}"));
    let new = PathBuf::from(name);
    let made = OpenOptions::new().read(true).write(true).create_new(true).open(&new).and_then(|file| {
        if !platform::lock(&file)? {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        platform::allocate(&file, format::SIZE)?;
        platform::write_at(&file, header, format::HEADER.at)?;
        match fs::hard_link(&new, path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
            // A file system without links.
            Err(_) => fs::rename(&new, path)?,
        }
        Ok(file)
    });
    let _ = fs::remove_file(&new);
    made
}

/// Removes what runs have left that were killed while they made a box in `folder` whose name begins so: nothing is in it yet.
pub(super) fn clear(folder: &Path, begins: &str) {
    /// Longer than it takes to make one: then a file whose maker has not locked it yet is left alone.
    const OLD: Duration = Duration::from_secs(60);
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.filter_map(Result::ok) {
        let is_one = entry.file_name().to_str().is_some_and(|name| name.starts_with(begins) && is_unfinished(name));
        let written = entry.metadata().ok().filter(|file| file.is_file()).and_then(|file| file.modified().ok());
        let is_old = written.is_some_and(|at| Clock::date().duration_since(at).is_ok_and(|age| age >= OLD));
        if !is_one || !is_old {
            continue;
        }
        let path = entry.path();
        let Ok(file) = OpenOptions::new().read(true).write(true).open(&path) else { continue };
        if platform::lock(&file).unwrap_or_default() && platform::stands_at(&file, &path).unwrap_or_default() {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Of a box that is being made, after its name and the run's id.
const UNFINISHED: &str = ".new";

fn is_unfinished(name: &str) -> bool {
    let run = name.strip_suffix(UNFINISHED).and_then(|name| Some(name.rsplit_once('.')?.1));
    run.is_some_and(|run| run.len() == 36 && run.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'))
}

#[cfg(test)]
mod tests;
