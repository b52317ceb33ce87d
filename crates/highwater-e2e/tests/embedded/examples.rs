//! The packages in `examples/`, run as they are.

use std::collections::BTreeSet;
use std::time::Duration;

use highwater_e2e::pattern::assert_fits;
use highwater_e2e::peers::Peers;
use highwater_e2e::process::{Process, Program};
use highwater_e2e::wait::Stopwatch;
use highwater_e2e::{binary, ports, wait};

use super::instance;

/// What both report in place of a collector's address.
const UNSENT: (&str, &str) = ("OTEL_SDK_DISABLED", "true");

#[track_caller]
fn run(package: &'static str, variables: &[(&str, &str)]) -> Process {
    let mut process = Program::at(&binary::of(package)).variables(variables).start();
    process.wait_for_success();
    process
}

#[test]
fn minimal_prints_what_its_steps_hold() {
    let minimal = run("minimal", &[UNSENT]);
    let step = |number: u32| format!("step {number}: heapUsed ~MiB, heapTotal ~MiB, rss ~MiB\n");
    let steps: String = (1..=4).map(step).collect();
    assert_fits(&format!("{steps}4 pieces held, level normal\n"), &minimal.output());
    for (number, line) in (1..=4_u32).zip(minimal.output().lines()) {
        let held = line.split([' ', ',']).find_map(|word| word.strip_suffix("MiB")?.parse::<f64>().ok()).unwrap();
        let expected = f64::from(16 * number);
        assert!((expected..expected + 2.0).contains(&held), "{line}");
    }
    assert_fits("highwater: @.@.@: limit", &minimal.error()[..minimal.error().find("limit").unwrap() + 5]);
}

#[test]
fn a_setting_that_cannot_be_used_does_not_keep_a_program_from_running() {
    let minimal = run("minimal", &[UNSENT, ("HIGHWATER_LIMIT", "a lot")]);
    assert_eq!(minimal.error().matches("HIGHWATER_LIMIT=\"a lot\": not an amount of memory").count(), 1);
    assert!(minimal.output().ends_with("level normal\n"));
}

#[test]
fn the_numbers_of_a_process_shorter_than_one_interval_arrive() {
    let peers = Peers::shared();
    let (id, resource) = instance();
    let program = binary::of("minimal");
    let clock = Stopwatch::start();
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", peers.collector.endpoint());
    Program::at(&program).variables(&[endpoint, ("OTEL_RESOURCE_ATTRIBUTES", &resource)]).start().wait_for_success();
    assert!(clock.elapsed() < Duration::from_secs(10), "shorter than the default interval: {:?}", clock.elapsed());
    let series = |name: &str| format!("{name}{{instance=\"{id}\"}}");
    peers.prometheus.wait_for(&series("jemalloc_memory_allocated_bytes"), |bytes| bytes > 0.0);
    peers.prometheus.wait_for(&series("process_memory_usage_bytes"), |bytes| bytes > 0.0);
    // Nobody named the service.
    let job = peers.prometheus.query(&series("target_info")).unwrap()[0].label("job").to_owned();
    assert_eq!(job, "unknown_service:minimal");
}

#[test]
fn without_a_collector_a_program_ends_soon_and_well() {
    let [port] = ports::free();
    let endpoint = format!("http://127.0.0.1:{port}");
    let mut minimal = Program::at(&binary::of("minimal")).variable("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).start();
    let took = minimal.wait_for_success();
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(minimal.error().matches("cannot send").count() <= 1, "{}", minimal.error());
}

#[test]
fn beside_another_allocator_its_numbers_are_absent_and_that_is_said_once() {
    let peers = Peers::shared();
    let (id, resource) = instance();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", peers.collector.endpoint()),
        ("OTEL_RESOURCE_ATTRIBUTES", resource.as_str()),
        ("HIGHWATER_METRICS", "all"),
    ];
    let process = run("system-allocator", &variables);
    let said = "heapUsed absent: the allocator is not jemalloc\nrss ~MiB, used ~MiB, 67108864 bytes held\n";
    assert_fits(said, &process.output());
    let error = process.error();
    assert_eq!(error.matches("allocator not jemalloc (its numbers are absent)").count(), 1, "{error}");
    assert_eq!(error.lines().count(), 1, "nothing else is said: {error}");

    let ours = format!(r#"{{instance="{id}",__name__=~"(highwater|jemalloc|process)_.+"}}"#);
    let names = wait::until_ok("Prometheus has its numbers", || {
        let series = peers.prometheus.query(&ours)?;
        let names: BTreeSet<_> = series.iter().map(|series| series.name().to_owned()).collect();
        if names.contains("process_memory_usage_bytes") { Ok(names) } else { Err(format!("{names:?}")) }
    });
    assert!(names.contains("highwater_process_memory_usage_bytes"), "{names:?}");
    let absent = |name: &&String| name.starts_with("jemalloc") || name.contains("unattributed");
    assert_eq!(names.iter().find(absent), None);
}

#[test]
fn on_a_hosts_own_pipeline_all_goes_by_its_providers() {
    let collector = ports::listener();
    collector.set_nonblocking(true).unwrap();
    let endpoint = format!("http://127.0.0.1:{}", ports::port(&collector));
    let resource = "service.instance.id=of-the-host";
    let process =
        run("own-pipeline", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), ("OTEL_RESOURCE_ATTRIBUTES", resource)]);
    assert!(process.error().contains("telemetry by the host's own providers"), "{}", process.error());
    assert!(collector.accept().is_err(), "the agent has no pipeline of its own");

    let output = process.output();
    let heard: Vec<_> = output.lines().filter_map(|line| line.strip_prefix("heard: ")).collect();
    assert_eq!(heard.len(), 2, "{heard:?}");
    assert_fits("memory is elevated: ~MiB used, @ % of 64MiB", heard[0].split(';').next().unwrap());
    assert!(heard[1].starts_with("memory is normal again after "), "{heard:?}");

    // The words after `key:`, wherever it stands.
    let values = |key: &str| -> Vec<String> {
        let value = |line: &str| {
            let (name, value) = line.trim().trim_start_matches("->").split_once(':')?;
            (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
        };
        output.lines().filter_map(value).collect()
    };
    assert_eq!(values("EventName"), ["highwater.memory.episode.begun", "highwater.memory.episode.ended"]);
    let names = values("Name");
    for span in ["memory episode begun", "memory elevated", "memory episode"] {
        assert_eq!(names.iter().filter(|name| *name == span).count(), 1, "{span} in {names:?}");
    }
    for metric in ["process.memory.usage", "jemalloc.memory.allocated", "highwater.memory.limit"] {
        assert!(names.iter().any(|name| name == metric), "{metric} in {names:?}");
    }
    // Of two records and three spans; the episode's id is that of the host's trace.
    let traces = values("TraceId");
    assert_eq!((traces.len(), traces.iter().collect::<BTreeSet<_>>().len()), (5, 1), "{traces:?}");
    assert!(output.matches("highwater.episode.id").count() >= 5, "{output}");
    let told = output.lines().filter(|line| line.contains("highwater.episode.id"));
    assert!(told.into_iter().all(|line| line.contains(&traces[0])), "{output}");
    assert!(output.matches("of-the-host").count() >= 3, "the resource of each signal is the agent's: {output}");
}
