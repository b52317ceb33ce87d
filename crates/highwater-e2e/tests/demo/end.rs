//! Its end, when nothing helps.

use std::time::Duration;

use highwater_e2e::demo::Demo;
use highwater_e2e::folder::Folder;
use highwater_e2e::process::Program;
use highwater_e2e::{binary, ports};

use super::{AT_ONCE, SMALL, fill};

/// With an episode open, and telemetry on its way to `port`.
#[track_caller]
fn in_an_episode(port: u16) -> Demo {
    let endpoint = format!("http://127.0.0.1:{port}");
    let collector = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_METRIC_EXPORT_INTERVAL", "200")];
    let demo = Demo::start(None, &[&[SMALL], &AT_ONCE[..], &collector].concat());
    fill(&demo, "/allocate");
    demo.wait_for_level("critical");
    demo
}

#[track_caller]
fn ends_in_time(mut demo: Demo, signal: &str) {
    demo.process().signal(signal);
    let took = demo.process_mut().wait_for_success();
    assert!(took < Duration::from_secs(5), "{signal}: {took:?}");
    let error = demo.process().error();
    assert!(error.contains("memory was still raised"), "the end of the episode is told: {error}");
}

#[test]
fn it_ends_in_time_although_no_collector_listens() {
    let [port] = ports::free();
    ends_in_time(in_an_episode(port), "TERM");
    ends_in_time(in_an_episode(port), "INT");
}

#[test]
fn it_ends_in_time_although_the_collector_hangs() {
    let hangs = ports::listener();
    ends_in_time(in_an_episode(ports::port(&hangs)), "TERM");
    ends_in_time(in_an_episode(ports::port(&hangs)), "INT");
}

#[test]
fn it_ends_in_time_although_a_client_keeps_its_connection() {
    let demo = Demo::start(None, &[SMALL, super::UNSENT, AT_ONCE[0], AT_ONCE[1]]);
    fill(&demo, "/allocate");
    demo.wait_for_level("critical");
    let address = demo.url("").trim_start_matches("http://").to_owned();
    let _client = std::net::TcpStream::connect(address).unwrap();
    ends_in_time(demo, "TERM");
}

#[test]
fn killed_it_leaves_nothing_behind() {
    let folder = Folder::temporary();
    let program =
        || Program::at(&binary::of("demo")).in_folder(folder.path()).variables(&[SMALL, super::UNSENT, Demo::NO_PAGE]);
    let mut first = Demo::of(program().variable("PORT", "0"));
    fill(&first, "/allocate");
    first.process().signal("KILL");
    assert_eq!(first.process_mut().wait().code(), None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "no file unasked");
    let port = first.url("").rsplit_once(':').unwrap().1.to_owned();
    let second = Demo::of(program().variable("PORT", port));
    assert_eq!(second.get("/allocate").json()["objectCount"], 1);
}
