//! The real backends: collector, Jaeger and Prometheus, with the configuration of this repository.
//!
//! The folder with the programs is named by `HIGHWATER_PEERS`, else built (`otel-collector/peers/build.sh`), which takes ten
//! minutes once. Without them a test fails: all that it is for is what they show.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;

use crate::process::{Process, Program};
use crate::{binary, environment, ports, wait};

pub use collector::Collector;
pub use jaeger::{Jaeger, Span, Trace};
pub use lone::Lone;
pub use prometheus::{Prometheus, Series, promtool};
pub use written::{Point, Record};

mod collector;
mod jaeger;
mod lone;
mod prometheus;
mod written;

/// A collector and what it sends to.
#[derive(Debug)]
pub struct Peers {
    /// Receives from the programs under test. The first to end, since it would complain about the others.
    pub collector: Collector,
    /// Receives metrics.
    pub prometheus: Prometheus,
    /// Receives traces.
    pub jaeger: Jaeger,
}

impl Peers {
    /// The peers of this test binary: tests that run at the same time share them, the last one ends them.
    ///
    /// What a test reads back it finds by what is its own: an instance, a trace.
    #[track_caller]
    pub fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Peers>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(peers) = shared.upgrade() {
            return peers;
        }
        let peers = Arc::new(Self::start("none"));
        *shared = Arc::downgrade(&peers);
        peers
    }

    /// Peers of a test's own, whose collector tells of itself, too.
    #[track_caller]
    pub fn that_are_watched() -> Self {
        Self::start("normal")
    }

    fn start(metrics: &str) -> Self {
        let (prometheus, jaeger) = thread::scope(|scope| {
            let prometheus = scope.spawn(Prometheus::start);
            let jaeger = Jaeger::start();
            (prometheus.join().unwrap(), jaeger)
        });
        let collector = Collector::start(&jaeger, &prometheus, metrics);
        Self { collector, prometheus, jaeger }
    }

    /// The variables that make an agent send to these peers, twice a second.
    pub fn variables(&self) -> [(&'static str, &str); 2] {
        [("OTEL_EXPORTER_OTLP_ENDPOINT", self.collector.endpoint()), ("OTEL_METRIC_EXPORT_INTERVAL", "500")]
    }
}

/// Starts the peer `name` on free ports and waits until it says that it is `ready`.
fn start<const N: usize>(
    name: &str,
    ready: &str,
    program: impl Fn(Program, [u16; N]) -> Program,
) -> (Process, [u16; N]) {
    const ATTEMPTS: u32 = 5;
    for _ in 0..ATTEMPTS {
        let ports = ports::free();
        let mut process = program(Program::at(&path_of(name)), ports).start();
        // Its own words, since on a port that somebody else was quicker to take, that one would answer.
        let is_ready = wait::until_ok(&format!("{name} is ready"), || {
            let words = process.error();
            if words.contains(ready) {
                return Ok(true);
            }
            if process.ended().is_some() { Ok(false) } else { Err(words) }
        });
        if is_ready {
            return (process, ports);
        }
        let words = process.error();
        assert!(words.contains("address already in use"), "{name} ended at its start: {words}");
    }
    panic!("{name} found no free port in {ATTEMPTS} attempts")
}

/// The program `name`.
#[track_caller]
fn path_of(name: &str) -> PathBuf {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let path = FOLDER.get_or_init(find).clone().map(|folder| folder.join(name));
    match path {
        Ok(path) if path.is_file() => path,
        Ok(path) => panic!("no {name} to test against: there is no {}. {REMEDY}", path.display()),
        Err(why) => panic!("no {name} to test against: {why}. {REMEDY}"),
    }
}

const REMEDY: &str =
    "`make peers` builds all of them and says what it needs; HIGHWATER_PEERS names a folder that has them already";

fn find() -> Result<PathBuf, String> {
    environment::variable("HIGHWATER_PEERS").map_or_else(build, |folder| Ok(PathBuf::from(folder)))
}

fn build() -> Result<PathBuf, String> {
    let script = binary::repository().join("otel-collector/peers/build.sh");
    let failed = |why: String| format!("{}: {why}", script.display());
    let output = Command::new(&script).stderr(Stdio::inherit()).output().map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(format!("ended with {}, for the reason above", output.status)));
    }
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    lines.lines().last().map(PathBuf::from).ok_or_else(|| failed("printed no folder".to_owned()))
}
