//! Carries one signal's requests to its collector, and reports what comes of each: counted, and a change said once.

use std::sync::Arc;
use std::time::Duration;

use super::wire::{Answer, Body, Wire};
use crate::event::Severity;
use crate::outlet::Queue;
use crate::shared::Shared;
use crate::signal::Signal;

#[derive(Debug)]
pub(super) struct Courier {
    pub(super) signal: Signal,
    pub(super) url: String,
    /// For one request.
    pub(super) timeout: Duration,
    pub(super) wire: Box<dyn Wire>,
    pub(super) shared: Arc<Shared>,
    /// Where a change is said.
    pub(super) words: Queue,
}

impl Courier {
    /// Sends one request, taking its timeout for it, or `at_most` so long.
    pub(super) fn carry(&self, body: &Body, at_most: Duration) -> Answer {
        let answer = self.wire.send(body, self.timeout.min(at_most));
        match &answer {
            Answer::Taken => self.report(Ok(()), ""),
            Answer::TakenInPart { rejected, why } => {
                self.give_up(*rejected);
                self.report(Err(format!("the collector rejects {rejected} items of a request: {why}")), REFUSED);
            }
            Answer::Later { why, .. } => self.report(Err(why.clone()), "the agent goes on and tries again"),
            Answer::Refused { why } if self.signal == Signal::Profiles => self.report(Err(why.clone()), NO_PROFILES),
            Answer::Refused { why } => self.report(Err(why.clone()), REFUSED),
        }
        answer
    }

    /// Counts what will not be sent any more.
    pub(super) fn give_up(&self, items: u64) {
        self.shared.delivery.drop_items(self.signal, items);
    }

    /// Counts what came of a request; where that is a change, says it, and what comes of it.
    fn report(&self, result: Result<(), String>, then: &str) {
        let error = result.as_ref().err().cloned();
        if !self.shared.delivery.exported(self.signal, result) {
            return;
        }
        let Self { signal, url, words, .. } = self;
        match error {
            None => words.say(Severity::Info, format!("OTLP to {url} works again")),
            Some(error) => words.say(
                Severity::Warn,
                format!(
                    "cannot send {} by OTLP to {url}: {error}; {then} (OTEL_EXPORTER_OTLP_ENDPOINT names the \
                     collector, OTEL_SDK_DISABLED=true sends nothing)",
                    signal.as_str(),
                ),
            ),
        }
    }
}

const REFUSED: &str = "what it refuses is not sent again";
const NO_PROFILES: &str = "what it refuses is not sent again; a collector takes profiles where it has a pipeline for them \
                           and runs with --feature-gates=service.profilesSupport";
