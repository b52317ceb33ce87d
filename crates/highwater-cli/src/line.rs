//! An event as one line of JSON.
//!
//! What it says is the event's own: the attributes that the agent sends, each by its name without the leading `highwater.`.
//! Of an episode, which has an id only where an agent tells it, the number stands there.

use std::io;

use highwater::{Attribute, Event};
use serde::ser::{SerializeMap, Serializer};

/// Writes one line. `seconds` is the moment in the trace, `episode` the number of the one that is open.
pub(crate) fn write(out: &mut impl io::Write, event: &Event, seconds: f64, episode: Option<u64>) -> io::Result<()> {
    let mut json = serde_json::Serializer::new(&mut *out);
    let mut map = json.serialize_map(None)?;
    map.serialize_entry("seconds", &seconds)?;
    map.serialize_entry("event", event.name())?;
    if let Some(reason) = event.reason() {
        map.serialize_entry("reason", reason.as_str())?;
    }
    if let Some(number) = event.episode_number().or(episode) {
        map.serialize_entry("episode", &number)?;
    }
    let mut written = Ok(());
    event.attributes(&mut |name, value| {
        let name = name.strip_prefix("highwater.").unwrap_or(name);
        // Said already, in front.
        if written.is_err() || name == "reason" {
            return;
        }
        written = match &value {
            Attribute::Int(whole) => map.serialize_entry(name, whole),
            Attribute::Double(real) => map.serialize_entry(name, real),
            Attribute::Text(text) => map.serialize_entry(name, text),
            _ => Ok(()),
        };
    });
    written?;
    SerializeMap::end(map)?;
    out.write_all(b"\n")?;
    out.flush()
}
