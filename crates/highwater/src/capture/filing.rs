//! Filing: profiles go to the disk on a thread of their own, *highwater-files*. A disk may hang, and what a profile says is
//! told all the same.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use highwater_model::Bytes;
use highwater_profile::Analysis;

use super::Opened;
use super::folder::{Folder, Stored};
use crate::finished::Running;
use crate::stack;

/// For a file, before what it says is told without it.
const SOON: Duration = Duration::from_secs(2);

/// The way to the thread. It ends once this is dropped.
#[derive(Debug)]
pub(super) struct Filing {
    folder: PathBuf,
    jobs: SyncSender<Job>,
    /// Of a file that took too long. No other is begun before it: it holds its profile in memory.
    late: Option<Receiver<Filed>>,
}

/// Where the file is, and its size; or where it should be, and what went wrong.
type Filed = Result<(PathBuf, Bytes), String>;

struct Job {
    profile: Analysis<File>,
    name: Stored,
    at_end: bool,
    reply: SyncSender<Filed>,
}

impl Filing {
    /// Starts the thread, which drops `done` last. Its first word is what it finds in the folder.
    pub(super) fn start(mut folder: Folder, done: Running) -> io::Result<(Self, Receiver<Opened>)> {
        let (jobs, taken) = sync_channel::<Job>(1);
        let (say, opened) = sync_channel(1);
        let path = folder.path().to_owned();
        thread::Builder::new().name("highwater-files".to_owned()).spawn(move || {
            stack::touch::<{ stack::SHALLOW }>();
            let _ = say.try_send(Opened { trouble: folder.trouble(), earlier: folder.begun() });
            while let Ok(Job { mut profile, name, at_end, reply }) = taken.recv() {
                let mut write = || folder.write(&name, at_end, |out| profile.write_pprof(out, name.time).map(drop));
                let written = catch_unwind(AssertUnwindSafe(&mut write));
                drop(profile);
                let panicked = || Err(format!("{}: its writer panicked", folder.path().display()));
                let _ = reply.try_send(written.unwrap_or_else(|_| panicked()));
            }
            drop(done);
        })?;
        Ok((Self { folder: path, jobs, late: None }, opened))
    }

    /// Writes a profile, and waits for that, and not long. The last one is written after one that is late: the thread ends after
    /// it.
    pub(super) fn write(&mut self, profile: Analysis<File>, name: Stored, at_end: bool) -> Filed {
        if !at_end && self.late.as_ref().is_some_and(|late| late.try_recv() == Err(TryRecvError::Empty)) {
            return Err(format!("{}: the disk has not taken the one before", self.folder.display()));
        }
        self.late = None;
        let path = self.folder.join(name.to_string());
        let (reply, filed) = sync_channel(1);
        let sent = self.jobs.try_send(Job { profile, name, at_end, reply });
        match sent.map(|()| filed.recv_timeout(SOON)) {
            Ok(Ok(written)) => written,
            Ok(Err(RecvTimeoutError::Timeout)) => {
                self.late = Some(filed);
                let patience = humantime::format_duration(SOON);
                Err(format!("{}: the disk takes longer than {patience}, and is not waited for", path.display()))
            }
            Ok(Err(RecvTimeoutError::Disconnected)) | Err(_) => {
                Err(format!("{}: its writer has ended", path.display()))
            }
        }
    }
}
