//! What a black box holds, for a person or as JSON.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use highwater::black_box::{BlackBox, Moment, Value};
use highwater::{Bytes, PreviousRun};
use serde_json::{Map, json};

use crate::options;

/// Prints it. The error is what went wrong, in one line.
pub(crate) fn run(options: &options::BlackBox) -> Result<(), String> {
    let of_file = |why: &dyn std::fmt::Display| format!("{}: {why}", options.file.display());
    let black_box = BlackBox::read(&options.file).map_err(|error| of_file(&error))?;
    let in_use = BlackBox::is_in_use(&options.file).map_err(|error| of_file(&error))?;
    let run = PreviousRun::judged(black_box);
    let text = if options.json { json(&run, in_use) } else { words(&run, in_use) };
    let mut output = io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(format!("standard output: {error}")),
        _ => Ok(()),
    }
}

fn date(at: Option<SystemTime>) -> Option<String> {
    at.map(|at| humantime::format_rfc3339_millis(at).to_string())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn words(run: &PreviousRun, in_use: bool) -> String {
    let left = run.black_box();
    let mut text = String::new();
    let mut line = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(&format!("{name:<12} {value}\n"));
        }
    };
    let end = if in_use { "it runs: its box is in use".to_owned() } else { run.to_string() };
    line("end", Some(end));
    line("service", left.attribute("service.name").map(str::to_owned));
    line("instance", left.attribute("service.instance.id").map(str::to_owned));
    line("process", Some(format!("{}, started {}", left.process(), date(left.started()).unwrap_or_default())));
    line("run", Some(left.run().to_owned()));
    line("agent", Some(left.config().to_owned()));
    line("last seen", date(left.last_seen()));
    line("level", Some(left.level().to_string()));
    line("limit", left.limit().map(|limit| format!("{} ({})", limit.bytes, limit.source.as_str())));
    if let Some(episode) = left.episode() {
        line("episode", Some(format!("{} since {}", episode.level, date(episode.began).unwrap_or_default())));
        line("trace", episode.trace.map(|trace| hex(&trace)));
        line("peak", Some(format!("{}; what grew is {}", episode.peak, episode.cause.as_str())));
    }
    line("panic", left.panic().map(|panic| format!("{} at {}", date(panic.at).unwrap_or_default(), panic.place)));
    line("exit", date(left.exited()));
    for site in left.sites() {
        line("holds", Some(site.to_string()));
    }
    line("captures", Some(left.captures().count().to_string()).filter(|count| count != "0"));
    text.push_str("\n   before the end         used          rss    allocated  level\n");
    let last = left.samples().last().map(|sample| sample.elapsed).unwrap_or_default();
    for sample in left.samples() {
        let before =
            Duration::from_millis(u64::try_from(last.saturating_sub(sample.elapsed).as_millis()).unwrap_or(u64::MAX));
        let amount = |amount: Option<Bytes>| amount.map_or_else(|| "-".to_owned(), |amount| amount.to_string());
        let amounts = [sample.used, sample.rss, sample.allocated].map(|bytes| format!("{:>12}", amount(bytes)));
        let before = humantime::format_duration(before).to_string();
        text.push_str(&format!("{before:>17} {}  {}\n", amounts.join(" "), sample.level));
    }
    text
}

fn json(run: &PreviousRun, in_use: bool) -> String {
    let left = run.black_box();
    let resource: Map<_, _> = left
        .resource()
        .iter()
        .map(|(key, value)| {
            let value = match value {
                Value::Int(whole) => json!(whole),
                other => json!(other.to_string()),
            };
            (key.clone(), value)
        })
        .collect();
    let episode = left.episode().map(|episode| {
        json!({
            "trace": episode.trace.map(|trace| hex(&trace)),
            "root": episode.root.map(|root| hex(&root)),
            "began": date(episode.began),
            "level": episode.level.as_str(),
            "cause": episode.cause.as_str(),
            "peak": episode.peak.get(),
        })
    });
    let site = |site: &highwater::Site| {
        json!({
            "function": site.function,
            "module": site.module,
            "build_id": site.build_id,
            "offset": site.offset,
            "bytes": site.bytes.get(),
            "objects": site.objects,
            "grown": site.grown,
        })
    };
    let sample = |sample: &Moment| {
        let bytes = |amount: Option<Bytes>| amount.map(Bytes::get);
        json!({
            "number": sample.number,
            "at": date(sample.at),
            "seconds": sample.elapsed.as_secs_f64(),
            "level": sample.level.as_str(),
            "used": bytes(sample.used),
            "limit": bytes(sample.limit),
            "rss": bytes(sample.rss),
            "anon": bytes(sample.anon),
            "allocated": bytes(sample.allocated),
            "active": bytes(sample.active),
            "resident": bytes(sample.resident),
            "external": bytes(sample.external),
            "cgroup_usage": bytes(sample.cgroup_usage),
            "oom_kills": sample.oom_kills,
        })
    };
    let ended = |text: &str| (!in_use).then(|| text.to_owned());
    let all = json!({
        "in_use": in_use,
        "verdict": ended(run.verdict().as_str()),
        "confidence": ended(run.confidence().as_str()),
        "sentence": ended(&run.to_string()),
        "run": left.run(),
        "agent_version": left.agent_version(),
        "config": left.config(),
        "process": left.process(),
        "started": date(left.started()),
        "began": date(left.began()),
        "last_seen": date(left.last_seen()),
        "boot_id": left.boot_id(),
        "resource": resource,
        "level": left.level().as_str(),
        "limit": left.limit().map(|limit| json!({"bytes": limit.bytes.get(), "source": limit.source.as_str()})),
        "slope": left.last_slope(),
        "closed": left.is_closed(),
        "panic": left.panic().map(|panic| json!({"at": date(panic.at), "place": panic.place, "main": panic.in_main})),
        "exited": date(left.exited()),
        "episode": episode,
        "sites": left.sites().iter().map(site).collect::<Vec<_>>(),
        "captures": left.captures().map(|at| date(Some(at))).collect::<Vec<_>>(),
        "samples": left.samples().iter().map(sample).collect::<Vec<_>>(),
    });
    format!("{all:#}\n")
}
