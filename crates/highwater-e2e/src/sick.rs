//! A collector that is sick in the way that a test wants: a real socket that behaves as the real one cannot be made to.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use crate::ports;
use crate::wait::Stopwatch;

mod grpc;

pub use grpc::{GrpcAilment, SickGrpc};

/// What ails a collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// Nothing: it answers 200.
    None,
    /// It takes connections and requests, and never answers.
    Hangs,
    /// It answers with this status and, where there is one, this `Retry-After`.
    Answers(u16, Option<&'static str>),
    /// It answers with this status and a page that is longer than any collector's answer, as what stands before one may.
    Lectures(u16),
    /// It resets the connection in the middle of the request's body.
    Resets,
    /// It answers 200, so much later.
    Slow(Duration),
}

/// A request that came, whatever became of it.
#[derive(Clone, Debug)]
pub struct Request {
    /// Such as `/v1/logs`.
    pub path: String,
    /// Since the collector was started.
    pub at: Duration,
    /// The port that it came from: the same for all that came over one connection.
    pub from: u16,
    /// What ailed the collector then.
    pub ailment: Ailment,
    /// Its headers, in lower case.
    pub headers: String,
    /// As much of it as was read.
    pub body: Vec<u8>,
}

/// A collector that is sick.
#[derive(Debug)]
pub struct Sick {
    address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    ailment: Mutex<Ailment>,
    changed: Condvar,
    requests: Mutex<Vec<Request>>,
    clock: Stopwatch,
    over: AtomicBool,
}

impl Sick {
    /// Starts one.
    pub fn with(ailment: Ailment) -> Self {
        let listener = ports::listener();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            ailment: Mutex::new(ailment),
            changed: Condvar::new(),
            requests: Mutex::default(),
            clock: Stopwatch::start(),
            over: AtomicBool::new(false),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &shared));
        Self { address, state }
    }

    /// Where it receives.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on something else ails it; who waits for an answer of a collector that hung is not answered.
    pub fn becomes(&self, ailment: Ailment) {
        *self.state.ailment.lock().unwrap() = ailment;
        self.state.changed.notify_all();
    }

    /// The requests for `path` whose body has `text` in it.
    pub fn requests(&self, path: &str, text: &str) -> Vec<Request> {
        let requests = self.state.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |request: &&Request| request.path == path && contains(&request.body, text);
        requests.iter().filter(fits).cloned().collect()
    }
}

impl Drop for Sick {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::Relaxed);
        self.becomes(Ailment::None);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

/// An address that drops whoever wants to connect: its queue of connections is full, and nobody empties it.
#[derive(Debug)]
pub struct BlackHole {
    listener: Socket,
    _fillers: Vec<TcpStream>,
}

impl BlackHole {
    /// Opens one.
    pub fn open() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(500)).ok();
        let fillers = std::iter::from_fn(connect).collect();
        Self { listener, _fillers: fillers }
    }

    /// Where nobody is let in.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.listener.local_addr().unwrap().as_socket().unwrap())
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if state.over.load(Ordering::Relaxed) {
            return;
        }
        let state = Arc::clone(state);
        thread::spawn(move || serve(&stream, &state));
    }
}

/// Serves one connection until it ends.
fn serve(stream: &TcpStream, state: &State) -> Option<()> {
    let from = stream.peer_addr().ok()?.port();
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        let path = line.split(' ').nth(1)?.to_owned();
        let mut headers = String::new();
        while reader.read_line(&mut headers).ok()? > 2 {}
        headers.make_ascii_lowercase();
        let length = headers.lines().find_map(|header| header.strip_prefix("content-length:"))?.trim().parse().ok()?;
        let at = state.clock.elapsed();
        let ailment = *state.ailment.lock().unwrap();
        let mut body = vec![0; if ailment == Ailment::Resets { length / 2 } else { length }];
        reader.read_exact(&mut body).ok()?;
        state.requests.lock().unwrap().push(Request { path, at, from, ailment, headers, body });
        let mut page = String::new();
        let (status, after) = match ailment {
            Ailment::None => (200, None),
            Ailment::Answers(status, after) => (status, after),
            Ailment::Lectures(status) => {
                page = "<p>It is not here.".repeat(10_000);
                (status, None)
            }
            Ailment::Resets => {
                SockRef::from(stream).set_linger(Some(Duration::ZERO)).ok()?;
                return None;
            }
            Ailment::Hangs => {
                let guard = state.ailment.lock().unwrap();
                drop(state.changed.wait_while(guard, |now| *now == Ailment::Hangs).unwrap());
                return None;
            }
            Ailment::Slow(delay) => {
                let guard = state.ailment.lock().unwrap();
                drop(state.changed.wait_timeout_while(guard, delay, |now| *now == ailment).unwrap());
                (200, None)
            }
        };
        let after = after.map(|after| format!("retry-after: {after}\r\n")).unwrap_or_default();
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status} As Wanted\r\n{after}content-length: {}\r\n\r\n{page}", page.len()).ok()?;
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
