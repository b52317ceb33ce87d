//! Files that stay open: one `pread` from the start instead of open, read and close.
//!
//! The kernel writes the content of these files anew for each read from the start. Kept descriptors cost 0.3 to 0.4 us a
//! read, where opening costs 1.5 to 2 us, and they still answer when the process has no descriptor left to open.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::availability::{Availability, Fault, Reason};
use crate::platform;

/// The bytes that one file may have: `memory.stat` needs about 2 KiB, `/proc/self/cgroup` at most 16 paths.
const CAPACITY: usize = 16 << 10;

/// The one buffer into which all files are read, in turn.
#[derive(Debug)]
pub(crate) struct Scratch(Box<[u8]>);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(vec![0; CAPACITY].into_boxed_slice())
    }

    /// The whole lines of `file`.
    ///
    /// A file that fills the buffer ends at its last whole line, since half a number is a wrong number.
    pub(crate) fn read(&mut self, file: &File) -> Result<&[u8], Fault> {
        let read = platform::read_from_start(file, &mut self.0)?;
        let content = self.0.get(..read).ok_or(Fault::Malformed)?;
        if read < self.0.len() {
            return Ok(content);
        }
        let end = content.iter().rposition(|byte| *byte == b'\n').ok_or(Fault::Malformed)?;
        content.get(..=end).ok_or(Fault::Malformed)
    }
}

/// A file that is kept open, and what came of the last attempt to read it.
#[derive(Debug)]
pub(crate) struct Kept {
    name: &'static str,
    path: PathBuf,
    file: Option<File>,
    availability: Availability,
}

impl Kept {
    /// Opens `folder/name`; that it cannot be opened is remembered, not returned.
    pub(crate) fn open(folder: &Path, name: &'static str) -> Self {
        let mut kept = Self { name, path: folder.join(name), file: None, availability: Availability::Absent };
        kept.retry();
        kept
    }

    /// Opens the file again where the last attempt to open or read it failed; whether it can be read shows when it is.
    pub(crate) fn retry(&mut self) {
        if self.file.is_some() && self.availability == Availability::Available {
            return;
        }
        match File::open(&self.path) {
            Ok(file) => {
                self.file = Some(file);
                if self.availability == Availability::Absent {
                    self.availability = Availability::Available;
                }
            }
            Err(error) => {
                self.file = None;
                self.note(error.into());
            }
        }
    }

    /// Reads the file and parses it with `parse`; `None` blanks what depends on it.
    pub(crate) fn read<T>(&mut self, scratch: &mut Scratch, parse: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        let file = self.file.as_ref()?;
        match scratch.read(file).and_then(|content| parse(content).ok_or(Fault::Malformed)) {
            Ok(value) => {
                self.availability = Availability::Available;
                Some(value)
            }
            Err(fault) => {
                self.note(fault);
                None
            }
        }
    }

    /// The size that the system gives for the file.
    pub(crate) fn size(&self) -> Option<u64> {
        self.file.as_ref()?.metadata().ok().map(|metadata| metadata.len())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// What came of the last attempt; a file that is not there is absent.
    pub(crate) fn availability(&self) -> Availability {
        self.availability
    }

    /// What came of the last attempt, where a file that is not there is a fault.
    pub(crate) fn required(&self) -> Availability {
        match self.availability {
            Availability::Absent => Availability::Unavailable(Reason::new(self.name, Fault::Os(libc::ENOENT))),
            other => other,
        }
    }

    fn note(&mut self, fault: Fault) {
        self.availability = if fault.is_not_there() {
            Availability::Absent
        } else {
            Availability::Unavailable(Reason::new(self.name, fault))
        };
    }
}

/// Reads a whole file of any size into memory of its own: for what is read once.
pub(crate) fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    std::fs::read(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::{lines, number};

    fn file(content: &[u8]) -> (tempfile::TempDir, Kept) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), content).unwrap();
        let kept = Kept::open(folder.path(), "file");
        (folder, kept)
    }

    #[test]
    fn a_file_is_read_from_its_start_each_time() {
        let (folder, mut kept) = file(b"1\n");
        let mut scratch = Scratch::new();
        assert_eq!(kept.read(&mut scratch, number), Some(1));
        std::fs::write(folder.path().join("file"), "22\n").unwrap();
        assert_eq!(kept.read(&mut scratch, number), Some(22));
        assert_eq!(kept.availability(), Availability::Available);
    }

    #[test]
    fn a_file_that_fills_the_buffer_ends_at_its_last_whole_line() {
        let line = b"123456789\n";
        let (_folder, mut kept) = file(&line.repeat(CAPACITY / line.len() + 1));
        let whole = kept.read(&mut Scratch::new(), |content| {
            Some(lines(content).filter(|line| !line.is_empty()).all(|line| line == b"123456789"))
        });
        assert_eq!(whole, Some(true));
    }

    #[test]
    fn one_line_that_fills_the_buffer_is_nothing() {
        let (_folder, mut kept) = file(&[b'1'; CAPACITY]);
        assert_eq!(kept.read(&mut Scratch::new(), |_| Some(())), None);
        assert_eq!(kept.availability(), Availability::Unavailable(Reason::new("file", Fault::Malformed)));
    }

    #[test]
    fn a_file_that_was_not_there_is_opened_when_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut kept = Kept::open(folder.path(), "file");
        assert_eq!((kept.is_open(), kept.availability()), (false, Availability::Absent));
        std::fs::write(folder.path().join("file"), "1\n").unwrap();
        kept.retry();
        assert_eq!(kept.read(&mut Scratch::new(), number), Some(1));
    }
}
