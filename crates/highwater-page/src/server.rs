//! The page's own server: few connections, each with bounds in size and time.
//!
//! It shares a process with what matters more. So there are at most so many connections, a request is small and comes in
//! time, and an answer is taken in time, or the connection is closed: whoever asks too much, too slowly or not at all has a
//! share of the page and none of the host. What comes beyond is answered in a line and closed; in the kernel's queue it would
//! be in the way of those who come later.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::body::Body;
use crate::gate::Gate;
use crate::keeper::Keeper;
use crate::pace::Pace;
use crate::routes::{self, Ask};
use crate::timed::{Due, Timed};

/// Connections at once: as many tabs as one browser opens to one server, ten times.
pub(crate) const MOST_CONNECTIONS: usize = 64;
/// With fewer places left, those who ask for nothing now make room: a browser keeps up to six connections for what it may ask
/// next, so that eleven people who open the page would have all of them.
const SPARE: usize = 16;
/// Connections, and requests, that come at once and wait for nothing: fifty tabs that open together.
const BURST: u32 = 512;
/// Connections in a second after that.
const ATTEMPTS: u32 = 1024;
/// Requests in a second after that, over all connections; and as many that are refused.
const REQUESTS: u32 = 256;
/// For the head of a request, and between two requests of a connection.
const HEAD: Duration = Duration::from_secs(10);
/// The same where there is little room.
const ASKS_BY: Duration = Duration::from_secs(1);
/// The size of a head; cookies of other servers on the same host come with it.
const HEAD_BYTES: usize = 16 << 10;
const MOST_HEADERS: usize = 64;
/// For the reader to take what was written.
const WRITE: Duration = Duration::from_secs(10);
/// For the reader to take all of an answer; a stream of what is new has ended long before.
const ANSWER: Duration = Duration::from_secs(60);
/// What the kernel keeps of what a reader has not taken, doubled by it: this counts against the host's own limit.
const SEND_BUFFER: u32 = 64 << 10;
/// Where there is no descriptor left for a connection.
const REST: Duration = Duration::from_millis(200);
/// Connections that the kernel keeps until they are accepted, which is at once where the machine is not busy.
const BACKLOG: u32 = 1024;
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nRetry-After: 5\r\n\
                      Connection: close\r\nContent-Length: 47\r\n\r\ntoo many look at once: close some, or come back";

/// Listens, within the runtime that will serve.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // What is left of the last run's connections is not in the way; elsewhere than on Unix it would let two share a port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    // Each connection has it from here.
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// What all connections share.
#[derive(Debug)]
struct Server {
    keeper: Arc<Keeper>,
    gate: Gate,
    requests: Pace,
    /// Of those who are not let in, so that a stranger is in the way of nobody who has the token. They have turns too: a token
    /// that is made is not guessed at any rate, but one that somebody thought of may be, and 256 guesses a second are few.
    refusals: Pace,
    /// Told to all connections when there is little room.
    crowded: Notify,
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, keeper: Arc<Keeper>, gate: Gate) {
    let room = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let attempts = Pace::new(BURST, ATTEMPTS);
    let [requests, refusals] = [(); 2].map(|()| Pace::new(BURST, REQUESTS));
    let server = Arc::new(Server { keeper, gate, requests, refusals, crowded: Notify::new() });
    loop {
        attempts.turn().await;
        if room.available_permits() < SPARE {
            server.crowded.notify_waiters();
            // Lets them go before the next one comes.
            tokio::task::yield_now().await;
        }
        match listener.accept().await {
            Ok((stream, _)) => match Arc::clone(&room).try_acquire_owned() {
                Ok(permit) => drop(tokio::spawn(connection(stream, Arc::clone(&server), permit))),
                Err(_) => drop(stream.try_write(BUSY)),
            },
            Err(error) if is_of_one(&error) => {}
            Err(_) => tokio::time::sleep(REST).await,
        }
    }
}

/// Whether an error is that of a connection that came and went, and not of the listener.
fn is_of_one(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn connection(stream: TcpStream, server: Arc<Server>, permit: OwnedSemaphorePermit) {
    // Messages are small, and each is news.
    let _ = stream.set_nodelay(true);
    let (due, since) = (Due::default(), Instant::now());
    let serve = service_fn(|request| server.answer(request, &due));
    let mut protocol = http1::Builder::new();
    protocol.timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_BYTES).max_headers(MOST_HEADERS);
    let mut connection = pin!(protocol.serve_connection(TokioIo::new(Timed::new(stream, WRITE, due.clone())), serve));
    let mut crowded = pin!(server.crowded.notified());
    let end = poll_fn(|context| {
        while crowded.as_mut().poll(context).is_ready() {
            crowded.set(server.crowded.notified());
            // At once, or after the answer that it is given now.
            if due.is_set() {
                connection.as_mut().graceful_shutdown();
            } else if since.elapsed() >= ASKS_BY {
                // What was not asked for anything yet may be about to, but not for long.
                return Poll::Ready(Ok(()));
            }
        }
        connection.as_mut().poll(context)
    });
    // What went wrong on one connection is its client's to know.
    let _ = end.await;
    drop(permit);
}

impl Server {
    async fn answer(&self, request: Request<Incoming>, due: &Due) -> Result<Response<Body>, Infallible> {
        let (uri, headers) = (request.uri(), request.headers());
        // Comparing is all that this takes, and a head has a bound: it costs less than to wait does.
        let checked = self.gate.check(uri, headers);
        if checked.is_ok() { &self.requests } else { &self.refusals }.turn().await;
        due.within(ANSWER);
        Ok(match checked {
            Err(refused) => *refused,
            Ok(()) => {
                let ask = Ask { method: request.method(), path: uri.path(), query: uri.query(), headers };
                routes::answer(&self.keeper, ask)
            }
        })
    }
}
