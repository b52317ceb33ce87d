//! The demo service, driven over HTTP.

use serde_json::Value;

use crate::cgroup::Cgroup;
use crate::http::{self, Answer};
use crate::process::{Process, Program};
use crate::{binary, wait};

/// A demo that serves.
#[derive(Debug)]
pub struct Demo {
    process: Process,
    url: String,
}

impl Demo {
    /// The variable that keeps one from serving a page: many run at once, and there is one port for it.
    pub const NO_PAGE: (&str, &str) = ("HIGHWATER_PAGE", "off");

    /// The one that has it serve a page, on a port of the system's choice.
    pub const A_PAGE: (&str, &str) = ("HIGHWATER_PAGE", "127.0.0.1:0");

    /// Starts one, on a port of the system's choice and without a page, and waits until it serves.
    #[track_caller]
    pub fn start(cgroup: Option<&Cgroup>, variables: &[(&str, &str)]) -> Self {
        let program = Program::within(cgroup, &binary::of("demo")).variables(&[("PORT", "0"), Self::NO_PAGE]);
        Self::of(program.variables(variables))
    }

    /// Starts `program` and waits until it serves.
    #[track_caller]
    pub fn of(program: Program) -> Self {
        let mut process = program.start();
        let url = wait::until_ok("the demo serves", || {
            let running = process.ended().is_none();
            assert!(running, "the demo ended at its start: {}", process.error());
            let output = process.output();
            let line = output.lines().find_map(|line| line.strip_prefix("Server running on "));
            line.map(str::to_owned).ok_or_else(|| process.error())
        });
        Self { process, url }
    }

    /// The address of `path`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The address that it prints for its page, which ends with a slash or a token.
    #[track_caller]
    pub fn page(&self) -> String {
        wait::until_ok("the demo says where its page is", || {
            let words = self.process.error();
            let line = words.lines().find(|line| line.contains("page"));
            let url = line.and_then(|line| line.split_whitespace().find(|word| word.starts_with("http://")));
            url.map(|url| url.trim_end_matches([',', ';']).to_owned()).ok_or(words)
        })
    }

    /// Asks by GET.
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        http::get(&self.url(path)).unwrap()
    }

    /// What `/status` says under `highwater`.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.get("/status").json()["highwater"].take()
    }

    /// Allocates until `bytes` are used, as the demo itself sees it.
    #[track_caller]
    pub fn allocate_until_used(&self, bytes: u64) {
        loop {
            let answer = self.get("/allocate");
            assert_eq!(answer.status, 200, "{answer:?}");
            if answer.json()["highwater"]["used"].as_u64().unwrap() >= bytes {
                return;
            }
        }
    }

    /// Waits until the demo is at `level`; returns the trace of the open episode, or nothing.
    #[track_caller]
    pub fn wait_for_level(&self, level: &str) -> String {
        wait::until_ok(&format!("the demo is at level {level}"), || {
            let status = self.status();
            let trace = status["episode"]["traceId"].as_str().unwrap_or_default().to_owned();
            if status["level"] == level { Ok(trace) } else { Err(status) }
        })
    }

    /// Waits until a line of its standard error contains `text`.
    #[track_caller]
    pub fn wait_for_word(&self, text: &str) {
        wait::until_ok(&format!("the demo says {text:?}"), || {
            let error = self.process.error();
            if error.contains(text) { Ok(()) } else { Err(error) }
        });
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Its process.
    pub fn process_mut(&mut self) -> &mut Process {
        &mut self.process
    }
}
