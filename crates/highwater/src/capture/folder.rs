//! The files of captures: their names say what they are, and how many stay is decided by the names alone.
//!
//! A name begins with the time, so that a list of them is a chronicle, and survives the loss of all other dates:
//! `20261125T130333.123Z_4711_0af7651916cd43dd8448eb211c80319c_high_423100416.pb.gz` - time, process, episode, level, bytes
//! used. Files that are named otherwise are nobody's business here.
//!
//! Of an episode the first, the last three and the largest stay, and in all as much as the folder may hold: then what was
//! asked for goes first, which has no episode, then the files of the second-oldest episode, since the oldest shows how a
//! crash loop began and the newest what is going on.
//! Nothing is deleted before a newer file was written, under a name of its own until it is whole.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use highwater_model::{Bytes, Level};
use highwater_sources::platform;

use crate::identity::EpisodeId;

/// What a disk must have left beside the file: it is not ours alone.
const SPARE: Bytes = Bytes::mib(16);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const END: &str = ".pb.gz";
const UNFINISHED: &str = ".unfinished";

/// Where files go.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// In all.
    most: Bytes,
}

/// What the name of a file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) time: SystemTime,
    pub(super) process: u32,
    pub(super) episode: Option<EpisodeId>,
    pub(super) level: Level,
    /// What was used.
    pub(super) bytes: Bytes,
}

impl Folder {
    /// Made where it is not there; whether that is possible, [`trouble`](Self::trouble) says.
    pub(super) fn new(path: PathBuf, most: Bytes) -> Self {
        // A host may change its folder, as a daemon does: the files stay where they were meant.
        Self { path: std::path::absolute(&path).unwrap_or(path), most }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// What would keep a file from being written, found out by writing one.
    pub(super) fn trouble(&self) -> Option<String> {
        let probe = self.path.join(format!(".{}{UNFINISHED}", std::process::id()));
        let tried =
            fs::create_dir_all(&self.path).and_then(|()| File::create(&probe)).and_then(|_| fs::remove_file(&probe));
        let error = tried.err()?;
        Some(format!("heap profiles cannot be written to {}: {error} (HIGHWATER_PROFILE_DIR)", self.path.display()))
    }

    /// When the captures were begun whose files are here, whole or not: one that was not finished may have ended the process.
    /// What was asked for, and what was taken at the end, has no episode and does not count.
    pub(super) fn begun(&self) -> Vec<SystemTime> {
        let whole = self.files().into_iter().map(|(_, stored, _)| stored);
        let begun = self.unfinished().into_iter().map(|(_, stored)| stored);
        whole.chain(begun).filter(|stored| stored.episode.is_some()).map(|stored| stored.time).collect()
    }

    /// Writes one file whole, and makes room after that. The last one of the process is written whatever the disk has left.
    pub(super) fn write(
        &mut self,
        name: &Stored,
        at_end: bool,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(PathBuf, Bytes), String> {
        let path = self.path.join(name.to_string());
        let unfinished = self.path.join(format!(".{name}{UNFINISHED}"));
        let written = || {
            fs::create_dir_all(&self.path)?;
            let free = platform::free_space(&self.path).map(Bytes::new).unwrap_or(SPARE);
            if free < SPARE && !at_end {
                return Err(io::Error::new(
                    io::ErrorKind::StorageFull,
                    format!("{free} are left there, {SPARE} must stay"),
                ));
            }
            File::options().write(true).create_new(true).open(&unfinished)
        };
        let written = written().and_then(|file| {
            let mut out = BufWriter::new(file);
            content(&mut out)?;
            out.flush()?;
            let size = out.get_ref().metadata()?.len();
            fs::rename(&unfinished, &path)?;
            Ok(size)
        });
        match written {
            Ok(size) => {
                self.make_room(&path);
                self.clear(name.time);
                Ok((path, Bytes::new(size)))
            }
            Err(error) => {
                // What is not there cannot be removed.
                let _ = fs::remove_file(&unfinished);
                Err(format!("{}: {error}", path.display()))
            }
        }
    }

    /// Deletes what goes by the rules; where that fails, another time may do.
    fn make_room(&self, newest: &Path) {
        let files = self.files();
        let kept: Vec<_> = files.iter().map(|(_, stored, size)| (*stored, *size)).collect();
        for index in superfluous(&kept, self.most) {
            if let Some((path, ..)) = files.get(index).filter(|(path, ..)| path != newest) {
                let _ = fs::remove_file(path);
            }
        }
    }

    /// Removes what processes have left that ended while they wrote, a day ago or more: until then it counts.
    fn clear(&self, now: SystemTime) {
        for (path, stored) in self.unfinished() {
            if now.duration_since(stored.time).is_ok_and(|age| age >= DAY) {
                let _ = fs::remove_file(path);
            }
        }
    }

    fn unfinished(&self) -> Vec<(PathBuf, Stored)> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let file = |entry: fs::DirEntry| {
            let name = entry.file_name();
            let stored = Stored::parse(name.to_str()?.strip_prefix('.')?.strip_suffix(UNFINISHED)?)?;
            Some((entry.path(), stored))
        };
        entries.filter_map(|entry| file(entry.ok()?)).collect()
    }

    /// The files of captures, oldest first.
    fn files(&self) -> Vec<(PathBuf, Stored, Bytes)> {
        let Ok(entries) = fs::read_dir(&self.path) else { return Vec::new() };
        let file = |entry: fs::DirEntry| {
            let stored = Stored::parse(entry.file_name().to_str()?)?;
            Some((entry.path(), stored, Bytes::new(entry.metadata().ok()?.len())))
        };
        let mut files: Vec<_> = entries.filter_map(|entry| file(entry.ok()?)).collect();
        files.sort_by_key(|(path, stored, _)| (stored.time, path.clone()));
        files
    }
}

/// Which of the files, oldest first, go.
fn superfluous(files: &[(Stored, Bytes)], most: Bytes) -> Vec<usize> {
    /// Of an episode, from its end.
    const LAST: usize = 3;
    let mut episodes: Vec<(EpisodeId, Vec<usize>)> = Vec::new();
    // What was asked for: each by itself.
    let mut asked = Vec::new();
    for (index, (stored, _)) in files.iter().enumerate() {
        let Some(id) = stored.episode else {
            asked.push(index);
            continue;
        };
        match episodes.iter_mut().find(|(episode, _)| *episode == id) {
            Some((_, indices)) => indices.push(index),
            None => episodes.push((id, vec![index])),
        }
    }
    let bytes = |index: &usize| files.get(*index).map(|(stored, _)| stored.bytes);
    let mut gone = Vec::new();
    for (_, indices) in &mut episodes {
        let first_of_last = indices.len().saturating_sub(LAST);
        // Of several, the latest.
        let largest = indices.iter().copied().max_by_key(bytes);
        let stays = |place: usize, index: usize| place == 0 || place >= first_of_last || Some(index) == largest;
        let all: Vec<_> = indices.iter().copied().enumerate().collect();
        gone.extend(all.iter().filter(|(place, index)| !stays(*place, *index)).map(|(_, index)| index));
        *indices = all.into_iter().filter(|(place, index)| stays(*place, *index)).map(|(_, index)| index).collect();
    }
    let size = |index: &usize| files.get(*index).map_or(Bytes::ZERO, |(_, size)| *size);
    let sum = |indices: &[usize]| indices.iter().map(size).fold(Bytes::ZERO, Bytes::saturating_add);
    let of_episodes = episodes.iter().map(|(_, indices)| sum(indices));
    let mut held = of_episodes.chain([sum(&asked)]).fold(Bytes::ZERO, Bytes::saturating_add);
    let newest = files.len().checked_sub(1);
    for index in asked.into_iter().filter(|index| Some(*index) != newest) {
        if held > most {
            gone.push(index);
            held = held.saturating_sub(size(&index));
        }
    }
    // The newest episode is the last to go, then the oldest; of each the first file, and of all the newest.
    let current = episodes.len().checked_sub(1);
    let middle = (1..episodes.len()).filter(|place| Some(*place) != current);
    let order = middle
        .map(|place| (place, 0))
        .chain([(0, 1)])
        .chain(current.map(|place| (place, 1)))
        .chain([(0, 0)])
        .chain(current.map(|place| (place, 0)));
    for (place, spared) in order {
        let Some((_, indices)) = episodes.get_mut(place) else { continue };
        while held > most && indices.len() > spared {
            let Some(index) = indices.get(spared).copied().filter(|index| Some(*index) != newest) else { break };
            indices.retain(|other| *other != index);
            gone.push(index);
            held = held.saturating_sub(size(&index));
        }
    }
    gone.sort_unstable();
    gone
}

impl Stored {
    fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(END)?.split('_');
        let mut part = || parts.next();
        let (time, process, episode, level, bytes) = (part()?, part()?, part()?, part()?, part()?);
        let stored = Self {
            time: date(time)?,
            process: process.parse().ok()?,
            episode: match episode {
                "none" => None,
                id => Some(EpisodeId::parse(id)?),
            },
            level: [Level::Normal].into_iter().chain(Level::RAISED).find(|known| known.as_str() == level)?,
            bytes: bytes.parse().ok()?,
        };
        part().is_none().then_some(stored)
    }
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, process, episode, level, bytes } = self;
        for part in humantime::format_rfc3339_millis(*time).to_string().split(['-', ':']) {
            f.write_str(part)?;
        }
        write!(f, "_{process}_")?;
        match episode {
            Some(id) => write!(f, "{id}")?,
            None => f.write_str("none")?,
        }
        write!(f, "_{level}_{}{END}", bytes.get())
    }
}

/// "20261125T130333.123Z".
fn date(text: &str) -> Option<SystemTime> {
    let part = |range| text.get(range);
    let [year, month, day, hour, minute] = [part(0..4)?, part(4..6)?, part(6..8)?, part(9..11)?, part(11..13)?];
    let seconds = text.get(13..)?;
    humantime::parse_rfc3339(&format!("{year}-{month}-{day}T{hour}:{minute}:{seconds}")).ok()
}

#[cfg(test)]
mod tests;
