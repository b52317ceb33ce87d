//! The rules: promtool's tests of them, what they ask for, and alerts from a real demo at its real limit.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use highwater_e2e::peers::{Prometheus, promtool};
use highwater_e2e::{binary, wait};
use serde_json::Value;

use crate::names;
use crate::scene::{INSTANCE, SERVICE, Scene};

#[test]
fn each_alert_fires_and_stays_silent_where_promtool_s_tests_say_so() {
    let file = |name: &str| binary::repository().join("otel-collector").join(name).display().to_string();
    for arguments in [
        ["check", "config", &file("prometheus.yaml")],
        ["check", "rules", &file("rules/highwater.yaml")],
        ["test", "rules", &file("rules/tests/highwater.yaml")],
    ] {
        let mut promtool = promtool(&arguments, None);
        assert!(promtool.wait().success(), "{arguments:?}: {}{}", promtool.output(), promtool.error());
    }
    let tests = fs::read_to_string(file("rules/tests/highwater.yaml")).unwrap();
    for alert in alerts(&Prometheus::start_with(&[])) {
        let name = alert["name"].as_str().unwrap();
        let fires = format!("      - alertname: {name}\n");
        assert!(tests.contains(&fires), "{name} is not tested to fire");
    }
}

#[test]
fn each_alert_says_how_bad_it_is_and_has_a_section_among_the_runbooks() {
    let runbooks = fs::read_to_string(binary::repository().join("docs/runbooks.md")).unwrap();
    let sections: BTreeSet<&str> = runbooks.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let alerts = alerts(&Prometheus::start_with(&[]));
    let names: BTreeSet<&str> = alerts.iter().map(|alert| alert["name"].as_str().unwrap()).collect();
    assert_eq!(names, sections);
    for alert in &alerts {
        let (name, annotations) = (alert["name"].as_str().unwrap(), &alert["annotations"]);
        assert!(["critical", "warning", "info"].map(Value::from).contains(&alert["labels"]["severity"]), "{alert}");
        assert_eq!(annotations["runbook"], format!("docs/runbooks.md#{}", name.to_lowercase()));
        for text in ["summary", "description"] {
            assert!(annotations[text].as_str().is_some_and(|text| !text.is_empty()), "{name} has no {text}");
        }
    }
}

#[test]
fn an_alert_that_asks_for_more_than_is_sent_by_default_has_a_section_that_says_so() {
    let runbooks = fs::read_to_string(binary::repository().join("docs/runbooks.md")).unwrap();
    let of_agent = names::of_the_agent();
    let prometheus = Prometheus::start_with(&[]);
    let name_of = |rule: &Value| rule["name"].as_str().unwrap().to_owned();
    let asked_by = |rule: &Value| names::asked(&prometheus, rule["query"].as_str().unwrap());
    let (recording, alerts): (Vec<Value>, Vec<Value>) =
        all(&prometheus).into_iter().partition(|rule| rule["type"] == "recording");
    let recorded: BTreeMap<_, _> = recording.iter().map(|rule| (name_of(rule), asked_by(rule))).collect();

    let mut needy = Vec::new();
    for alert in &alerts {
        let (alert, asked) = (name_of(alert), asked_by(alert));
        let behind = asked.iter().filter_map(|name| recorded.get(name)).flatten();
        let is_more = |name: &&String| of_agent.get(*name).is_some_and(|set| set != "core");
        let Some(metric) = asked.iter().chain(behind).find(is_more) else { continue };
        let section = runbooks.split("\n## ").find(|section| section.lines().next() == Some(alert.as_str()));
        assert!(section.is_some_and(|text| text.contains("HIGHWATER_METRICS")), "{alert} needs {metric}");
        needy.push(alert);
    }
    assert_eq!(needy, ["HighwaterMemoryStalls"]);
}

#[test]
fn a_service_at_its_limit_sets_off_alerts_and_all_that_is_asked_for_is_there() {
    let test = "a_service_at_its_limit_sets_off_alerts_and_all_that_is_asked_for_is_there";
    let Some(scene) = Scene::at_critical(test) else { return };
    let prometheus = &scene.peers.prometheus;

    for (name, summary) in [
        ("HighwaterCritical", format!("{SERVICE} is about to reach its memory limit")),
        ("HighwaterOomKilled", format!("the kernel killed a process of {SERVICE} for memory")),
    ] {
        let alert = wait::until_ok(&format!("{name} fires"), || {
            let alerts = prometheus.api("alerts")?;
            let fires = |alert: &&Value| alert["labels"]["alertname"] == name && alert["state"] == "firing";
            alerts["alerts"].as_array().unwrap().iter().find(fires).cloned().ok_or_else(|| alerts.to_string())
        });
        let labels = ["job", "instance", "severity"].map(|label| alert["labels"][label].as_str().unwrap_or_default());
        assert_eq!(labels, [SERVICE, INSTANCE, "critical"]);
        assert_eq!(alert["annotations"]["summary"], summary);
    }

    rules_ask_for_what_there_is(&scene);
    crate::dashboard::asks_for_what_there_is(&scene);
}

/// Every rule works, and every metric that one asks for has a name that exists and a value here.
#[track_caller]
fn rules_ask_for_what_there_is(scene: &Scene) {
    let prometheus = &scene.peers.prometheus;
    let rules = all(prometheus);
    let recorded = recorded(&rules);
    wait::until_ok("every rule has been looked at", || {
        let rules = all(prometheus);
        let bad: Vec<_> = rules.iter().filter(|rule| rule["health"] != "ok").collect();
        if bad.is_empty() { Ok(()) } else { Err(format!("{bad:#?}")) }
    });
    for rule in &rules {
        for name in names::asked(prometheus, rule["query"].as_str().unwrap()) {
            assert!(names::exists(&name, &recorded), "{name} in {rule}");
            if !absent(scene, &name) {
                wait::until_ok(&format!("{} finds {name}", rule["name"]), || has_data(prometheus, &name));
            }
        }
    }
}

/// What has no value in the scene, and why.
pub(crate) fn absent(scene: &Scene, name: &str) -> bool {
    match name {
        // Where the kernel measures no pressure, or not for this hierarchy.
        "highwater_pressure_some_time_seconds_total"
        | "highwater_pressure_full_time_seconds_total"
        | "instance:highwater_pressure_full:rate5m" => !scene.cgroup.has_pressure(),
        // The collector begins to count with the first that it counts, and here nothing fails.
        _ => name.starts_with("otelcol_") && (name.contains("_failed_") || name.contains("_refused_")),
    }
}

pub(crate) fn has_data(prometheus: &Prometheus, query: &str) -> Result<(), String> {
    let found = prometheus.query(query)?;
    if found.is_empty() { Err(format!("{query} gives nothing")) } else { Ok(()) }
}

pub(crate) fn recorded(rules: &[Value]) -> BTreeSet<String> {
    let recording = rules.iter().filter(|rule| rule["type"] == "recording");
    recording.map(|rule| rule["name"].as_str().unwrap().to_owned()).collect()
}

pub(crate) fn all(prometheus: &Prometheus) -> Vec<Value> {
    let groups = prometheus.api("rules").unwrap()["groups"].take();
    groups.as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

fn alerts(prometheus: &Prometheus) -> Vec<Value> {
    let alerts: Vec<_> = all(prometheus).into_iter().filter(|rule| rule["type"] == "alerting").collect();
    assert!(!alerts.is_empty(), "Prometheus has no rules");
    alerts
}
