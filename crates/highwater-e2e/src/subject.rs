//! The program that does what a test tells it, with the agent in it: its episodes begin and end at a word.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::{Process, Program};
use crate::{binary, wait};

/// The event of an episode that begins.
pub const BEGUN: &str = "highwater.memory.episode.begun";
/// The event of one that ends.
pub const ENDED: &str = "highwater.memory.episode.ended";

/// A program with the agent, whose limit is 128 MiB and whose levels have no holds.
#[derive(Debug)]
pub struct Subject {
    /// The program.
    pub process: Process,
    /// Its `service.instance.id`.
    pub instance: String,
}

impl Subject {
    /// Starts one that sends to `endpoint`, with more variables.
    #[track_caller]
    pub fn start(endpoint: &str, variables: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let instance = format!("subject-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let program = Program::at(&binary::example("driven"))
            .with_input()
            .variables(&[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
                ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
                ("OTEL_RESOURCE_ATTRIBUTES", &format!("service.instance.id={instance}")),
                ("HIGHWATER_LIMIT", "128MiB"),
                ("HIGHWATER_HOLD_ELEVATED", "0s"),
                ("HIGHWATER_HOLD_HIGH", "0s"),
                ("HIGHWATER_HOLD_LEAVE", "0s"),
            ])
            .variables(variables);
        let subject = Self { process: program.start(), instance };
        wait::until("the subject is ready", || subject.process.output().contains("ready").then_some(()));
        subject
    }

    /// Has it begin an episode and waits until it is told, in the subject's own log.
    #[track_caller]
    pub fn raise(&mut self) {
        self.process.tell("take 100");
        self.says("memory is ", 1);
    }

    /// Has it end the `nth` episode and waits until that is told.
    #[track_caller]
    pub fn calm(&mut self, nth: usize) {
        self.process.tell("drop");
        self.says("memory is normal again", nth);
    }

    /// Waits until it has said `text` so often.
    #[track_caller]
    pub fn says(&self, text: &str, times: usize) {
        wait::until_ok(&format!("the subject says {text:?} {times} times"), || {
            let error = self.process.error();
            if error.matches(text).count() >= times { Ok(()) } else { Err(error) }
        });
    }

    /// How often it has said that it cannot send, and that it can again.
    pub fn changes(&self) -> (usize, usize) {
        let error = self.process.error();
        (error.matches("cannot send").count(), error.matches("works again").count())
    }

    /// Ends it; returns whether all was delivered within its deadline, and the milliseconds that the shutdown took.
    #[track_caller]
    pub fn end(&mut self) -> (bool, u64) {
        self.process.close_input();
        self.process.wait_for_success();
        let output = self.process.output();
        let words: Vec<_> = output.lines().last().unwrap_or_default().split(' ').collect();
        let ["delivered", delivered, "in", took, "ms"] = words[..] else { panic!("{output}") };
        (delivered == "true", took.parse().unwrap())
    }
}
