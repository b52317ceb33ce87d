//! The thread on which connections live. It is the agent's own: a host may have no runtime, or one that is stuck.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::thread;

use opentelemetry::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::voice;

/// The way to the thread, which ends when this is dropped: at once, without anybody who waits for it.
#[derive(Debug)]
pub(super) struct Runtime {
    handle: Handle,
    _end: oneshot::Sender<Infallible>,
}

impl Runtime {
    /// A runtime of one thread, made here and not by tokio, which would panic where none can be had.
    pub(super) fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("highwater-grpc".to_owned()).spawn(move || {
            // What h2 has to say of each frame is neither for the host's log, which may hang, nor for its OpenTelemetry.
            let quiet = Context::enter_telemetry_suppressed_scope();
            voice::in_silence(|| drop(runtime.block_on(ended)));
            runtime.shutdown_background();
            drop(quiet);
        })?;
        Ok(Self { handle, _end: end })
    }

    /// Runs `work` there. Where the thread has ended it is dropped.
    pub(super) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.handle.spawn(work));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_thread_ends_with_the_way_to_it_also_within_a_runtime_of_the_host() {
        let host = Builder::new_current_thread().build().unwrap();
        let (held, ended) = sync_channel::<()>(0);
        let runtime = Runtime::start().unwrap();
        runtime.spawn(async move {
            let _held = held;
            std::future::pending().await
        });
        host.block_on(async { drop(runtime) });
        assert!(ended.recv_timeout(Duration::from_secs(60)).is_err_and(|error| error.to_string().contains("closed")));
    }
}
