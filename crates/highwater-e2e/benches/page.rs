//! What the page costs the service beside it, in paired rounds, median: the demo whose page 50 tabs look at, the demo whose
//! page nobody looks at, and the demo whose page is ill-treated in each of four ways, each against the same binary without a
//! page. The last pair is of two equals: what it is off from 1 the machine has done.
//!
//! `cargo build --release -p demo && cargo bench -p highwater-e2e --bench page`. The processes run side by side and take turns
//! under the same load, so that what the machine does otherwise falls on both. All run on the first processor alone, their
//! agents and pages included; the load and the visitors are on the second. Requests are sent one after the other over one
//! connection, so that the time of each can be told.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a program that measures"
)]

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[allow(dead_code, reason = "the other bench's load is another one")]
#[path = "throughput/load.rs"]
mod load;

use load::{alone, collector, step_aside};

/// As many tabs as a team has.
const TABS: usize = 50;
/// As many as the page serves at a time.
const ALL: usize = 64;
/// 10,000 attempts in ten seconds.
const APART: Duration = Duration::from_millis(1);
const ROUNDS: usize = 200;
const ROUND: Duration = Duration::from_millis(200);
const REQUEST: &[u8] = b"GET /nothing HTTP/1.1\r\nHost: demo\r\n\r\n";
const END: &[u8] = b"\r\n\r\n";

fn main() {
    step_aside();
    let endpoint = collector();
    let start = |page: &str| Subject::start(&endpoint, page);
    let visited = |visitors: usize, visit: Visit| {
        let subject = start("127.0.0.1:0");
        let page = subject.page.unwrap();
        (0..visitors).for_each(|_| come(page, visit));
        [subject, start("off")]
    };
    compare("page with 50 tabs / no page", visited(TABS, tab));
    compare("page with one tab / no page", visited(1, tab));
    compare("page, nobody looks / no page", visited(0, tab));
    compare("page, 64 that ask for snapshots and read nothing / no page", visited(ALL, slow));
    compare("page, 64 that send half a request / no page", visited(ALL, half));
    compare("page, 1,000 connections a second / no page", visited(1, attempt));
    compare("page, headers of 64 KiB without end / no page", visited(1, huge));
    compare("no page / no page", [start("off"), start("off")]);
}

/// A demo, and where its page is.
struct Subject {
    process: Child,
    address: SocketAddr,
    page: Option<SocketAddr>,
}

impl Subject {
    fn start(endpoint: &str, page: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release");
        let program = std::env::var_os("DEMO").map_or(folder.join("demo"), Into::into);
        let mut process = alone(&program)
            .envs([("PORT", "0"), ("HIGHWATER_PAGE", page), ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}: it is to be built first, in release", program.display()));
        let address = said(process.stdout.take().unwrap(), "Server running on http://");
        let errors = process.stderr.take().unwrap();
        let page = if page == "off" {
            thread::spawn(move || BufReader::new(errors).lines().for_each(drop));
            None
        } else {
            Some(said(errors, "highwater: page at http://"))
        };
        Self { process, address, page }
    }

    /// One request after the other for a round; returns how long each took.
    fn load(&self) -> Vec<Duration> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        let started = Instant::now();
        let (mut times, mut answer) = (Vec::new(), [0; 4096]);
        while started.elapsed() < ROUND {
            let asked = Instant::now();
            stream.write_all(REQUEST).unwrap();
            let mut length = 0;
            while !answer[..length].ends_with(END) {
                length += stream.read(&mut answer[length..]).unwrap();
            }
            times.push(asked.elapsed());
        }
        times
    }

    /// What the program holds from its allocator, and what is resident, in KiB.
    fn memory(&self) -> [u64; 2] {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.write_all(b"GET /status HTTP/1.1\r\nHost: demo\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let answer: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        ["heapUsed", "rss"].map(|key| answer["highwater"][key].as_u64().unwrap() >> 10)
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address that stands behind `words` in what a program says; the rest is read and dropped.
fn said(stream: impl Read + Send + 'static, words: &str) -> SocketAddr {
    let mut lines = BufReader::new(stream).lines();
    let address = lines.find_map(|line| {
        let line = line.unwrap();
        Some(line.strip_prefix(words)?.trim_end_matches('/').parse().unwrap())
    });
    thread::spawn(move || lines.for_each(drop));
    address.unwrap()
}

/// Somebody's connection to the page, from its beginning to its end.
type Visit = fn(&mut TcpStream) -> io::Result<()>;

/// One that comes again whenever it is sent away, for as long as there is a page.
fn come(page: SocketAddr, visit: Visit) {
    let visitor = move || {
        while let Ok(mut stream) = TcpStream::connect(page) {
            let _ = visit(&mut stream);
            thread::sleep(APART);
        }
    };
    thread::Builder::new().stack_size(64 << 10).spawn(visitor).unwrap();
}

/// The page as a browser has it: all that was, then all that comes.
fn tab(stream: &mut TcpStream) -> io::Result<()> {
    ask(stream, "/api/snapshot", "Connection: close\r\n")?;
    read_on(stream)?;
    *stream = TcpStream::connect(stream.peer_addr()?)?;
    ask(stream, "/api/live", "Connection: close\r\n")?;
    read_on(stream)
}

/// Asks for all that there is, over and over, takes nothing, and waits until it is sent away. The demo has just started, so
/// that a snapshot is small.
fn slow(stream: &mut TcpStream) -> io::Result<()> {
    (0..1_000).try_for_each(|_| ask(stream, "/api/snapshot", ""))?;
    thread::sleep(Duration::from_secs(60));
    Ok(())
}

/// Does not come to an end, and waits until it is sent away.
fn half(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(b"GET /api/snapshot HTTP/1.1\r\nHost: loc")?;
    read_on(stream)
}

/// Is gone at once.
fn attempt(_: &mut TcpStream) -> io::Result<()> {
    Ok(())
}

fn huge(stream: &mut TcpStream) -> io::Result<()> {
    ask(stream, "/api/snapshot", &format!("X-Filler: {}\r\n", "a".repeat(64 << 10)))?;
    read_on(stream)
}

fn ask(stream: &mut TcpStream, target: &str, headers: &str) -> io::Result<()> {
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n").as_bytes())
}

fn read_on(stream: &mut TcpStream) -> io::Result<()> {
    while stream.read(&mut [0; 16 << 10])? > 0 {}
    Ok(())
}

/// Two demos side by side, which take turns under the same load.
fn compare(title: &str, subjects: [Subject; 2]) {
    let _ = subjects.each_ref().map(Subject::load);
    let (mut per_second, mut p99) = (Vec::new(), Vec::new());
    let mut all = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        // Who goes first changes, so that a drift of the machine favours neither.
        let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
        let mut times = [Vec::new(), Vec::new()];
        for index in order {
            times[index] = subjects[index].load();
        }
        let [one, other] = &mut times;
        per_second.push(one.len() as f64 / other.len() as f64);
        p99.push(at(one, 0.99).as_secs_f64() / at(other, 0.99).as_secs_f64());
        all.iter_mut().zip(times).for_each(|(all, times)| all.extend(times));
    }
    println!("{title}, {ROUNDS} paired rounds of {} s: median (quartiles)", ROUND.as_secs_f64());
    println!("requests per second  {}", quartiles(per_second));
    println!("p99 of a round       {}", quartiles(p99));
    let of_all = all.each_mut().map(|times| at(times, 0.99).as_micros());
    println!("p99 of all requests  {} / {} us", of_all[0], of_all[1]);
    let [one, other] = subjects.each_ref().map(Subject::memory);
    println!("heap, resident       {} / {} KiB, {} / {} KiB\n", one[0], other[0], one[1], other[1]);
}

fn at(times: &mut [Duration], share: f64) -> Duration {
    times.sort();
    times[((times.len() - 1) as f64 * share) as usize]
}

fn quartiles(mut ratios: Vec<f64>) -> String {
    ratios.sort_by(f64::total_cmp);
    let at = |share: usize| ratios[(ratios.len() - 1) * share / 4];
    format!("{:.4} ({:.4} to {:.4})", at(2), at(1), at(3))
}
