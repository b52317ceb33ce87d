//! Its settings, good and bad.

use std::io::ErrorKind;
use std::net::TcpListener;

use highwater_e2e::demo::Demo;
use highwater_e2e::process::Program;
use highwater_e2e::{binary, not_shown, ports, wait};

use super::{AT_ONCE, SMALL, fill};

#[test]
fn without_a_limit_around_it_the_demo_gives_itself_512_mib() {
    let demo = Demo::start(None, &[super::UNSENT]);
    let status = demo.status();
    if status["limitSource"] == "cgroup" {
        let test = "without_a_limit_around_it_the_demo_gives_itself_512_mib";
        return not_shown(test, "a cgroup limits this process already");
    }
    assert_eq!((&status["limit"], &status["limitSource"]), (&(512_u64 << 20).into(), &"config".into()));
}

#[test]
fn a_port_that_is_none_is_an_error_with_its_remedy() {
    for port in ["http", "70000", "-1", "3000 "] {
        let mut demo = Program::at(&binary::of("demo")).variable("PORT", port).run();
        assert_eq!(demo.wait().code(), Some(2));
        assert_eq!(demo.error(), format!("PORT={port:?}: not a port: write a number from 0 to 65535, such as 3000\n"),);
        assert_eq!(demo.output(), "");
    }
}

#[test]
fn a_port_that_is_taken_is_an_error() {
    let taken = ports::listener();
    let port = ports::port(&taken).to_string();
    let mut demo = Program::at(&binary::of("demo")).variables(&[("PORT", &port), Demo::NO_PAGE]).run();
    assert_eq!(demo.wait().code(), Some(1));
    let remedy = "(HOST and PORT choose another address)";
    let why = format!("cannot serve http://127.0.0.1:{port} {remedy}: Address already in use (os error 98)");
    assert!(demo.error().lines().any(|line| line == why), "{}", demo.error());
}

#[test]
fn the_healthcheck_says_whether_a_demo_answers() {
    let demo = Demo::start(None, &[super::UNSENT]);
    let url = demo.url("");
    let port = url.rsplit_once(':').unwrap().1;
    let check = || Program::at(&binary::of("demo")).arg("healthcheck").variable("PORT", port).run();
    let mut healthy = check();
    assert_eq!((healthy.wait().code(), healthy.error()), (Some(0), String::new()));
    drop(demo);
    let mut unhealthy = check();
    assert_eq!(unhealthy.wait().code(), Some(1));
    assert!(unhealthy.error().starts_with("unhealthy: "), "{}", unhealthy.error());
}

#[test]
fn a_setting_of_the_agents_that_cannot_be_used_is_an_error_with_its_remedy() {
    let mut demo = Program::at(&binary::of("demo")).variables(&[("HIGHWATER_LIMIT", "a lot"), ("PORT", "0")]).run();
    assert_eq!(demo.wait().code(), Some(2));
    let remedy = "not an amount of memory: write a number of bytes or one with a unit, such as 512MiB, 6GiB or 500MB";
    assert_eq!(demo.error(), format!("HIGHWATER_LIMIT=\"a lot\": {remedy}\n"));
    assert_eq!(demo.output(), "");
}

#[test]
fn a_disabled_agent_still_reads_and_sends_nothing() {
    let (demo, collector) = before_a_collector(("HIGHWATER_DISABLED", "true"));
    let answer = fill(&demo, "/allocate");
    assert_eq!(answer.status, 507, "the limit is read on demand: {answer:?}");
    let status = &answer.json()["highwater"];
    assert!(status["heapUsed"].as_u64().unwrap() > 32 << 20, "{answer:?}");
    wait_for_reports(&demo, 1);
    assert_eq!((&demo.status()["level"], &demo.status()["episode"]), (&"normal".into(), &serde_json::Value::Null));
    nobody_connected(&collector);
    assert_eq!(demo.process().error(), "", "nothing starts, and nothing is told");
}

#[test]
fn a_disabled_agent_leaves_the_demo_its_own_limit() {
    let demo = Demo::start(None, &[("HIGHWATER_DISABLED", "true")]);
    assert!(demo.status()["limit"].is_u64(), "/allocate has to refuse somewhere: {}", demo.status());
}

#[test]
fn a_disabled_sdk_sends_nothing_and_judges() {
    let (demo, collector) = before_a_collector(super::UNSENT);
    fill(&demo, "/allocate");
    let trace = demo.wait_for_level("critical");
    assert_eq!(trace.len(), 32, "an episode has its id: {trace}");
    demo.wait_for_word("highwater: memory ");
    demo.get("/release");
    demo.wait_for_level("normal");
    wait_for_reports(&demo, 1);
    nobody_connected(&collector);
}

/// A demo and the socket that its telemetry would go to.
#[track_caller]
fn before_a_collector(setting: (&str, &str)) -> (Demo, TcpListener) {
    let collector = ports::listener();
    collector.set_nonblocking(true).unwrap();
    let endpoint = format!("http://127.0.0.1:{}", ports::port(&collector));
    let sent = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_METRIC_EXPORT_INTERVAL", "100"),
        ("HIGHWATER_HOLD_LEAVE", "0s"),
    ];
    (Demo::start(None, &[&[SMALL, setting], &AT_ONCE[..], &sent].concat()), collector)
}

/// Time passes: a report comes every 5 s.
#[track_caller]
fn wait_for_reports(demo: &Demo, reports: usize) {
    let reported = || demo.process().output().matches("Object count").count() >= reports;
    wait::until("the console report", || reported().then_some(()));
}

#[track_caller]
fn nobody_connected(collector: &TcpListener) {
    let connection = collector.accept();
    assert!(connection.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock), "{connection:?}");
}
