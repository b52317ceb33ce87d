//! Marks of an end that the agent is not told of: a panic, an exit.
//!
//! Both are written by the thread that they happen on, into the open box, each with one system call and nothing from the heap.
//! Where the box is being opened or closed at that moment there is no mark; nobody waits. A child that was forked leaves none.
//! Nor is there one while the box's own thread waits for the disk: a panic that is caught, and an exit, would wait with it.

use std::fs::File;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use highwater_model::SinceStart;
use highwater_sources::platform;

use super::format::{EXIT, PANIC, encode_exit, encode_panic};
use crate::clock::Clock;
use crate::identity::ProcessId;

/// The open box, whose it is, and by which clock its thread works.
static OPEN: Mutex<Option<(ProcessId, Arc<File>, Clock)>> = Mutex::new(None);
/// Since when the box's thread has been with the disk, in nanoseconds since the agent's start: 0 while it is not.
static WORKS_SINCE: AtomicU64 = AtomicU64::new(0);
/// A disk that takes longer hangs, as far as a host is concerned.
const HANGS: Duration = Duration::from_millis(100);

/// Has panics and exits leave their marks, once for the process. On the thread of whoever starts the agent: a host that sets
/// its own hook after the start finds this one, and neither is lost.
pub(crate) fn install() {
    static HOOKED: Once = Once::new();
    // A thread that panics cannot set a hook.
    if thread::panicking() {
        return;
    }
    HOOKED.call_once(|| {
        platform::at_exit(exits);
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let at = info.location().map_or(("", 0), |location| (location.file(), location.line()));
            // Before the others, which may end the process.
            mark(PANIC.at, &mut [0; PANIC.size], |block| {
                encode_panic(Clock::date(), at.0, at.1, thread::current().name() == Some("main"), block);
            });
            previous(info);
        }));
    });
}

/// From now on marks go to this box, or nowhere.
pub(super) fn go_to(file: Option<&Arc<File>>, clock: Clock) {
    let open = file.map(|file| (ProcessId::current(), Arc::clone(file), clock));
    *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = open;
}

/// Does what may wait for the disk, on the box's thread.
pub(super) fn with_disk<T>(clock: Clock, work: impl FnOnce() -> T) -> T {
    WORKS_SINCE.store(nanos(clock.now()).max(1), Ordering::Relaxed);
    let result = work();
    WORKS_SINCE.store(0, Ordering::Relaxed);
    result
}

/// Whether the box's thread has been with the disk for so long that nobody should follow it.
fn disk_hangs(now: SinceStart) -> bool {
    let since = WORKS_SINCE.load(Ordering::Relaxed);
    since != 0 && now.since(SinceStart::new(Duration::from_nanos(since))) >= HANGS
}

fn nanos(at: SinceStart) -> u64 {
    u64::try_from(at.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

extern "C" fn exits() {
    mark(EXIT.at, &mut [0; EXIT.size], |block| encode_exit(Clock::date(), block));
}

fn mark(at: u64, block: &mut [u8], fill: impl FnOnce(&mut [u8])) {
    let Ok(open) = OPEN.try_lock() else { return };
    let Some((_, file, clock)) = open.as_ref().filter(|(process, ..)| process.is_current()) else { return };
    if disk_hangs(clock.now()) {
        return;
    }
    fill(block);
    let _ = platform::write_at(file, block, at);
}
