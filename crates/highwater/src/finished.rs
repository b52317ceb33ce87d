//! Whether the threads that tell have ended: several can wait for it, each with a deadline of its own.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Counts the threads that have not ended yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finished(Arc<(Mutex<usize>, Condvar)>);

/// Held by a thread; dropped when it has ended.
#[derive(Debug)]
pub(crate) struct Running(Finished);

impl Finished {
    /// Waits for one thread more.
    pub(crate) fn wait_for(&self) -> Running {
        self.change(|running| running.saturating_add(1));
        Running(self.clone())
    }

    /// Waits until all have ended; returns false where `deadline` is over first.
    pub(crate) fn wait(&self, deadline: Duration) -> bool {
        let (running, ended) = &*self.0;
        let running = running.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = ended.wait_timeout_while(running, deadline, |running| *running > 0);
        *waited.unwrap_or_else(PoisonError::into_inner).0 == 0
    }

    fn change(&self, to: impl FnOnce(usize) -> usize) {
        let (running, ended) = &*self.0;
        let mut running = running.lock().unwrap_or_else(PoisonError::into_inner);
        *running = to(*running);
        ended.notify_all();
    }
}

impl Running {
    /// For one thread more.
    pub(crate) fn another(&self) -> Self {
        self.0.wait_for()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.change(|running| running.saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_the_last_and_no_longer_than_the_deadline() {
        let finished = Finished::default();
        assert!(finished.wait(Duration::ZERO));
        let (one, other) = (finished.wait_for(), finished.wait_for());
        drop(one);
        assert!(!finished.wait(Duration::from_millis(1)));
        let waiting = std::thread::spawn({
            let finished = finished.clone();
            move || finished.wait(Duration::from_secs(60))
        });
        drop(other);
        assert!(waiting.join().unwrap() && finished.wait(Duration::ZERO));
    }
}
