//! Prometheus: metrics in by OTLP or by scraping, out by its query API.

use std::fs;

use serde_json::Value;

use crate::folder::Folder;
use crate::process::{Process, Program};
use crate::{binary, http, wait};

/// A Prometheus that receives by OTLP and, where its configuration says so, scrapes.
#[derive(Debug)]
pub struct Prometheus {
    _process: Process,
    url: String,
    folder: Folder,
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
        Self::start_with(&[])
    }

    /// Starts one of the test's own, with more flags.
    #[track_caller]
    pub fn start_with(flags: &[&str]) -> Self {
        let folder = Folder::temporary();
        write_config(&folder, |config| config);
        let ready = "Server is ready to receive web requests.";
        let (process, [port]) = super::start("prometheus", ready, |program, [port]| {
            program
                .arg(format!("--config.file={}", folder.path().join(CONFIG).display()))
                .arg(format!("--storage.tsdb.path={}", folder.path().display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .args(["--web.enable-otlp-receiver", "--web.enable-lifecycle"])
                .args(flags.iter().copied())
        });
        Self { _process: process, url: format!("http://127.0.0.1:{port}"), folder }
    }

    /// Has it read the repository's configuration anew, as `edit` changes it.
    #[track_caller]
    pub fn configure(&self, edit: impl FnOnce(String) -> String) {
        write_config(&self.folder, edit);
        let answer = http::ask("POST", &format!("{}/-/reload", self.url)).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// Where it receives OTLP; the signal's path is to be added.
    pub fn receiver(&self) -> String {
        format!("{}/api/v1/otlp", self.url)
    }

    /// What `query` gives now, as a vector.
    pub fn query(&self, query: &str) -> Result<Vec<Series>, String> {
        let data = self.api(&format!("query?query={}", http::encode(query)))?;
        let result = data["result"].as_array().ok_or_else(|| data.to_string())?;
        let series = |series: &Value| Series {
            labels: series["metric"].clone(),
            value: series["value"][1].as_str().unwrap().parse().unwrap(),
        };
        Ok(result.iter().map(series).collect())
    }

    /// What it answers at `path` of its API.
    pub fn api(&self, path: &str) -> Result<Value, String> {
        let answer = http::get(&format!("{}/api/v1/{path}", self.url))?.json();
        if answer["status"] == "success" { Ok(answer["data"].clone()) } else { Err(answer.to_string()) }
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

const CONFIG: &str = "prometheus.yaml";

/// Beside it there are no rules: those of the repository are named in full.
fn write_config(folder: &Folder, edit: impl FnOnce(String) -> String) {
    let of_repository = binary::repository().join("otel-collector");
    let config = fs::read_to_string(of_repository.join(CONFIG)).unwrap();
    let config = config.replace("- rules/", &format!("- {}/", of_repository.join("rules").display()));
    fs::write(folder.path().join(CONFIG), edit(config)).unwrap();
}

/// Runs `promtool` with these arguments and, where it reads any, this on its standard input; returns how it ended.
#[track_caller]
pub fn promtool(arguments: &[&str], input: Option<&str>) -> Process {
    let program = Program::at(&super::path_of("promtool")).args(arguments.iter().copied());
    let Some(input) = input else { return program.run() };
    let mut process = program.with_input().start();
    process.tell(input);
    process.close_input();
    process.wait();
    process
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
