//! To wait for time to pass, for the kernel to say something, or for the end.
//!
//! Between two glances a container can meet its limit. Where the kernel grants it, it says so at once: `memory.events` of
//! the directory that binds, which can be polled where it can only be read, and the stall time of `memory.pressure`, where
//! that can be written. What it says is a reason to look, never a number.
//!
//! The end is told by a channel, and a bell, a descriptor that can be polled beside the others, only interrupts the wait:
//! a bell is shared with a child that was forked, and a channel is not. Without a bell, on another system or where no
//! descriptor is left, the channel alone is waited for.
//!
//! A file that is always ready, or a limit that is met all the time, must not keep a processor busy: after each word of the
//! kernel's it is not listened to for a rest, which doubles up to a second until it was silent once.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod elsewhere;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux;

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use elsewhere::{Bell, Ears, Heard};
#[cfg(any(target_os = "linux", target_os = "android"))]
use linux::{Bell, Ears, Heard};

/// The files by which the kernel says that memory is short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signs {
    /// `memory.events` of the directory whose limit binds.
    pub events: Option<PathBuf>,
    /// `memory.pressure` of the process's own directory, or that of the whole system.
    pub pressure: Option<PathBuf>,
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Woken {
    /// Time passed; rarely less than was asked for.
    Time,
    /// The kernel said something.
    Kernel,
    /// The [`Stop`] is gone.
    Stop,
}

/// Waits, on one thread.
#[derive(Debug)]
pub struct Waiter {
    /// Nothing is ever sent.
    stop: Receiver<()>,
    ears: Option<Ears>,
    /// How long the kernel is not listened to after its next word, and what is left of that.
    rest: Duration,
    left: Duration,
}

/// Ends the waits of its [`Waiter`], at once, when it is dropped.
#[derive(Debug)]
pub struct Stop {
    /// Dropped before the bell is rung.
    channel: Option<SyncSender<()>>,
    bell: Option<Bell>,
}

/// A waiter, and what stops it.
pub fn waiter() -> (Waiter, Stop) {
    let (channel, stop) = sync_channel(0);
    let bell = Bell::new();
    let ears = bell.clone().map(Ears::new);
    (Waiter { stop, ears, rest: Waiter::REST, left: Duration::ZERO }, Stop { channel: Some(channel), bell })
}

impl Waiter {
    /// After the kernel's first word.
    const REST: Duration = Duration::from_millis(5);
    /// After its next ones, at most.
    const LONGEST_REST: Duration = Duration::from_secs(1);

    /// Listens to these files from now on. What could not be opened, or was closed since it is gone, is tried again.
    pub fn listen_to(&mut self, signs: &Signs) {
        if let Some(ears) = &mut self.ears {
            ears.open(signs);
        }
    }

    /// Waits for `time` to pass, or less.
    pub fn wait(&mut self, time: Duration) -> Woken {
        // The bell is heard once, and a stop is for ever.
        if self.is_stopped() {
            return Woken::Stop;
        }
        match self.listen(time) {
            Heard::Never => {
                self.ears = None;
                match self.stop.recv_timeout(time) {
                    Err(RecvTimeoutError::Timeout) => Woken::Time,
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => Woken::Stop,
                }
            }
            _ if self.is_stopped() => Woken::Stop,
            Heard::Kernel => Woken::Kernel,
            Heard::Nothing | Heard::Bell => Woken::Time,
        }
    }

    fn is_stopped(&self) -> bool {
        self.stop.try_recv() != Err(TryRecvError::Empty)
    }

    fn listen(&mut self, time: Duration) -> Heard {
        let Some(ears) = &mut self.ears else { return Heard::Never };
        let resting = self.left.min(time);
        if !resting.is_zero() {
            match ears.wait(resting, false) {
                Heard::Nothing => self.left = self.left.saturating_sub(resting),
                other => return other,
            }
        }
        if !self.left.is_zero() {
            return Heard::Nothing;
        }
        let heard = ears.wait(time.saturating_sub(resting), true);
        match heard {
            Heard::Nothing => self.rest = Self::REST,
            Heard::Kernel => {
                self.left = self.rest;
                self.rest = self.rest.saturating_mul(2).min(Self::LONGEST_REST);
            }
            Heard::Bell | Heard::Never => {}
        }
        heard
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        drop(self.channel.take());
        if let Some(bell) = &self.bell {
            bell.ring();
        }
    }
}

#[cfg(test)]
mod tests;
