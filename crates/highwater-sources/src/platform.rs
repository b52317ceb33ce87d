//! What differs between systems: the only place with a condition on one.
#![allow(
    unsafe_code,
    reason = "sysconf, fcntl, posix_fallocate, atexit and write have no safe form in the standard library"
)]

#[cfg(unix)]
use std::ffi::CString;
use std::fs::File;
use std::io;
use std::path::Path;

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

/// Writes a line to standard error, in one piece; where that is closed, nobody reads it.
///
/// Without the lock of the standard library's own: a thread of the parent's may have held it at a fork, and then the child
/// would wait for it for ever.
#[cfg(unix)]
pub fn write_to_stderr(line: &str) {
    // SAFETY: write(2) reads so many bytes of the line, and fails on a descriptor that is none.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

/// Whether `file` stands at `path`: neither was it removed or renamed, nor another one put in its place. An error says that
/// this cannot be seen, and not that it does not.
#[cfg(unix)]
pub fn stands_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let own = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether `file` has a name still, here or elsewhere.
#[cfg(unix)]
pub fn has_name(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;

    file.metadata().is_ok_and(|own| own.nlink() > 0)
}

/// A file that is nowhere but in memory, and gone when it is closed. Its pages count as shared memory of the cgroup.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn memory_file() -> io::Result<File> {
    use std::os::fd::FromRawFd;

    // SAFETY: memfd_create(2) reads the name up to its zero byte.
    let descriptor = unsafe { libc::memfd_create(c"highwater".as_ptr(), libc::MFD_CLOEXEC) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is open, and nobody else has it.
    Ok(unsafe { File::from_raw_fd(descriptor) })
}

/// A path by which the file can be opened again in this process, whether it has a name or not.
#[cfg(unix)]
pub fn path_of(file: &File) -> Option<CString> {
    use std::os::fd::AsRawFd;

    CString::new(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

/// How many bytes there are room for in the file system of `folder`, for those who are not its administrator.
#[cfg(unix)]
pub fn free_space(folder: &Path) -> io::Result<u64> {
    use std::os::unix::ffi::OsStrExt;

    let folder = CString::new(folder.as_os_str().as_bytes())?;
    let mut status = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: statvfs(3) reads the path up to its zero byte, and fills the struct.
    if unsafe { libc::statvfs(folder.as_ptr(), status.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is plain numbers, filled or zeros.
    let status = unsafe { status.assume_init() };
    #[allow(clippy::useless_conversion, reason = "not everywhere are they of 64 bits")]
    let (blocks, size) = (u64::from(status.f_bavail), u64::from(status.f_frsize));
    Ok(blocks.saturating_mul(size))
}

/// Locks the file for this process; returns whether no other process has.
///
/// By `fcntl`, whose locks a forked child does not have and does not prolong, and not by `flock`, whose do: a child that
/// lives longer than its parent would keep the next run out, and one that was forked to become the daemon itself. It ends
/// with the process, or when this process closes any descriptor of the file, one of the host's that read it, say. On a file
/// system without locks everybody has it.
#[cfg(unix)]
pub fn lock(file: &File) -> io::Result<bool> {
    use std::os::fd::AsRawFd;

    // SAFETY: struct flock is plain numbers, of which zeros are valid, and mean the whole file.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    (whole.l_type, whole.l_whence) = (libc::F_WRLCK as _, libc::SEEK_SET as _);
    // SAFETY: fcntl(2): F_SETLK reads the struct that it is given, and does not wait.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &whole) } == 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::EACCES | libc::EAGAIN) => Ok(false),
        Some(libc::ENOLCK | libc::ENOSYS | libc::EOPNOTSUPP | libc::EINVAL) => Ok(true),
        _ => Err(error),
    }
}

/// There is none here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn memory_file() -> io::Result<File> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether another process has locked the file by [`lock`]; it is not locked by this.
#[cfg(unix)]
pub fn is_locked(file: &File) -> io::Result<bool> {
    use std::os::fd::AsRawFd;

    // SAFETY: as in `lock`.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    (whole.l_type, whole.l_whence) = (libc::F_WRLCK as _, libc::SEEK_SET as _);
    // SAFETY: fcntl(2): F_GETLK reads the struct, and writes into it who is in the way.
    if unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETLK, &mut whole) } == 0 {
        return Ok(whole.l_type != libc::F_UNLCK as _);
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOLCK | libc::ENOSYS | libc::EOPNOTSUPP | libc::EINVAL) => Ok(false),
        _ => Err(error),
    }
}

/// Whether the file system has locks for [`lock`]: where it has none, everybody has it.
#[cfg(unix)]
pub fn has_locks(file: &File) -> bool {
    use std::os::fd::AsRawFd;

    // SAFETY: as in `lock`.
    let mut whole: libc::flock = unsafe { std::mem::zeroed() };
    (whole.l_type, whole.l_whence) = (libc::F_WRLCK as _, libc::SEEK_SET as _);
    // SAFETY: fcntl(2): F_SETLK reads the struct that it is given, and does not wait; a lock that is held is taken again.
    unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLK, &whole) == 0 }
}

/// Writes all of `bytes` at `offset`, wherever the file was written before.
#[cfg(unix)]
pub fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

/// Gives the file so many bytes, all of them zeros, and the disk's room for them: what is written there later finds room.
///
/// By `posix_fallocate` where there is one, else and where the file system has none by writing zeros. Where a file is
/// compressed or copied on write, neither can promise it.
pub fn allocate(file: &File, length: u64) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    {
        use std::os::fd::AsRawFd;

        if let Ok(length) = libc::off_t::try_from(length) {
            // SAFETY: posix_fallocate(3) takes a descriptor and two numbers, and returns its error.
            match unsafe { libc::posix_fallocate(file.as_raw_fd(), 0, length) } {
                0 => return Ok(()),
                libc::EOPNOTSUPP | libc::EINVAL | libc::ENOSYS | libc::ENODEV => {}
                error => return Err(io::Error::from_raw_os_error(error)),
            }
        }
    }
    let zeros = [0; 4096];
    let mut written = 0_u64;
    while written < length {
        let piece = usize::try_from(length.saturating_sub(written)).map_or(zeros.len(), |left| left.min(zeros.len()));
        write_at(file, zeros.get(..piece).unwrap_or(&zeros), written)?;
        written = written.saturating_add(u64::try_from(piece).unwrap_or(u64::MAX));
    }
    Ok(())
}

/// Has `handler` called when the process leaves by `exit`, or at the end of `main`: on the thread that leaves, while others
/// may still run. A child that was forked calls it too. Returns false where that cannot be had.
#[cfg(unix)]
pub fn at_exit(handler: extern "C" fn()) -> bool {
    // SAFETY: atexit(3) keeps the pointer, which leads to code that stays as long as the process does.
    unsafe { libc::atexit(handler) == 0 }
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

    /// Writes a line to standard error.
    pub fn write_to_stderr(line: &str) {
        let _ = io::Write::write_all(&mut io::stderr(), line.as_bytes());
    }

    /// Whether anything stands at `path`: which file it is, this system is not asked.
    pub fn stands_at(_: &File, path: &super::Path) -> io::Result<bool> {
        Ok(path.exists())
    }

    /// Nobody knows.
    pub fn has_name(_: &File) -> bool {
        true
    }

    /// Nobody can tell.
    pub fn free_space(_: &super::Path) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// There is none.
    pub fn path_of(_: &File) -> Option<std::ffi::CString> {
        None
    }

    /// Everybody has the lock.
    pub fn lock(_: &File) -> io::Result<bool> {
        Ok(true)
    }

    /// Nobody knows.
    pub fn has_locks(_: &File) -> bool {
        true
    }

    /// Nobody keeps anybody out.
    pub fn is_locked(_: &File) -> io::Result<bool> {
        Ok(false)
    }

    /// Writes all of `bytes` at `offset`.
    pub fn write_at(mut file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        io::Seek::seek(&mut file, io::SeekFrom::Start(offset))?;
        io::Write::write_all(&mut file, bytes)
    }

    /// Cannot be had.
    pub fn at_exit(_: extern "C" fn()) -> bool {
        false
    }
}
#[cfg(not(unix))]
pub use elsewhere::{
    at_exit, free_space, has_locks, has_name, is_locked, lock, path_of, stands_at, write_at, write_to_stderr,
};
#[cfg(not(unix))]
pub(crate) use elsewhere::{clock_ticks, inode, page_size, read_from_start};
