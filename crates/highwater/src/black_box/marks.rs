//! Marks of an end that the agent is not told of: a panic, an exit.
//!
//! Both are written by the thread that they happen on, into the open box, each with one system call and nothing from the heap.
//! Where the box is being opened or closed at that moment there is no mark; nobody waits. A child that was forked leaves none.

use std::fs::File;
use std::panic;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread;

use highwater_sources::platform;

use super::format::{EXIT, PANIC, encode_exit, encode_panic};
use crate::clock::Clock;
use crate::identity::ProcessId;

/// The open box, and whose it is.
static OPEN: Mutex<Option<(ProcessId, Arc<File>)>> = Mutex::new(None);

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
pub(super) fn go_to(file: Option<&Arc<File>>) {
    *OPEN.lock().unwrap_or_else(PoisonError::into_inner) = file.map(|file| (ProcessId::current(), Arc::clone(file)));
}

extern "C" fn exits() {
    mark(EXIT.at, &mut [0; EXIT.size], |block| encode_exit(Clock::date(), block));
}

fn mark(at: u64, block: &mut [u8], fill: impl FnOnce(&mut [u8])) {
    let Ok(open) = OPEN.try_lock() else { return };
    let Some((_, file)) = open.as_ref().filter(|(process, _)| process.is_current()) else { return };
    fill(block);
    let _ = platform::write_at(file, block, at);
}
