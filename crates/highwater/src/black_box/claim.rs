//! Whose a box is: who has locked it. One that nobody has is of a run that is over, and belongs to whoever locks it first.
//!
//! A new box is locked before it has its name, so that nobody takes it for one that was left. One that was left at the path
//! makes room by going to `PATH.1`; in a folder it keeps its name. Either is removed once it was told.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use highwater_sources::platform;

use super::format;
use super::reader::{BlackBox, ReadError};

/// How many boxes beside `PATH` wait to be told.
const WAITING: usize = 8;
/// How many boxes a folder holds.
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
    Ok(Some(Left { path: path.to_owned(), file, black_box }))
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

/// Gives what stands at `left.path` another name. Returns one that had to go for it.
pub(super) fn set_aside(left: &mut Left) -> io::Result<Option<PathBuf>> {
    let path = left.path.clone();
    let free = (1..=WAITING).find(|number| !waiting(&path, *number).exists());
    let lost = free.is_none().then(|| waiting(&path, WAITING));
    for number in (1..free.unwrap_or(WAITING)).rev() {
        fs::rename(waiting(&path, number), waiting(&path, number.saturating_add(1)))?;
    }
    left.path = waiting(&path, 1);
    fs::rename(&path, &left.path)?;
    Ok(lost)
}

/// The boxes in a folder that are left, the oldest first, and those that had to go: more than there may be.
pub(super) fn in_folder(folder: &Path, is_ours: impl Fn(&BlackBox) -> bool) -> io::Result<(Vec<Left>, Vec<PathBuf>)> {
    let is_box = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "box");
    let mut paths: Vec<_> = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_box).collect();
    paths.sort_by_key(|path| fs::metadata(path).and_then(|metadata| metadata.modified()).ok());
    let mut surplus = paths.len().saturating_add(1).saturating_sub(IN_FOLDER);
    let (mut ours, mut gone) = (Vec::new(), Vec::new());
    for path in paths {
        let claimed = claim(&path);
        let in_use = matches!(claimed, Ok(None));
        match claimed {
            Ok(Some(left)) if is_ours(&left.black_box) => ours.push(left),
            // Of others, and what cannot be read: only as many as there is room for.
            _ if !in_use && surplus > 0 => {
                surplus = surplus.saturating_sub(1);
                let _ = fs::remove_file(&path);
                gone.push(path);
            }
            _ => {}
        }
    }
    Ok((ours, gone))
}

/// Makes a box at `path`, where nothing stands: locked, of its full size, and with its first block.
pub(super) fn make(path: &Path, run: &str, header: &[u8]) -> io::Result<File> {
    let mut name = OsString::from(path);
    name.push(format!(".{run}.new"));
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
