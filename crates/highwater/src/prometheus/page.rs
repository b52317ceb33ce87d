//! The text of either format. They differ in three things: where a counter has its `_total`, which escapes a help text
//! has, and that OpenMetrics says units and ends with a mark, so that half of an answer is not taken for all.

use super::{Exposition, names};
use crate::telemetry::{Kind, Metric, Point, Reading, Value};

/// A text that is written from top to bottom.
pub(super) struct Page {
    format: Exposition,
    text: String,
}

impl Page {
    pub(super) fn new(format: Exposition) -> Self {
        Self { format, text: String::new() }
    }

    /// Whose numbers these are, where that is known. OpenMetrics wants it to come first.
    pub(super) fn target(&mut self, labels: &[(String, String)]) {
        if labels.is_empty() {
            return;
        }
        let (family, kind) = match self.format {
            Exposition::Text => ("target_info", "gauge"),
            Exposition::OpenMetrics => ("target", "info"),
        };
        self.head(family, kind, None, "Target metadata");
        let labels = labels.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.sample("target_info", labels, Value::Whole(1));
    }

    /// One metric with all its points; nothing where it has none.
    pub(super) fn family(&mut self, metric: &Metric, reading: &Reading<'_>) {
        let (family, unit) = names::family(metric);
        let sample = names::series(metric);
        let kind = if metric.kind == Kind::Counter { "counter" } else { "gauge" };
        let family = match self.format {
            Exposition::Text => &sample,
            Exposition::OpenMetrics => &family,
        };
        let mut has_head = false;
        metric.observe(reading, &mut |Point { value, attribute }| {
            if !has_head {
                self.head(family, kind, unit, metric.description);
                has_head = true;
            }
            let label = attribute.and_then(|(key, value)| Some((names::label(key)?, value)));
            self.sample(&sample, label.iter().map(|(name, value)| (name.as_str(), *value)), value);
        });
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Exposition::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }

    fn head(&mut self, family: &str, kind: &str, unit: Option<&str>, help: &str) {
        self.push(&["# HELP ", family, " "]);
        self.escaped(help, self.format == Exposition::OpenMetrics);
        self.push(&["\n# TYPE ", family, " ", kind, "\n"]);
        if let Some(unit) = unit.filter(|_| self.format == Exposition::OpenMetrics) {
            self.push(&["# UNIT ", family, " ", unit, "\n"]);
        }
    }

    fn sample<'a>(&mut self, name: &str, labels: impl Iterator<Item = (&'a str, &'a str)>, value: Value) {
        self.push(&[name]);
        let mut opening = "{";
        for (label, value) in labels {
            self.push(&[opening, label, "=\""]);
            self.escaped(value, true);
            self.push(&["\""]);
            opening = ",";
        }
        self.push(&[if opening == "," { "} " } else { " " }, &number(value), "\n"]);
    }

    /// A text that ends neither its line nor, where it stands in quotes, these.
    fn escaped(&mut self, text: &str, quoted: bool) {
        for c in text.chars() {
            match c {
                '\\' => self.text.push_str("\\\\"),
                '\n' => self.text.push_str("\\n"),
                '"' if quoted => self.text.push_str("\\\""),
                c => self.text.push(c),
            }
        }
    }

    fn push(&mut self, parts: &[&str]) {
        self.text.extend(parts.iter().copied());
    }
}

fn number(value: Value) -> String {
    match value {
        Value::Whole(whole) => whole.to_string(),
        Value::Real(real) if real == f64::INFINITY => "+Inf".to_owned(),
        Value::Real(real) if real == f64::NEG_INFINITY => "-Inf".to_owned(),
        Value::Real(real) => real.to_string(),
    }
}
