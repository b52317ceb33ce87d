//! Prometheus: metrics in by OTLP, out by its query API.

use serde_json::Value;

use crate::folder::Folder;
use crate::process::Process;
use crate::{binary, http, wait};

/// A Prometheus that receives by OTLP and scrapes nothing.
#[derive(Debug)]
pub struct Prometheus {
    _process: Process,
    url: String,
    _folder: Folder,
}

/// The newest value of one series.
#[derive(Clone, Debug)]
pub struct Series {
    labels: Value,
    /// Its value.
    pub value: f64,
}

impl Prometheus {
    pub(super) fn start() -> Self {
        let folder = Folder::temporary();
        let ready = "Server is ready to receive web requests.";
        let (process, [port]) = super::start("prometheus", ready, |program, [port]| {
            program
                .arg(format!("--config.file={}", binary::repository().join("otel-collector/prometheus.yaml").display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .arg("--web.enable-otlp-receiver")
        });
        Self { _process: process, url: format!("http://127.0.0.1:{port}"), _folder: folder }
    }

    pub(super) fn receiver(&self) -> String {
        format!("{}/api/v1/otlp", self.url)
    }

    /// What `query` gives now, as a vector.
    pub fn query(&self, query: &str) -> Result<Vec<Series>, String> {
        let answer = http::get(&format!("{}/api/v1/query?query={}", self.url, http::encode(query)))?;
        let answer = answer.json();
        let result = answer["data"]["result"].as_array().ok_or_else(|| answer.to_string())?;
        let series = |series: &Value| Series {
            labels: series["metric"].clone(),
            value: series["value"][1].as_str().unwrap().parse().unwrap(),
        };
        Ok(result.iter().map(series).collect())
    }

    /// The one value that `query` gives now.
    pub fn value(&self, query: &str) -> Result<f64, String> {
        let series = self.query(query)?;
        match &series[..] {
            [one] => Ok(one.value),
            _ => Err(format!("{query} gives {series:?}")),
        }
    }

    /// Waits until `query` gives one value that is `good`.
    #[track_caller]
    pub fn wait_for(&self, query: &str, good: impl Fn(f64) -> bool) -> f64 {
        wait::until_ok(&format!("Prometheus has a good value of {query}"), || {
            let value = self.value(query)?;
            if good(value) { Ok(value) } else { Err(format!("{value}")) }
        })
    }
}

impl Series {
    /// Its name.
    pub fn name(&self) -> &str {
        self.label("__name__")
    }

    /// A label, or nothing.
    pub fn label(&self, name: &str) -> &str {
        self.labels[name].as_str().unwrap_or_default()
    }

    /// The names of all its labels.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.as_object().into_iter().flatten().map(|(name, _)| name.as_str())
    }
}
