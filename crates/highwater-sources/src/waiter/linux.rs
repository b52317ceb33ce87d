//! `poll` over a bell and what the kernel says of memory.
#![allow(unsafe_code, reason = "eventfd and poll have no safe form in the standard library")]

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::Signs;

/// A stall of 200 ms within 2 s: without `CAP_SYS_RESOURCE` the window must be a multiple of 2 s. The kernel writes its own
/// end over the last byte.
const TRIGGER: &[u8] = b"some 200000 2000000\0";

/// Interrupts a wait.
#[derive(Clone, Debug)]
pub(super) struct Bell(Arc<File>);

/// What is listened to.
#[derive(Debug)]
pub(super) struct Ears {
    bell: Bell,
    events: Ear,
    pressure: Ear,
}

/// What came of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Time passed.
    Nothing,
    /// The bell, or a signal.
    Bell,
    Kernel,
    /// It cannot be waited.
    Never,
}

/// One file, and where it is.
#[derive(Debug, Default)]
struct Ear {
    path: Option<PathBuf>,
    file: Option<File>,
}

impl Bell {
    /// `None` where no descriptor is left.
    pub(super) fn new() -> Option<Self> {
        // SAFETY: eventfd(2) takes two integers and touches no memory of ours.
        let descriptor = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if descriptor < 0 {
            return None;
        }
        // SAFETY: eventfd(2) returned a new descriptor, which nobody else owns.
        let owned = unsafe { OwnedFd::from_raw_fd(descriptor) };
        Some(Self(Arc::new(File::from(owned))))
    }

    pub(super) fn ring(&self) {
        // Full only where it was rung and not heard.
        let _ = (&*self.0).write(&1_u64.to_ne_bytes());
    }

    fn silence(&self) {
        let _ = (&*self.0).read(&mut [0; 8]);
    }
}

impl Ears {
    pub(super) fn new(bell: Bell) -> Self {
        Self { bell, events: Ear::default(), pressure: Ear::default() }
    }

    pub(super) fn open(&mut self, signs: &Signs) {
        self.events.follow(signs.events.as_deref(), open_events);
        self.pressure.follow(signs.pressure.as_deref(), open_pressure);
    }

    /// Waits for the bell, and for the kernel where it is listened to.
    pub(super) fn wait(&mut self, time: Duration, to_kernel: bool) -> Heard {
        let [events, pressure] = [&self.events, &self.pressure].map(|ear| ear.file.as_ref().filter(|_| to_kernel));
        let files = [Some(&*self.bell.0), events, pressure];
        let [bell, events, pressure] = match poll(files, time) {
            Ok(ready) => ready,
            Err(heard) => return heard,
        };
        if bell != 0 {
            self.bell.silence();
        }
        // Both, since what is not heard now is heard at the next wait.
        let heard = [self.events.hear(events, is_read), self.pressure.hear(pressure, is_trigger)];
        match heard.contains(&true) {
            true => Heard::Kernel,
            false if [bell, events, pressure] == [0; 3] => Heard::Nothing,
            false => Heard::Bell,
        }
    }
}

impl Ear {
    /// Goes over to the file at `path`, or opens it again where it was closed.
    fn follow(&mut self, path: Option<&Path>, open: fn(&Path) -> Option<File>) {
        if self.path.as_deref() != path || self.file.is_none() {
            self.path = path.map(Path::to_path_buf);
            self.file = path.and_then(open);
        }
    }

    /// Whether the file said something. One that is of no use any more is closed.
    fn hear(&mut self, ready: libc::c_short, is_word: fn(&File, libc::c_short) -> bool) -> bool {
        let word = ready != 0 && self.file.as_ref().is_some_and(|file| is_word(file, ready));
        if ready != 0 && !word {
            self.file = None;
        }
        word
    }
}

fn open_events(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    // Before it was read once it is ready.
    is_read(&file, 0).then_some(file)
}

/// A change is over once it was read. It comes as POLLPRI and POLLERR, and so does the end of the cgroup, after which nothing
/// can be read.
fn is_read(file: &File, _: libc::c_short) -> bool {
    file.read_at(&mut [0; 512], 0).is_ok()
}

fn open_pressure(path: &Path) -> Option<File> {
    let mut file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path).ok()?;
    file.write_all(TRIGGER).ok()?;
    Some(file)
}

/// A stall comes as POLLPRI alone, and is over once it was polled.
fn is_trigger(_: &File, ready: libc::c_short) -> bool {
    ready == libc::POLLPRI
}

/// Waits until one of the files is ready, for `time` at most. Of what is not there, and of what is not ready, zero.
fn poll<const N: usize>(files: [Option<&File>; N], time: Duration) -> Result<[libc::c_short; N], Heard> {
    // poll(2) leaves out a negative descriptor. The kernel's files are always readable; a bell is where it was rung.
    let mut polled = files.map(|file| match file {
        Some(file) => libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLPRI, revents: 0 },
        None => libc::pollfd { fd: -1, events: 0, revents: 0 },
    });
    if let Some(bell) = polled.first_mut() {
        bell.events = libc::POLLIN;
    }
    // Rather a little late than a second wait for the rest.
    let millis = time.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(libc::c_int::MAX);
    let count = libc::nfds_t::try_from(N).unwrap_or_default();
    // SAFETY: poll(2) reads and writes `count` structures at the pointer, which are there. The descriptors stay open for as
    // long as `files` is borrowed.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), count, millis) };
    if ready >= 0 {
        return Ok(polled.map(|each| each.revents));
    }
    // A signal ends a wait as the bell does. All else would fail again at once.
    Err(match io::Error::last_os_error().kind() {
        io::ErrorKind::Interrupted => Heard::Bell,
        _ => Heard::Never,
    })
}

#[cfg(test)]
mod tests;
