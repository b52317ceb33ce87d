//! A program under load, and what it gets done.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CONNECTIONS: usize = 2;
/// How many requests are under way on one connection.
const PIPELINED: usize = 16;
const REQUEST: &[u8] = b"GET /nothing HTTP/1.1\r\nHost: demo\r\n\r\n";
/// How each answer ends: it has no body.
const END: &[u8] = b"\r\n\r\n";

pub(crate) struct Load {
    pub(crate) per_second: f64,
    /// The same of the CPU time that the process used: what else runs on the machine does not count.
    pub(crate) per_cpu_second: f64,
}

/// Nanoseconds of CPU time that all threads of a process used.
fn cpu_time(process: u32) -> u64 {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let used = |task: std::io::Result<std::fs::DirEntry>| {
        let schedule = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        schedule.split(' ').next()?.parse::<u64>().ok()
    };
    tasks.filter_map(used).sum()
}

/// Requests over [`CONNECTIONS`] kept connections, each with one request under way at a time.
pub(crate) fn load(process: u32, address: SocketAddr, round: Duration) -> Load {
    let stop = Arc::new(AtomicBool::new(false));
    let (started, cpu) = (Instant::now(), cpu_time(process));
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_nodelay(true).unwrap();
                let requests = REQUEST.repeat(PIPELINED);
                let (mut answered, mut answer) = (0_u64, [0; 8192]);
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(&requests).unwrap();
                    let (mut ends, mut seen) = (0, 0);
                    while ends < PIPELINED {
                        let length = seen + stream.read(&mut answer[seen..]).unwrap();
                        ends += answer[..length].windows(END.len()).filter(|window| *window == END).count();
                        // An end that is cut in two is whole with what comes next.
                        let kept = length.min(END.len() - 1);
                        answer.copy_within(length - kept..length, 0);
                        seen = kept;
                    }
                    answered += PIPELINED as u64;
                }
                answered
            })
        })
        .collect();
    thread::sleep(round);
    stop.store(true, Ordering::Relaxed);
    let answered: u64 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    let cpu = Duration::from_nanos(cpu_time(process) - cpu);
    Load {
        per_second: answered as f64 / started.elapsed().as_secs_f64(),
        per_cpu_second: answered as f64 / cpu.as_secs_f64(),
    }
}

pub(crate) fn start(program: &Path, environment: &[(&str, &str)]) -> (Child, SocketAddr) {
    let mut child = alone(program)
        .env("PORT", "0")
        .env("HIGHWATER_PAGE", "off")
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}: it is to be built first, in release", program.display()));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address =
        lines.find_map(|line| line.unwrap().rsplit_once("http://").map(|(_, address)| address.parse().unwrap()));
    thread::spawn(move || lines.for_each(drop));
    (child, address.unwrap())
}

/// The program, with all its threads on the first processor.
pub(crate) fn alone(program: &Path) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "0"]).arg(program);
    command
}

/// Leaves the first processor to the programs.
pub(crate) fn step_aside() {
    let arguments = ["--all-tasks", "--cpu-list", "--pid", "1", &std::process::id().to_string()];
    let status = Command::new("taskset").args(arguments).stdout(Stdio::null()).status();
    assert!(status.unwrap_or_else(|error| panic!("taskset, of util-linux: {error}")).success());
}

/// A socket that takes what is sent to it.
pub(crate) fn collector() -> String {
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
