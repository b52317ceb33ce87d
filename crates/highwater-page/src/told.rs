//! What happened: the last events, each encoded once.

use std::collections::VecDeque;

use highwater::{Attribute, Event, Severity};

use crate::json::Json;

/// How many are kept.
const MOST: usize = 128;
/// And how many bytes of them: with the functions that hold the memory one is some KiB.
const MOST_BYTES: usize = 256 << 10;
/// Attributes in which the path of a heap profile can be.
const NAMES_A_FILE: [&str; 2] = ["highwater.capture.file", "highwater.why"];

/// The last events, the oldest first, as JSON.
#[derive(Debug, Default)]
pub(crate) struct Told {
    events: VecDeque<String>,
    bytes: usize,
}

impl Told {
    pub(crate) fn push(&mut self, event: String) {
        self.bytes = self.bytes.saturating_add(event.len());
        self.events.push_back(event);
        while self.events.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.len());
        }
    }

    pub(crate) fn write(&self, json: &mut Json) {
        self.events.iter().for_each(|event| json.ready(event));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// An event as JSON, under its number.
pub(crate) fn encoded(event: &Event, seq: u64) -> String {
    Json::of(|json| {
        json.field("seq", seq);
        json.field("time", event.at());
        json.field("name", event.name());
        let severity = match event.severity() {
            Severity::Info => "info",
            Severity::Warn => "warn",
            // What a newer agent may have is graver.
            _ => "error",
        };
        json.field("severity", severity);
        json.field("text", &*without_folder(&event.to_string()));
        json.known("level", event.level().map(|level| level.as_str()));
        json.known("previous_level", event.previous_level().map(|level| level.as_str()));
        json.known("reason", event.reason().map(|reason| reason.as_str()));
        json.known("cause", event.cause().map(|cause| cause.as_str()));
        json.known("episode", event.episode_id().map(|id| id.to_string()).as_deref());
        json.object_field("attributes", |json| {
            event.attributes(&mut |name, value| match value {
                Attribute::Text(text) if NAMES_A_FILE.contains(&name) => json.field(name, &*without_folder(&text)),
                value => json.field(name, &value),
            });
        });
    })
}

/// A text about a file, with its name and not where it lies: from the slash that begins the path to the last one.
fn without_folder(text: &str) -> String {
    let begins = |(index, _): &(usize, &str)| {
        text.get(..*index).is_some_and(|before| before.is_empty() || before.ends_with(' '))
    };
    let Some((begin, _)) = text.match_indices('/').find(begins) else { return text.to_owned() };
    let (before, path) = text.split_at(begin);
    format!("{before}{}", path.rsplit('/').next().unwrap_or_default())
}

#[cfg(test)]
mod tests;
