//! What a collector has written to a file: OTLP JSON, one request a line.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// A log record, and the resource that sent it.
#[derive(Clone, Debug)]
pub struct Record {
    record: Value,
    resource: Value,
}

/// A data point of a metric, and the resource that sent it.
#[derive(Clone, Debug)]
pub struct Point {
    point: Value,
    metric: String,
    resource: Value,
}

impl Record {
    /// All log records in the file at `path`, in the order in which they came.
    pub(super) fn all(path: &Path) -> Vec<Self> {
        items(path, ["resourceLogs", "scopeLogs", "logRecords"])
            .map(|(record, resource)| Self { record, resource })
            .collect()
    }

    /// All spans in the file at `path`: as far as the fields have the same names, a span is read as a record is.
    pub(super) fn all_spans(path: &Path) -> Vec<Self> {
        items(path, ["resourceSpans", "scopeSpans", "spans"])
            .map(|(record, resource)| Self { record, resource })
            .collect()
    }

    /// The `service.instance.id` that sent it.
    pub fn instance(&self) -> String {
        attribute(&self.resource, "service.instance.id").as_str().unwrap_or_default().to_owned()
    }

    /// A field of the record: `eventName`, `severityNumber`, `traceId`.
    pub fn field(&self, name: &str) -> &Value {
        &self.record[name]
    }

    /// The name of the event.
    pub fn name(&self) -> &str {
        self.record["eventName"].as_str().unwrap_or_default()
    }

    /// The sentence.
    pub fn body(&self) -> &str {
        self.record["body"]["stringValue"].as_str().unwrap_or_default()
    }

    /// An attribute; `Null` where it is absent.
    pub fn attribute(&self, name: &str) -> Value {
        attribute(&self.record, name)
    }

    /// Nanoseconds since 1970 at which it happened.
    pub fn time(&self) -> u64 {
        self.record["timeUnixNano"].as_str().unwrap().parse().unwrap()
    }
}

impl Point {
    /// All data points of sums and gauges in the file at `path`, in the order in which they came.
    pub(super) fn all(path: &Path) -> Vec<Self> {
        let mut points = Vec::new();
        for (metric, resource) in items(path, ["resourceMetrics", "scopeMetrics", "metrics"]) {
            let name = metric["name"].as_str().unwrap().to_owned();
            for point in ["sum", "gauge"].iter().flat_map(|kind| array(&metric[kind]["dataPoints"])) {
                points.push(Self { point: point.clone(), metric: name.clone(), resource: resource.clone() });
            }
        }
        points
    }

    /// An attribute of the resource that sent it; `Null` where it is absent.
    pub fn resource(&self, name: &str) -> Value {
        attribute(&self.resource, name)
    }

    /// The metric's name.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// The `service.instance.id` that sent it.
    pub fn instance(&self) -> String {
        attribute(&self.resource, "service.instance.id").as_str().unwrap_or_default().to_owned()
    }

    /// An attribute; `Null` where it is absent.
    pub fn attribute(&self, name: &str) -> Value {
        attribute(&self.point, name)
    }

    /// Its value.
    pub fn value(&self) -> f64 {
        let whole = self.point["asInt"].as_str().map(|digits| digits.parse().unwrap());
        whole.or(self.point["asDouble"].as_f64()).unwrap()
    }
}

/// Each request in the file at `path`. The last line may be half written.
pub(super) fn requests(path: &Path) -> Vec<Value> {
    let file = fs::read_to_string(path).unwrap_or_default();
    let lines = file.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Each item of the file at `path`, and its resource.
fn items(path: &Path, [resources, scopes, items]: [&'static str; 3]) -> impl Iterator<Item = (Value, Value)> {
    requests(path).into_iter().flat_map(move |request| {
        let mut found = Vec::new();
        for resource in array(&request[resources]) {
            for item in array(&resource[scopes]).iter().flat_map(|scope| array(&scope[items])) {
                found.push((item.clone(), resource["resource"].clone()));
            }
        }
        found
    })
}

/// The value of the attribute `name`, without its type. OTLP writes an integer as a string in JSON; here it is a number.
fn attribute(of: &Value, name: &str) -> Value {
    let Some(pair) = array(&of["attributes"]).iter().find(|pair| pair["key"] == name) else { return Value::Null };
    let (kind, value) = pair["value"].as_object().unwrap().iter().next().unwrap();
    match (kind.as_str(), value) {
        ("intValue", Value::String(digits)) => digits.parse::<i64>().unwrap().into(),
        _ => value.clone(),
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
