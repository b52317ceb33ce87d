//! JSON as the page's server writes it: objects and arrays into one buffer, what is unknown left out.
//!
//! By hand, since all of it is numbers, short texts and columns of numbers: a library for any shape would bring its macros
//! into every host's build. A test holds what is written against serde_json.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use highwater::{Attribute, Bytes};

/// A text in the making.
#[derive(Debug, Default)]
pub(crate) struct Json {
    text: String,
    /// Whether the next value needs a comma before it.
    follows: bool,
}

/// What can be written as a value.
pub(crate) trait Value {
    fn write(&self, json: &mut Json);
}

impl Json {
    /// An object of its own.
    pub(crate) fn of(fields: impl FnOnce(&mut Self)) -> String {
        let mut json = Self::default();
        json.object(fields);
        json.text
    }

    /// An object as a value.
    pub(crate) fn object(&mut self, fields: impl FnOnce(&mut Self)) {
        self.enclosed('{', '}', fields);
    }

    /// An array as a value.
    pub(crate) fn array(&mut self, values: impl FnOnce(&mut Self)) {
        self.enclosed('[', ']', values);
    }

    /// A value of an array.
    pub(crate) fn value(&mut self, value: impl Value) {
        value.write(self);
    }

    /// A field of an object.
    pub(crate) fn field(&mut self, name: &str, value: impl Value) {
        self.name(name);
        value.write(self);
    }

    /// A field that is left out where it is unknown.
    pub(crate) fn known(&mut self, name: &str, value: Option<impl Value>) {
        if let Some(value) = value {
            self.field(name, value);
        }
    }

    /// A field that is an object.
    pub(crate) fn object_field(&mut self, name: &str, fields: impl FnOnce(&mut Self)) {
        self.name(name);
        self.object(fields);
    }

    /// A field that is an array.
    pub(crate) fn array_field(&mut self, name: &str, values: impl FnOnce(&mut Self)) {
        self.name(name);
        self.array(values);
    }

    /// A value that is JSON already.
    pub(crate) fn ready(&mut self, json: &str) {
        self.comma();
        self.text.push_str(json);
    }

    /// A field whose value is JSON already.
    pub(crate) fn ready_field(&mut self, name: &str, json: &str) {
        self.name(name);
        self.ready(json);
    }

    fn enclosed(&mut self, open: char, close: char, inside: impl FnOnce(&mut Self)) {
        self.comma();
        self.text.push(open);
        self.follows = false;
        inside(self);
        self.text.push(close);
        self.follows = true;
    }

    fn name(&mut self, name: &str) {
        self.value(name);
        self.text.push(':');
        self.follows = false;
    }

    fn comma(&mut self) {
        if self.follows {
            self.text.push(',');
        }
        self.follows = true;
    }

    fn print(&mut self, value: impl std::fmt::Display) {
        self.comma();
        // A String takes all that is written.
        let _ = write!(self.text, "{value}");
    }
}

impl Value for u64 {
    fn write(&self, json: &mut Json) {
        json.print(self);
    }
}

impl Value for i64 {
    fn write(&self, json: &mut Json) {
        json.print(self);
    }
}

impl Value for bool {
    fn write(&self, json: &mut Json) {
        json.print(self);
    }
}

impl Value for Bytes {
    fn write(&self, json: &mut Json) {
        json.print(self.get());
    }
}

/// A number that is none is unknown.
impl Value for f64 {
    fn write(&self, json: &mut Json) {
        if self.is_finite() { json.print(self) } else { json.print("null") }
    }
}

/// Seconds.
impl Value for Duration {
    fn write(&self, json: &mut Json) {
        self.as_secs_f64().write(json);
    }
}

/// Seconds since 1970.
impl Value for SystemTime {
    fn write(&self, json: &mut Json) {
        Millis(millis(*self)).write(json);
    }
}

/// Milliseconds, written as seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Millis(pub(crate) u64);

impl Value for Millis {
    fn write(&self, json: &mut Json) {
        json.comma();
        let _ = write!(json.text, "{}.{:03}", self.0.div_euclid(1000), self.0.rem_euclid(1000));
    }
}

/// In an array what is unknown keeps its place.
impl<T: Value> Value for Option<T> {
    fn write(&self, json: &mut Json) {
        match self {
            Some(value) => value.write(json),
            None => json.print("null"),
        }
    }
}

/// `<` is escaped too, so that no text ends the script of a page that it stands in.
impl Value for &str {
    fn write(&self, json: &mut Json) {
        json.comma();
        json.text.push('"');
        for c in self.chars() {
            match c {
                '"' => json.text.push_str("\\\""),
                '\\' => json.text.push_str("\\\\"),
                '\n' => json.text.push_str("\\n"),
                '<' | '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => {
                    let _ = write!(json.text, "\\u{:04x}", u32::from(c));
                }
                c => json.text.push(c),
            }
        }
        json.text.push('"');
    }
}

impl Value for &Attribute {
    fn write(&self, json: &mut Json) {
        match self {
            Attribute::Int(whole) => whole.write(json),
            Attribute::Difference(difference) => difference.write(json),
            Attribute::Double(real) => real.write(json),
            Attribute::Text(text) => (&**text).write(json),
            Attribute::Maps(maps) => json.array(|json| {
                for map in maps {
                    json.object(|json| map.iter().for_each(|(name, value)| json.field(name, value)));
                }
            }),
            // What a newer agent may have.
            _ => None::<u64>.write(json),
        }
    }
}

/// Milliseconds since 1970; nothing before.
pub(crate) fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value as Read;

    use super::*;

    #[test]
    fn objects_arrays_and_what_is_unknown_are_written() {
        let text = Json::of(|json| {
            json.field("a", 1_u64);
            json.known("unknown", None::<u64>);
            json.array_field("b", |json| {
                json.value(None::<u64>);
                json.value(Some(2.5));
                json.object(|json| json.field("c", "d"));
                json.array(|_| ());
            });
            json.object_field("e", |_| ());
            json.field("t", Millis(1_795_700_000_050));
            json.ready_field("r", "{\"x\":true}");
        });
        assert_eq!(text, r#"{"a":1,"b":[null,2.5,{"c":"d"},[]],"e":{},"t":1795700000.050,"r":{"x":true}}"#);
    }

    #[test]
    fn a_list_of_sites_is_an_array_of_objects() {
        let sites = Attribute::Maps(vec![vec![
            ("function", Attribute::Text("f<T>".into())),
            ("grown", Attribute::Difference(-3)),
        ]]);
        assert_eq!(
            Json::of(|json| json.field("sites", &sites)),
            "{\"sites\":[{\"function\":\"f\\u003cT>\",\"grown\":-3}]}"
        );
    }

    proptest! {
        #[test]
        fn any_text_and_number_reads_back_and_ends_no_script(text in any::<String>(), real in any::<f64>(), whole in any::<u64>()) {
            let json = Json::of(|json| {
                json.field(&text, &*text);
                json.field("real", real);
                json.field("whole", whole);
            });
            prop_assert!(!json.contains('<') && !json.contains('\n'));
            let read: Read = serde_json::from_str(&json).unwrap();
            if !matches!(&*text, "real" | "whole") {
                prop_assert_eq!(read[&text].as_str(), Some(&*text));
            }
            // Its reader is off by one in the last place now and then.
            let near = |read: f64| (read - real).abs() <= real.abs() * 1e-15;
            prop_assert!(read["real"].as_f64().map_or(!real.is_finite(), near), "{}", json);
            prop_assert_eq!(read["whole"].as_u64(), Some(whole));
        }
    }
}
