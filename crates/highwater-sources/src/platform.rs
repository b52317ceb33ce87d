//! What differs between systems: the only place with a condition on one.
#![allow(unsafe_code, reason = "sysconf has no safe form in the standard library")]

use std::fs::File;
use std::io;

/// Whether `/proc` is expected here: where it is and cannot be read, that is a finding.
pub(crate) const HAS_PROC: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The size of a page in bytes.
#[cfg(unix)]
pub(crate) fn page_size() -> Option<u64> {
    // SAFETY: sysconf(3) takes any integer and touches no memory of ours.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).ok().filter(|size| *size > 0)
}

/// The clock ticks a second in which `/proc/self/stat` counts.
#[cfg(unix)]
pub(crate) fn clock_ticks() -> Option<u64> {
    // SAFETY: sysconf(3) takes any integer and touches no memory of ours.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|ticks| *ticks > 0)
}

/// Reads from the beginning of `file`, wherever it was read before.
#[cfg(unix)]
pub(crate) fn read_from_start(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, 0)
}

/// The number that stays with a file or directory for as long as it exists; 0 where the system has none.
#[cfg(unix)]
pub(crate) fn inode(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
mod elsewhere {
    use super::{File, io};

    pub(crate) fn page_size() -> Option<u64> {
        None
    }

    pub(crate) fn clock_ticks() -> Option<u64> {
        None
    }

    pub(crate) fn read_from_start(_: &File, _: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn inode(_: &std::fs::Metadata) -> u64 {
        0
    }
}
#[cfg(not(unix))]
pub(crate) use elsewhere::{clock_ticks, inode, page_size, read_from_start};
