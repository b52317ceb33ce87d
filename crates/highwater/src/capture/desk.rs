//! Those who ask for a capture: the program, and where it wants that, whoever sends it a signal.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::{Capture, CaptureError};
use crate::config::CaptureSignal;

/// How many can wait for an answer at a time.
const WAITING: usize = 4;

/// Where an answer goes.
#[derive(Clone, Debug)]
pub(crate) struct Reply(SyncSender<Result<Arc<Capture>, CaptureError>>);

impl Reply {
    /// A place for one answer, and where it is read.
    pub(crate) fn expected() -> (Self, Receiver<Result<Arc<Capture>, CaptureError>>) {
        let (answer, answered) = sync_channel(1);
        (Self(answer), answered)
    }

    pub(super) fn send(&self, answer: Result<Arc<Capture>, CaptureError>) {
        // Who asked may be gone.
        let _ = self.0.try_send(answer);
    }
}

/// The watch thread's end.
#[derive(Debug)]
pub(crate) struct Desk {
    asked: Receiver<Reply>,
    #[cfg(all(feature = "heap-profile", unix))]
    signal: Option<Signalled>,
}

impl Desk {
    /// From now on the signal asks for captures, in place of what the program or the system did about it.
    pub(super) fn open(signal: Option<CaptureSignal>) -> io::Result<(Self, SyncSender<Reply>)> {
        let (ask, asked) = sync_channel(WAITING);
        #[cfg(not(all(feature = "heap-profile", unix)))]
        let _ = signal;
        let desk = Self {
            asked,
            #[cfg(all(feature = "heap-profile", unix))]
            signal: signal.map(Signalled::listen).transpose()?,
        };
        Ok((desk, ask))
    }

    /// Whether a capture was asked for since the last look, and by whom: a program waits for the answer.
    pub(super) fn asked(&self) -> Option<Option<Reply>> {
        #[cfg(all(feature = "heap-profile", unix))]
        if self.signal.as_ref().is_some_and(Signalled::take) {
            return Some(None);
        }
        self.asked.try_recv().ok().map(Some)
    }
}

/// A signal, for as long as the agent runs.
#[cfg(all(feature = "heap-profile", unix))]
#[derive(Debug)]
struct Signalled {
    came: Arc<std::sync::atomic::AtomicBool>,
    registered: signal_hook::SigId,
}

#[cfg(all(feature = "heap-profile", unix))]
impl Signalled {
    fn listen(signal: CaptureSignal) -> io::Result<Self> {
        let number = match signal {
            CaptureSignal::User1 => signal_hook::consts::SIGUSR1,
            CaptureSignal::User2 => signal_hook::consts::SIGUSR2,
        };
        let came = Arc::default();
        let registered = signal_hook::flag::register(number, Arc::clone(&came))?;
        Ok(Self { came, registered })
    }

    fn take(&self) -> bool {
        self.came.swap(false, std::sync::atomic::Ordering::Relaxed)
    }
}

#[cfg(all(feature = "heap-profile", unix))]
impl Drop for Signalled {
    fn drop(&mut self) {
        // The signal does nothing from then on: what it did before is not known any more.
        signal_hook::low_level::unregister(self.registered);
    }
}
