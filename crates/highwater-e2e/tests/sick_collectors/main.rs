//! Collectors that are away, hang, refuse or answer nonsense: what was told is not lost, the host does not notice, and each
//! change is said in one line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::sync::atomic::{AtomicU32, Ordering};

use highwater_e2e::process::{Process, Program};
use highwater_e2e::{binary, wait};

mod away;
mod sick;

const BEGUN: &str = "highwater.memory.episode.begun";
const ENDED: &str = "highwater.memory.episode.ended";

/// A program with the agent, whose collector is sick.
struct Subject {
    process: Process,
    instance: String,
}

impl Subject {
    /// Starts one that sends to `endpoint`, with more variables.
    #[track_caller]
    fn start(endpoint: &str, variables: &[(&str, &str)]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let instance = format!("sick-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
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
    fn raise(&mut self) {
        self.process.tell("take 100");
        self.says("memory is ", 1);
    }

    /// Has it end the `nth` episode and waits until that is told.
    #[track_caller]
    fn calm(&mut self, nth: usize) {
        self.process.tell("drop");
        self.says("memory is normal again", nth);
    }

    /// Waits until it has said `text` so often.
    #[track_caller]
    fn says(&self, text: &str, times: usize) {
        wait::until_ok(&format!("the subject says {text:?} {times} times"), || {
            let error = self.process.error();
            if error.matches(text).count() >= times { Ok(()) } else { Err(error) }
        });
    }

    /// How often it has said that it cannot send, and that it can again.
    fn changes(&self) -> (usize, usize) {
        let error = self.process.error();
        (error.matches("cannot send").count(), error.matches("works again").count())
    }

    /// Ends it; returns whether all was delivered within its deadline, and the milliseconds that the shutdown took.
    #[track_caller]
    fn end(&mut self) -> (bool, u64) {
        self.process.close_input();
        self.process.wait_for_success();
        let output = self.process.output();
        let words: Vec<_> = output.lines().last().unwrap_or_default().split(' ').collect();
        let ["delivered", delivered, "in", took, "ms"] = words[..] else { panic!("{output}") };
        (delivered == "true", took.parse().unwrap())
    }
}
