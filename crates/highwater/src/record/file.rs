//! The file of the recording: bounded, rotated, and never a reason to fail.
//!
//! At most two files: `PATH`, and `PATH.1` with what was before, from this run or an earlier one. A file that has reached
//! its size takes the place of `PATH.1`, and so does one that is found at the start; both go on with the same seconds, so
//! that they can be replayed one after the other.
//!
//! Whatever happens to the disk, the folder or the file is said when it begins and when it is over, and tried again every
//! ten seconds. The lock is on the file itself, since one beside it would be a third file; whoever has opened a file looks
//! therefore, once he has its lock, whether it still stands at the path.

use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use highwater_model::recording::Header;
use highwater_model::{Bytes, SinceStart};
use highwater_sources::platform;

use crate::event::Severity;
use crate::record::Word;

/// From a failure to the next attempt.
const RETRY: Duration = Duration::from_secs(10);
/// How often a file that another process renames meanwhile is opened anew, before it counts as that process's.
const ATTEMPTS: u32 = 8;

/// Where rows go.
#[derive(Debug)]
pub(crate) struct RecordFile {
    path: PathBuf,
    previous: PathBuf,
    /// The size that no file exceeds.
    most: u64,
    open: Option<Open>,
    /// What went wrong last, as it was said.
    trouble: Option<String>,
    /// Nothing is tried before.
    next_try: SinceStart,
    words: SyncSender<Word>,
}

impl RecordFile {
    /// Opens nothing: the first row does.
    pub(crate) fn new(path: PathBuf, most: Bytes, words: SyncSender<Word>) -> Self {
        let mut previous = OsString::from(&path);
        previous.push(".1");
        Self {
            path,
            previous: previous.into(),
            most: most.get(),
            open: None,
            trouble: None,
            next_try: SinceStart::default(),
            words,
        }
    }

    /// Writes one line, whole or not at all. While something is wrong, lines are left out.
    pub(crate) fn append(&mut self, line: &str, now: SinceStart) {
        if now < self.next_try {
            return;
        }
        match self.try_append(line) {
            Ok(()) => {
                if self.trouble.take().is_some() {
                    self.say(Severity::Info, &format!("the recording goes on in {}", self.path.display()));
                }
            }
            Err(trouble) => {
                self.next_try = now.after(RETRY);
                let text = trouble.to_string();
                if self.trouble.as_ref() != Some(&text) {
                    let path = self.path.display();
                    let every = RETRY.as_secs();
                    self.say(
                        Severity::Warn,
                        &format!("nothing is recorded in {path}: {text}; tried again every {every} s"),
                    );
                    self.trouble = Some(text);
                }
            }
        }
    }

    fn try_append(&mut self, line: &str) -> Result<(), Trouble> {
        if let Some(open) = &self.open
            && !open.is_ours_still(&self.path)?
        {
            let path = self.path.display();
            self.say(Severity::Warn, &format!("the recording in {path} was removed, replaced or cut: it begins anew"));
            self.open = None;
        }
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        if self.open.as_ref().is_some_and(|open| open.length.saturating_add(length) > self.most) {
            fs::rename(&self.path, &self.previous)?;
            // Closed before the next is opened: to close any descriptor of a file ends this process's lock of it.
            self.open = None;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(open(&self.path, &self.previous)?),
        };
        Ok(open.write(line)?)
    }

    fn say(&self, severity: Severity, text: &str) {
        // Where so many words wait already, those tell the older part of the same trouble.
        let _ = self.words.try_send((severity, text.to_owned()));
    }
}

/// A file that is locked, and begins with the header.
#[derive(Debug)]
struct Open {
    file: File,
    /// Of its whole lines.
    length: u64,
    /// Whether a part of a line may stand after them.
    torn: bool,
}

impl Open {
    fn is_ours_still(&self, path: &Path) -> io::Result<bool> {
        // What cannot be seen may be there.
        let stands = platform::stands_at(&self.file, path).unwrap_or(true);
        Ok(stands && self.file.metadata()?.len() >= self.length)
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        let written = self.file.write_all(line.as_bytes());
        match written {
            Ok(()) => self.length = self.length.saturating_add(u64::try_from(line.len()).unwrap_or_default()),
            Err(_) => self.torn = self.file.set_len(self.length).is_err(),
        }
        written
    }
}

/// A new file at `path`; what stands there becomes the previous one.
fn open(path: &Path, previous: &Path) -> Result<Open, Trouble> {
    for _ in 0..ATTEMPTS {
        // Before it is opened: a FIFO would wait for its reader, a device would do whatever it does.
        if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(Trouble::NoFile);
        }
        let file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        if !platform::lock(&file)? {
            return Err(Trouble::InUse);
        }
        if !platform::stands_at(&file, path)? {
            continue;
        }
        if file.metadata()?.len() == 0 {
            let mut open = Open { file, length: 0, torn: false };
            open.write(&format!("{Header}\n"))?;
            return Ok(open);
        }
        fs::rename(path, previous)?;
    }
    Err(Trouble::InUse)
}

/// Why nothing is recorded.
#[derive(Debug)]
enum Trouble {
    NoFile,
    InUse,
    System(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFile => f.write_str("it is no file: name one, such as /var/lib/service/memory.csv"),
            Self::InUse => f.write_str("another process records there: name a file of its own for each process"),
            Self::System(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
