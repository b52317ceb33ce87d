//! Those that say what is told, and where.

use highwater_e2e::pattern::fits;
use highwater_e2e::process::Process;
use highwater_e2e::sick::{Ailment, Sick};
use highwater_e2e::wait;

use super::{AT_ONCE, end, start, wait_for};

const PATHS: [&str; 3] = ["/v1/metrics", "/v1/logs", "/v1/traces"];
const UNSENT: (&str, &str) = ("OTEL_SDK_DISABLED", "true");

/// With a whole episode behind it, told to `collector` and ended.
#[track_caller]
fn episode(collector: &Sick, variables: &[(&str, &str)]) -> (String, String) {
    let endpoint = collector.endpoint();
    let process = start(|program| {
        program.variables(&AT_ONCE).variable("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint).variables(variables)
    });
    through_an_episode(process)
}

#[track_caller]
fn through_an_episode(mut process: Process) -> (String, String) {
    let level = |level: &str, process: &mut Process| {
        wait::until_ok(&format!("the level is {level}"), || {
            process.tell("status");
            let output = process.output();
            let last = output.lines().rev().find(|line| line.starts_with("Status")).unwrap_or_default().to_owned();
            if last.contains(&format!("level: {level}")) { Ok(()) } else { Err(last) }
        });
    };
    process.tell("take 100");
    level("Elevated", &mut process);
    process.tell("drop");
    level("Normal", &mut process);
    end(process)
}

#[track_caller]
fn arrived(collector: &Sick) -> [bool; 3] {
    PATHS.map(|path| !collector.requests(path, "").is_empty())
}

#[test]
fn each_exporter_can_be_left_out() {
    for (name, arrives) in [
        ("OTEL_METRICS_EXPORTER", [false, true, true]),
        ("OTEL_LOGS_EXPORTER", [true, false, true]),
        ("OTEL_TRACES_EXPORTER", [true, true, false]),
    ] {
        let collector = Sick::with(Ailment::None);
        let (_, error) = episode(&collector, &[(name, "none")]);
        assert_eq!(arrived(&collector), arrives, "{name}");
        assert!(error.contains("memory is elevated"), "the log is the host's: {error}");
    }
}

#[test]
fn a_sampler_that_takes_nothing_leaves_the_spans_out_and_that_is_said_once() {
    let collector = Sick::with(Ailment::None);
    let (_, error) = episode(&collector, &[("OTEL_TRACES_SAMPLER", "parentbased_always_off")]);
    assert_eq!(arrived(&collector), [true, true, false]);
    assert_eq!(error.matches("no traces (OTEL_TRACES_SAMPLER)").count(), 1, "{error}");
    let begun = collector.requests("/v1/logs", "highwater.memory.episode.begun");
    assert!(
        begun[0].body.windows(20).any(|text| text == b"highwater.episode.id"),
        "an episode has its id all the same"
    );
}

#[test]
fn events_go_where_they_are_wanted() {
    for (to, arrives, said) in [
        ("otlp,tracing", [true, true, true], true),
        ("otlp", [true, true, true], false),
        ("tracing", [true, false, true], true),
        ("none", [true, false, true], false),
    ] {
        let collector = Sick::with(Ailment::None);
        let (_, error) = episode(&collector, &[("HIGHWATER_EVENTS", to)]);
        assert_eq!(arrived(&collector), arrives, "{to}");
        assert_eq!(error.contains("memory is elevated"), said, "{to}: {error}");
        assert!(error.contains(": limit 128MiB (config)"), "what is no event is said all the same: {error}");
    }
}

#[test]
fn each_signal_has_its_own_address_headers_and_the_general_ones() {
    let (general, of_logs) = (Sick::with(Ailment::None), Sick::with(Ailment::None));
    let logs = format!("{}/in/logs/", of_logs.endpoint());
    episode(
        &general,
        &[
            ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=general%2C%20value"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &logs),
            ("OTEL_EXPORTER_OTLP_LOGS_HEADERS", "X-Logs=own"),
        ],
    );
    assert_eq!(arrived(&general), [true, false, true]);
    let metrics = &general.requests("/v1/metrics", "highwater.memory.used")[0];
    assert!(metrics.headers.contains("x-key: general, value\r\n"), "{}", metrics.headers);
    let logs = &of_logs.requests("/in/logs/", "highwater.memory.episode.begun")[0];
    assert!(logs.headers.contains("x-logs: own\r\n") && !logs.headers.contains("x-key"), "{}", logs.headers);
}

#[test]
fn the_console_has_the_metrics_the_events_and_the_spans() {
    let console = ["OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_TRACES_EXPORTER"].map(|name| (name, "console"));
    let collector = Sick::with(Ailment::None);
    let (output, _) = episode(&collector, &[&console[..], &[("OTEL_SERVICE_NAME", "cart")]].concat());
    assert_eq!(arrived(&collector), [false; 3]);
    for signal in ["metrics", "logs", "traces"] {
        let resource = format!("resource of the {signal} ");
        let said: Vec<_> = output.lines().filter(|line| line.starts_with(&resource)).collect();
        assert!(matches!(said[..], [said] if said.contains(" service.name=\"cart\" telemetry.")), "{signal}: {said:?}");
    }
    let lines = |beginning: &str| output.lines().filter(|line| line.starts_with(beginning)).collect::<Vec<_>>();
    let limit = lines("metric highwater.memory.limit ");
    assert_eq!(limit[0], "metric highwater.memory.limit 134217728 By highwater.limit.source=\"config\"");
    let begun = lines("event highwater.memory.episode.begun ");
    let [begun] = begun[..] else { panic!("{output}") };
    assert!(
        fits("event highwater.memory.episode.begun @-@-@T@:@:~Z WARN", &begun[..begun.find(" \"").unwrap()]),
        "{begun}"
    );
    assert!(begun.contains(" highwater.level=\"elevated\""), "{begun}");
    let root = lines("span \"memory episode\" ");
    let [root] = root[..] else { panic!("{output}") };
    assert!(root.contains(" parent= ") && root.contains(" highwater.ended_by=\"recovered\""), "{root}");
}

#[test]
fn a_report_says_in_one_line_at_a_time_how_the_memory_stands() {
    let report = [AT_ONCE[0], UNSENT, ("HIGHWATER_REPORT", "100ms")];
    let process = start(|program| program.variables(&report));
    wait_for("memory is normal: ", 3, || process.error());
    let (_, error) = end(process);
    let reports: Vec<_> = error.lines().filter(|line| line.starts_with("highwater: memory is normal: ")).collect();
    // So small a program holds less than a mebibyte, or a little more.
    let lines = ["KiB", "MiB"]
        .map(|unit| format!("highwater: memory is normal: external 0B, rss ~MiB, used ~{unit}, @ % of 128MiB"));
    for report in reports {
        assert!(lines.iter().any(|line| fits(line, report)), "{report}");
    }
}
