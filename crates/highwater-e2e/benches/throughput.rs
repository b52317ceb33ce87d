//! The demo's throughput with the agent against the same binary with `HIGHWATER_DISABLED=true`: paired rounds, median.
//!
//! `cargo build --release -p demo && cargo bench -p highwater-e2e --bench throughput`. Both processes run side by side and
//! take turns under the same load, so that what the machine does otherwise falls on both. The agent sends its metrics ten
//! times a second to a socket that takes them, a hundred times as often as by default.
#![allow(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a program that measures"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const ROUNDS: usize = 30;
const ROUND: Duration = Duration::from_millis(1000);
const CONNECTIONS: usize = 2;
const REQUEST: &[u8] = b"GET /nothing HTTP/1.1\r\nHost: demo\r\n\r\n";

fn main() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/release/demo");
    let demo = std::env::var_os("DEMO").map_or(demo, Into::into);
    let collector = collector();
    let (with, with_address) = start(&demo, &[("OTEL_EXPORTER_OTLP_ENDPOINT", &collector)]);
    let (without, without_address) = start(&demo, &[("HIGHWATER_DISABLED", "true")]);
    load(with_address);
    load(without_address);

    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            // Who goes first changes, so that a drift of the machine favours neither.
            let (a, b) = if round % 2 == 0 {
                let with = load(with_address);
                (with, load(without_address))
            } else {
                let without = load(without_address);
                (load(with_address), without)
            };
            a / b
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let median = (ratios[ROUNDS / 2 - 1] + ratios[ROUNDS / 2]) / 2.0;
    println!(
        "throughput with the agent / without: median {median:.4} of {ROUNDS} paired rounds of {} s, {CONNECTIONS} connections \
         (quartiles {:.4} to {:.4})",
        ROUND.as_secs_f64(),
        ratios[ROUNDS / 4],
        ratios[ROUNDS * 3 / 4],
    );
    for mut child in [with, without] {
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// Requests a second over [`CONNECTIONS`] kept connections, each with one request under way at a time.
fn load(address: SocketAddr) -> f64 {
    let stop = Arc::new(AtomicBool::new(false));
    let started = Instant::now();
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut answered, mut answer) = (0_u64, [0; 1024]);
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(REQUEST).unwrap();
                    let mut length = 0;
                    while !answer[..length].ends_with(b"\r\n\r\n") {
                        length += stream.read(&mut answer[length..]).unwrap();
                    }
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    thread::sleep(ROUND);
    stop.store(true, Ordering::Relaxed);
    let answered: u64 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    answered as f64 / started.elapsed().as_secs_f64()
}

fn start(demo: &Path, environment: &[(&str, &str)]) -> (Child, SocketAddr) {
    let mut child = Command::new(demo)
        .env("PORT", "0")
        .env("OTEL_METRIC_EXPORT_INTERVAL", "100")
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: run `cargo build --release -p demo` first", demo.display()));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address =
        lines.find_map(|line| line.unwrap().rsplit_once("http://").map(|(_, address)| address.parse().unwrap()));
    thread::spawn(move || lines.for_each(drop));
    (child, address.unwrap())
}

/// A socket that takes what is sent to it.
fn collector() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || take(stream));
        }
    });
    endpoint
}

fn take(stream: TcpStream) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}
