//! Why a profile cannot be read.

use std::fmt;
use std::io;

/// Why a profile cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file cannot be read.
    Io(io::Error),
    /// The content is something else: it does not begin as jemalloc's dump does.
    NotADump,
    /// The content is not a profile in pprof's format, and how that was seen.
    NotAProfile(String),
    /// The content is longer than this many bytes, which is more than is read.
    TooLong(u64),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the profile cannot be read: {error}"),
            Self::NotADump => {
                f.write_str("not a heap profile of jemalloc: its first line is not heap_v2/ and a number")
            }
            Self::NotAProfile(seen) => write!(f, "not a profile in pprof's format: {seen}"),
            Self::TooLong(most) => write!(f, "longer than {most} bytes unpacked, which is more than is read"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
