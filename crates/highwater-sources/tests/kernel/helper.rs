//! A process that does as it is told: it enters cgroups, uses memory, and says what it reads.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use highwater_model::SinceStart;
use highwater_sources::{Options, Regions, Source, Sources};

/// Answers stand behind this, since the test harness writes to the same stream.
const MARK: &str = "helper: ";

/// What the helper read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reading {
    pub(crate) used: Option<u64>,
    pub(crate) glance: Option<u64>,
    pub(crate) limit: Option<u64>,
    pub(crate) scope: Option<u64>,
    pub(crate) usage: Option<u64>,
    pub(crate) kills: Option<u64>,
    pub(crate) blocked: Option<u64>,
    pub(crate) stalled: Option<u64>,
    pub(crate) cgroup: String,
}

/// The helper, from outside.
pub(crate) struct Helper {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Helper {
    /// Starts this test binary again, as the helper, in the cgroup `at`.
    pub(crate) fn start(at: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "helper", "--ignored", "--nocapture", "--test-threads=1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut helper = Self { child, orders, answers };
        helper.order(&format!("enter {}", at.display()));
        helper.order("open");
        helper
    }

    /// Gives an order and waits for the answer; `None` where the helper died of it.
    pub(crate) fn try_order(&mut self, order: &str) -> Option<String> {
        writeln!(self.orders, "{order}").ok()?;
        let mut line = String::new();
        while self.answers.read_line(&mut line).ok()? > 0 {
            if let Some((_, answer)) = line.trim_end_matches('\n').split_once(MARK) {
                return Some(answer.to_owned());
            }
            line.clear();
        }
        None
    }

    pub(crate) fn order(&mut self, order: &str) -> String {
        self.try_order(order).unwrap_or_else(|| panic!("the helper died of: {order}"))
    }

    pub(crate) fn sample(&mut self) -> Reading {
        let answer = self.order("sample");
        let mut reading = Reading::default();
        for (key, value) in answer.split('|').filter_map(|pair| pair.split_once('=')) {
            let number = value.parse().ok();
            match key {
                "used" => reading.used = number,
                "glance" => reading.glance = number,
                "limit" => reading.limit = number,
                "scope" => reading.scope = number,
                "usage" => reading.usage = number,
                "kills" => reading.kills = number,
                "blocked" => reading.blocked = number,
                "stalled" => reading.stalled = number,
                _ => reading.cgroup = value.to_owned(),
            }
        }
        reading
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The helper, from inside: obeys until there are no more orders.
pub(crate) fn obey() {
    let mut sources = None;
    let mut held = Vec::new();
    for order in std::io::stdin().lock().lines().map_while(Result::ok) {
        let (verb, object) = order.split_once(' ').unwrap_or((order.as_str(), ""));
        let answer = match verb {
            "enter" => {
                fs::write(Path::new(object).join("cgroup.procs"), std::process::id().to_string()).unwrap();
                String::new()
            }
            "open" => {
                sources = Some(Sources::open(Options::default(), Arc::new(Regions::new())));
                String::new()
            }
            "allocate" => {
                held.push(black_box(vec![1_u8; object.parse::<usize>().unwrap() << 20]));
                held.len().to_string()
            }
            "fill" => {
                let mut file = File::create(object).unwrap();
                for _ in 0..128 {
                    file.write_all(&[7; 1 << 20]).unwrap();
                }
                String::new()
            }
            "read" => {
                let (mut file, mut buffer) = (File::open(object).unwrap(), vec![0; 1 << 16]);
                while file.read(&mut buffer).unwrap() > 0 {}
                String::new()
            }
            "refresh" => {
                sources.as_mut().unwrap().refresh();
                String::new()
            }
            "signs" => {
                let signs = sources.as_ref().unwrap().signs();
                let path = |path: Option<PathBuf>| path.map_or_else(String::new, |path| path.display().to_string());
                format!("{}|{}", path(signs.events), path(signs.pressure))
            }
            _ => read(sources.as_mut().unwrap()),
        };
        println!("{MARK}{answer}");
    }
}

fn read(sources: &mut Sources) -> String {
    let sample = sources.sample(SinceStart::from_secs(1));
    let glance = sources.glance(SinceStart::from_secs(1));
    let availability = sources.availability().into_iter().find(|(source, _)| *source == Source::Cgroup).unwrap().1;
    let text = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
    format!(
        "used={}|glance={}|limit={}|scope={}|usage={}|kills={}|blocked={}|stalled={}|cgroup={}",
        text(sample.used.map(|used| used.get())),
        text(glance.used.map(|used| used.get())),
        text(sample.limit.map(|limit| limit.bytes.get())),
        text(sample.limit.map(|limit| limit.scope)),
        text(sample.cgroup.and_then(|cgroup| cgroup.usage).map(|usage| usage.get())),
        text(sample.cgroup.and_then(|cgroup| cgroup.events.oom_kills)),
        text(sample.cgroup.and_then(|cgroup| cgroup.events.max)),
        text(sample.cgroup.and_then(|cgroup| cgroup.pressure.some).map(|stalled| stalled.as_millis() as u64)),
        match availability {
            highwater_sources::Availability::Unavailable(reason) => reason.to_string(),
            other => format!("{other:?}"),
        },
    )
}
