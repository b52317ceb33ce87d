//! Those that cannot be used.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use highwater_e2e::pattern::fits;
use highwater_e2e::ports;
use highwater_e2e::sick::{Ailment, Sick};

use super::{AT_ONCE, end, start, wait_for};

/// A row of them, and what is said of each.
const BAD: [(&str, &str, &str); 13] = [
    ("HIGHWATER_LEVEL_ELEVATED", "high", "not a level: write a share of the limit (85%), an amount"),
    ("HIGHWATER_LEVEL_HIGH", "93%", "level high (93%) must lie at least 5 points below level critical (95%)"),
    ("HIGHWATER_LEVEL_CRITICAL", "6GiB", "makes no sense under the limit of 128MiB (HIGHWATER_LIMIT)"),
    ("HIGHWATER_HOLD_ELEVATED", "-1s", "not a duration up to a day: write one with a unit, such as 30s"),
    ("HIGHWATER_METRICS", "core,+heap.size", "names no metric: write core or all"),
    ("HIGHWATER_REPORT", "0s", "a line more often than every 100 ms is not for reading: write 5s"),
    ("HIGHWATER_RECORD_SIZE", "1KiB", "too small for a recording: write at least 64KiB"),
    ("HIGHWATER_DISABLED", "1", "neither true nor false: write one of them"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "JSON is not built in: every collector takes http/protobuf"),
    ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector:4318", "not an address of a collector: write http://HOST:PORT"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "5s", "not an interval from 100 ms to 1 h: write milliseconds"),
    ("OTEL_METRICS_EXPORTER", "prometheus", "Prometheus takes OTLP: start it with --web.enable-otlp-receiver"),
    ("OTEL_TRACES_SAMPLER", "sometimes", "not a sampler: write always_off for no spans"),
];

#[test]
fn a_row_of_settings_that_cannot_be_used_is_said_once_each_and_the_program_runs() {
    let collector = Sick::with(Ailment::None);
    let bad = BAD.map(|(name, value, _)| (name, value));
    let process = start(|program| {
        program
            .variable("HIGHWATER_LIMIT", "128MiB")
            .variable("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
            .variable("OTEL_SERVICE_NAME", OsStr::from_bytes(b"caf\xe9"))
            .variable("HIGHWATER_HOLD_HIGH", "")
            .variables(&bad)
    });
    wait_for(": limit ", 1, || process.error());
    let (output, error) = end(process);
    assert!(output.contains("delivered true"), "{output}");
    let (said, rest): (Vec<_>, Vec<_>) = error.lines().partition(|line| line.ends_with("; the default is taken"));
    for (name, value, remedy) in BAD {
        let about: Vec<_> = said.iter().filter(|line| line.starts_with(&format!("highwater: {name}="))).collect();
        let [line] = about[..] else { panic!("{name} in {error}") };
        assert!(line.contains(remedy), "{line}");
        // A selection that is wrong names what is wrong of it.
        assert!(line.contains(&format!("{value:?}")), "{line}");
    }
    let name = "highwater: OTEL_SERVICE_NAME=\"caf\u{fffd}\": not Unicode: write it in UTF-8; the default is taken";
    assert_eq!(said.iter().filter(|line| **line == name).count(), 1, "{error}");
    assert_eq!(said.len(), BAD.len() + 1, "nothing is said of a variable that is empty: {error}");

    // Those that are good hold, and of the others the defaults.
    let expected = format!(
        "highwater: @.@.@: limit 128MiB (config), allocator not jemalloc (its numbers are absent), levels 75% 85% 95%, growth after 30m, \
         OTLP to {} every 10s",
        collector.endpoint()
    );
    assert!(fits(&expected, rest[0]), "{} is not {expected}", rest[0]);
}

#[test]
fn no_credential_of_a_setting_that_cannot_be_used_is_said() {
    let [port] = ports::free();
    let process = start(|program| {
        program.variables(&[
            ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%2sEcReT,x=1"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "authorization: Bearer sEcReT"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://user:sEcReT@127.0.0.1:{port}")),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://traces.example/?key=sEcReT"),
        ])
    });
    wait_for("; the default is taken", 4, || process.error());
    let (_, error) = end(process);
    assert!(!error.contains("sEcReT"), "{error}");
    for said in [
        "OTEL_EXPORTER_OTLP_HEADERS=\"authorization=***,x=***\": ",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS=\"***\": ",
        &format!("OTEL_EXPORTER_OTLP_ENDPOINT=\"http://***@127.0.0.1:{port}\": "),
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=\"https://traces.example/?***\": ",
    ] {
        assert_eq!(error.matches(said).count(), 1, "{said} in {error}");
    }
}

#[test]
fn headers_of_an_address_that_cannot_be_used_are_sent_to_no_other() {
    let collector = Sick::with(Ailment::None);
    let process = start(|program| {
        program.variables(&AT_ONCE).variables(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint()),
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-general=shown"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "http://elsewhere:port"),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "x-elsewhere=sEcReT"),
        ])
    });
    let mut process = process;
    process.tell("take 100");
    wait_for("memory is ", 1, || process.error());
    end(process);
    let logs = collector.requests("/v1/logs", "highwater.memory.episode.begun");
    assert_eq!(logs.len(), 1);
    assert!(logs[0].headers.contains("x-general: shown") && !logs[0].headers.contains("elsewhere"), "{logs:?}");
}
