//! What happened: the last events, each encoded once.

use std::collections::VecDeque;

use highwater::{Attribute, Event, Severity};

use crate::json::{Json, Millis, millis};

/// How many are kept.
const MOST: usize = 128;
/// And how many bytes of them: with the functions that hold the memory one is some KiB.
const MOST_BYTES: usize = 256 << 10;
/// Attributes in which the path of a heap profile can be.
const NAMES_A_FILE: [&str; 2] = ["highwater.capture.file", "highwater.why"];

/// The last events, the oldest first, as JSON.
#[derive(Debug, Default)]
pub(crate) struct Told {
    events: VecDeque<Encoded>,
    bytes: usize,
}

/// One event.
#[derive(Debug)]
pub(crate) struct Encoded {
    /// Its date, in milliseconds since 1970.
    at: u64,
    /// All but the date, which moves with the system's clock.
    fields: String,
}

impl Told {
    pub(crate) fn push(&mut self, event: Encoded) {
        self.bytes = self.bytes.saturating_add(event.fields.len());
        self.events.push_back(event);
        while self.events.len() > MOST || self.bytes > MOST_BYTES {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(oldest.fields.len());
        }
    }

    /// Where the agent's start has another date than before, all that was told since has.
    pub(crate) fn redate(&mut self, before: u64, start: u64) {
        self.events.iter_mut().for_each(|event| event.redate(before, start));
    }

    pub(crate) fn write(&self, json: &mut Json) {
        self.events.iter().for_each(|event| json.object(|json| event.write(json)));
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Encoded {
    pub(crate) fn redate(&mut self, before: u64, start: u64) {
        self.at = self.at.saturating_add(start).saturating_sub(before);
    }

    /// Its fields.
    pub(crate) fn write(&self, json: &mut Json) {
        json.field("time", Millis(self.at));
        json.ready(&self.fields);
    }
}

/// An event, under its number.
pub(crate) fn encoded(event: &Event, seq: u64) -> Encoded {
    let object = Json::of(|json| {
        json.field("seq", seq);
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
    });
    let fields = object.strip_prefix('{').and_then(|inner| inner.strip_suffix('}'));
    Encoded { at: millis(event.at()), fields: fields.unwrap_or_default().to_owned() }
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
