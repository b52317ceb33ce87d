//! A connection whose reader takes what is written within a time, or loses it.
//!
//! hyper has a time for the head of a request and none for the taking of an answer: a reader that stands still would keep
//! its place for ever, and one that takes a byte now and then what it is answered with.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

/// When all of the answer of a connection has to be taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Due(Arc<Mutex<Option<Instant>>>);

impl Due {
    /// Of an answer that begins now.
    pub(crate) fn within(&self, time: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_add(time);
    }

    /// Whether there was an answer yet.
    pub(crate) fn is_set(&self) -> bool {
        self.get().is_some()
    }

    fn get(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug)]
pub(crate) struct Timed {
    stream: TcpStream,
    patience: Duration,
    due: Due,
    /// Since when a write waits: runs while one does.
    waiting: bool,
    timer: Pin<Box<Sleep>>,
}

impl Timed {
    /// A write may wait for `patience`, and all of an answer until it is `due`.
    pub(crate) fn new(stream: TcpStream, patience: Duration, due: Due) -> Self {
        Self { stream, patience, due, waiting: false, timer: Box::pin(sleep(patience)) }
    }

    /// An answer that is not taken in time is given up, however often a little of it was.
    fn check(&self) -> io::Result<()> {
        match self.due.get() {
            Some(due) if due <= Instant::now() => Err(ErrorKind::TimedOut.into()),
            _ => Ok(()),
        }
    }

    /// What came of a write: one that waits too long is an error.
    fn in_time<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = false;
            return written;
        }
        if !self.waiting {
            self.waiting = true;
            let now = Instant::now();
            let patient = now.checked_add(self.patience).unwrap_or(now);
            self.timer.as_mut().reset(self.due.get().map_or(patient, |due| due.min(patient)));
        }
        ready!(self.timer.as_mut().poll(context));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Timed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Timed {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.in_time(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.in_time(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::thread;

    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    use super::*;

    /// What ends an answer without an end that is due soon, and whose reader is as `read` is.
    fn end(read: impl FnOnce(std::net::TcpStream) + Send + 'static) -> ErrorKind {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let reader = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let due = Due::default();
            let mut timed = Timed::new(listener.accept().await.unwrap().0, Duration::from_secs(3_600), due.clone());
            thread::spawn(move || read(reader));
            due.within(Duration::from_millis(300));
            loop {
                if let Err(error) = timed.write_all(&[0; 1_000]).await {
                    return error.kind();
                }
            }
        })
    }

    #[test]
    fn an_answer_that_is_not_taken_in_time_is_given_up_however_much_of_it_was() {
        let takes = |mut stream: std::net::TcpStream| while stream.read(&mut [0; 100]).is_ok_and(|read| read > 0) {};
        assert_eq!(end(takes), ErrorKind::TimedOut);
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let stands_still = move |stream| drop((held.recv(), stream));
        assert_eq!(end(stands_still), ErrorKind::TimedOut);
        drop(hold);
    }
}
