//! A value for each process: a child that was forked does not find its parent's.
//!
//! A fork copies the memory of all threads and only one of the threads. A lock that another one held at that moment is
//! held for ever in the child, a value that it was making is never made, and an id that was drawn is now that of two
//! processes. So a child makes a value of its own and never touches its parent's, not even to drop it.
//!
//! The process is told by its id, which costs one system call, 50 ns. Not by `pthread_atfork`, whose handlers cannot be
//! taken back, and which not every way of forking calls.
#![allow(unsafe_code, reason = "the value is shared by an atomic pointer: a lock could be held at the fork")]

use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A value that each process makes when it first asks for it.
#[derive(Debug)]
pub struct PerProcess<T> {
    latest: AtomicPtr<Made<T>>,
    owned: PhantomData<T>,
}

struct Made<T> {
    process: u32,
    value: T,
}

impl<T: Send + Sync> PerProcess<T> {
    /// Without a value yet.
    pub const fn new() -> Self {
        Self { latest: AtomicPtr::new(ptr::null_mut()), owned: PhantomData }
    }

    /// The value of this process. Of several threads that make it at the same time, all get that of the first.
    pub fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        let process = std::process::id();
        let latest = self.latest.load(Ordering::Acquire);
        // SAFETY: what the pointer leads to was boxed below and is not freed before `self` is dropped; it was written
        // before the pointer was stored, and is never written again.
        if let Some(made) = unsafe { latest.as_ref() }
            && made.process == process
        {
            return &made.value;
        }
        let made = Box::into_raw(Box::new(Made { process, value: make() }));
        let first = match self.latest.compare_exchange(latest, made, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => made,
            Err(first) => {
                // SAFETY: the box made above, which nobody else has seen.
                drop(unsafe { Box::from_raw(made) });
                first
            }
        };
        // SAFETY: as above; a pointer that came in between is that of a thread of this process.
        unsafe { &(*first).value }
    }
}

impl<T: Send + Sync> Default for PerProcess<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let latest = *self.latest.get_mut();
        // SAFETY: as in `get_or_make`.
        let is_own = unsafe { latest.as_ref() }.is_some_and(|made| made.process == std::process::id());
        if is_own {
            // SAFETY: boxed by this process in `get_or_make`; nobody can have a reference into it any more.
            drop(unsafe { Box::from_raw(latest) });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;
    use std::sync::{Arc, Barrier};
    use std::thread;

    use super::*;

    #[test]
    fn it_is_made_once_and_dropped_with_its_place() {
        let (place, value) = (PerProcess::new(), Arc::new(()));
        assert!(Arc::ptr_eq(place.get_or_make(|| Arc::clone(&value)), &value));
        assert!(Arc::ptr_eq(place.get_or_make(Arc::default), &value));
        drop(place);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn threads_that_make_it_at_the_same_time_get_the_same() {
        for _ in 0..100 {
            let (place, made, start) = (PerProcess::new(), AtomicU32::new(0), Barrier::new(4));
            let get = || {
                start.wait();
                *place.get_or_make(|| made.fetch_add(1, Ordering::Relaxed))
            };
            let values = thread::scope(|scope| [(); 4].map(|()| scope.spawn(get)).map(|thread| thread.join().unwrap()));
            assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
        }
    }
}
