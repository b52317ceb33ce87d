//! What it prints.

use std::time::Duration;

use highwater_e2e::demo::Demo;
use highwater_e2e::pattern::{assert_fits, fits};
use highwater_e2e::wait::{self, Stopwatch};
use highwater_e2e::{http, ports};

use super::{AT_ONCE, SMALL, UNSENT, fill};

#[test]
fn the_console_has_the_guides_report_every_five_seconds() {
    let demo = Demo::start(None, &[UNSENT]);
    demo.get("/allocate");
    demo.get("/buffer");
    let report = "\nMemory Metrics: { heapTotal: '@MB', heapUsed: '@MB', external: '1MB' }\nObject count: 1\n";
    let expect = |reports: usize| {
        let all = format!("Server running on {}\n{}", demo.url(""), report.repeat(reports));
        wait::until_ok("the next report", || {
            let output = demo.process().output();
            if fits(&all, &output) { Ok(()) } else { Err(output) }
        });
    };
    expect(1);
    let clock = Stopwatch::start();
    expect(2);
    assert!(clock.elapsed() > Duration::from_millis(4_500), "{:?}", clock.elapsed());
}

#[test]
fn the_start_is_one_line() {
    let demo = Demo::start(None, &[SMALL, UNSENT]);
    demo.wait_for_word("OTLP");
    let line = "highwater: ~: limit 128MiB (config), allocator jemalloc, levels 75% 85% 95%, growth after 30m, OTLP off (OTEL_SDK_DISABLED)\n";
    assert_fits(line, &demo.process().error());
    assert_fits("http://127.0.0.1:@", &demo.url(""));
}

#[test]
fn an_absent_collector_is_said_once() {
    let [port] = ports::free();
    let endpoint = format!("http://127.0.0.1:{port}");
    let collector = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_METRIC_EXPORT_INTERVAL", "100")];
    let demo = Demo::start(None, &[&[SMALL], &AT_ONCE[..], &collector].concat());
    demo.wait_for_word("cannot send metrics by OTLP");
    // All three signals fail meanwhile, the metrics several times.
    fill(&demo, "/allocate");
    demo.wait_for_level("critical");
    wait::until("5 s are over", || demo.process().output().contains("Object count").then_some(()));

    let error = demo.process().error();
    let is_told = |line: &str| line.starts_with("highwater: memory ") || line.contains("heap profile");
    let (words, told): (Vec<_>, Vec<_>) = error.lines().partition(|line| !is_told(line));
    assert_eq!(words.len(), 2, "the start and the absence: {error}");
    assert!(words[0].ends_with(&format!("OTLP to {endpoint} every 100ms")), "{error}");
    let absence = format!(
        "highwater: cannot send metrics by OTLP to {endpoint}/v1/metrics: io: Connection refused (os error 111); the agent goes on and \
         tries again (OTEL_EXPORTER_OTLP_ENDPOINT names the collector, OTEL_SDK_DISABLED=true sends nothing)"
    );
    assert_eq!(words[1], absence);
    assert!(!told.is_empty(), "a service without a collector hears of its levels: {error}");
    assert_eq!(http::get(&demo.url("/status")).unwrap().status, 200);
}
