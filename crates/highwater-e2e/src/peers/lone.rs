//! A collector that sends nowhere: it writes what it receives to files, and can be stopped and started again.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::written::{self, Point, Record};
use crate::folder::Folder;
use crate::ports;
use crate::process::{Process, Program};

/// A collector that only receives, at ports that stay its own while it is down, as far as the system leaves them to it.
#[derive(Debug)]
pub struct Lone {
    folder: Folder,
    http: u16,
    grpc: u16,
    takes_profiles: bool,
    process: Option<Process>,
}

const READY: &str = "Everything is ready. Begin running and processing data.";

impl Lone {
    /// One that is not started yet.
    pub fn stopped() -> Self {
        let [http, grpc] = ports::free();
        Self { folder: Folder::temporary(), http, grpc, takes_profiles: false, process: None }
    }

    /// One that runs.
    #[track_caller]
    pub fn started() -> Self {
        let mut collector = Self::stopped();
        collector.start();
        collector
    }

    /// One that runs and takes profiles, which are in development, too.
    #[track_caller]
    pub fn started_with_profiles() -> Self {
        let mut collector = Self::stopped();
        collector.takes_profiles = true;
        collector.start();
        collector
    }

    /// Starts it.
    #[track_caller]
    pub fn start(&mut self) {
        self.start_with("");
    }

    /// Starts it with more settings for its receivers, lines of YAML below `http:` and `grpc:` alike, such as `tls: {..}`.
    #[track_caller]
    pub fn start_with(&mut self, settings: &str) {
        let mut config = String::from("receivers:\n  otlp:\n    protocols:\n");
        for (protocol, port) in [("http", self.http), ("grpc", self.grpc)] {
            writeln!(config, "      {protocol}:\n        endpoint: 127.0.0.1:{port}").unwrap();
            settings.lines().for_each(|line| writeln!(config, "        {line}").unwrap());
        }
        config.push_str("exporters:\n");
        let signals = || SIGNALS.into_iter().chain(self.takes_profiles.then_some(PROFILES));
        for signal in signals() {
            let path = self.file(signal);
            writeln!(config, "  file/{signal}:\n    path: {}\n    append: true", path.display()).unwrap();
        }
        config.push_str("service:\n  telemetry:\n    metrics:\n      level: none\n  pipelines:\n");
        for signal in signals() {
            writeln!(config, "    {signal}:\n      receivers: [otlp]\n      exporters: [file/{signal}]").unwrap();
        }
        let path = self.folder.path().join("config.yaml");
        fs::write(&path, config).unwrap();

        let mut program = Program::at(&super::path_of("otelcol")).arg("--config").arg(path);
        if self.takes_profiles {
            program = program.arg("--feature-gates=service.profilesSupport");
        }
        let mut process = program.start();
        crate::wait::until_ok("the collector is ready", || {
            let words = process.error();
            assert!(process.ended().is_none(), "the collector ended at its start: {words}");
            if words.contains(READY) { Ok(()) } else { Err(words) }
        });
        self.process = Some(process);
    }

    /// Asks it to end, and waits until it has written all and ended.
    #[track_caller]
    pub fn stop(&mut self) {
        let mut process = self.process.take().expect("a collector that runs");
        process.signal("TERM");
        process.wait_for_success();
    }

    /// Where it receives by HTTP, or will.
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// Where it receives by gRPC, or will.
    pub fn grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    /// A folder of its own, for certificates and the like.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The log records that came, in their order.
    pub fn records(&self) -> Vec<Record> {
        Record::all(&self.file("logs"))
    }

    /// The spans that came, in their order.
    pub fn spans(&self) -> Vec<Record> {
        Record::all_spans(&self.file("traces"))
    }

    /// The data points that came, in their order.
    pub fn points(&self) -> Vec<Point> {
        Point::all(&self.file("metrics"))
    }

    /// The requests with profiles that came, in their order.
    pub fn profiles(&self) -> Vec<Value> {
        written::requests(&self.file(PROFILES))
    }

    fn file(&self, signal: &str) -> PathBuf {
        self.folder.path().join(format!("{signal}.jsonl"))
    }
}

const SIGNALS: [&str; 3] = ["metrics", "logs", "traces"];
const PROFILES: &str = "profiles";
