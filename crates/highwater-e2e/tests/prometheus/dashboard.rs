//! Grafana's dashboard: its structure as Grafana wants it, and each of its expressions in the real Prometheus.

use std::collections::BTreeSet;
use std::fs;

use highwater_e2e::peers::Prometheus;
use highwater_e2e::{binary, wait};
use serde_json::Value;

use crate::names;
use crate::rules;
use crate::scene::{INSTANCE, SERVICE, Scene};

/// The last version of this format; Grafana 13 reads it as it is.
const SCHEMA: u64 = 42;
/// Of the grid that panels lie on.
const WIDTH: u64 = 24;

#[test]
fn panels_have_an_id_each_and_lie_beside_one_another_under_their_rows() {
    let dashboard = dashboard();
    assert_eq!(dashboard["schemaVersion"], SCHEMA);
    assert!(dashboard["id"].is_null(), "the id is Grafana's to give");
    let panels = list(&dashboard["panels"]);
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "an id comes twice");
    let titles: BTreeSet<&str> = panels.iter().map(|panel| text(&panel["title"])).collect();
    assert_eq!(titles.len(), panels.len(), "a title comes twice");

    let mut taken = BTreeSet::new();
    for panel in panels {
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(w > 0 && h > 0 && x + w <= WIDTH, "{panel}");
        for place in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(place), "{} lies on another at {place:?}", panel["title"]);
        }
    }
    let height = taken.iter().map(|(_, y)| y + 1).max().unwrap();
    assert_eq!(taken.len() as u64, height * WIDTH, "there are holes");
}

#[test]
fn every_panel_says_what_it_shows_and_what_it_needs() {
    let dashboard = dashboard();
    let variables: BTreeSet<&str> = list(&dashboard["templating"]["list"]).iter().map(|v| text(&v["name"])).collect();
    for variable in ["datasource", "traces", "job", "instance", "service", "jaeger_url"] {
        assert!(variables.contains(variable), "{variable}");
    }
    let of_agent = names::of_the_agent();
    let in_all: Vec<_> = of_agent.iter().filter(|(_, set)| *set == "all").map(|(name, _)| name).collect();
    assert!(in_all.len() > 10, "{of_agent:?}");
    for panel in list(&dashboard["panels"]).iter().filter(|panel| panel["type"] != "row") {
        let description = text(&panel["description"]);
        assert!(description.len() > 40, "{panel}");
        let targets = list(&panel["targets"]);
        let letters: BTreeSet<&str> = targets.iter().map(|target| text(&target["refId"])).collect();
        assert_eq!(letters.len(), targets.len(), "{panel}");
        // A data source is chosen in the dashboard, never named.
        for place in targets.iter().chain([panel]) {
            assert!(["${datasource}", "${traces}"].contains(&text(&place["datasource"]["uid"])), "{place}");
        }
        let expressions = targets.iter().filter_map(|target| target["expr"].as_str()).collect::<String>();
        let needs_all = in_all.iter().any(|name| expressions.contains(&format!("{name}{{")));
        assert_eq!(needs_all, description.contains("HIGHWATER_METRICS=all"), "{}", panel["title"]);
    }
}

#[test]
fn compose_gives_grafana_what_it_needs_file_by_file() {
    let root = binary::repository();
    let compose = fs::read_to_string(root.join("compose.yaml")).unwrap();
    let provider = fs::read_to_string(root.join("otel-collector/grafana/provider.yaml")).unwrap();
    let home = "/etc/highwater/dashboards/highwater.json";
    for file in ["datasources.yaml", "provider.yaml", "highwater.json"] {
        assert!(root.join("otel-collector/grafana").join(file).is_file(), "{file}");
        assert!(compose.contains(&format!("- ./otel-collector/grafana/{file}:/etc/")), "{file} is not mounted");
    }
    assert!(compose.contains(&format!("GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH: {home}")));
    assert!(compose.contains(&format!("highwater.json:{home}:ro")));
    assert!(provider.contains(&format!("path: {}\n", home.trim_end_matches("/highwater.json"))));
    let pinned = fs::read_to_string(root.join(".env")).unwrap();
    assert!(pinned.lines().any(|line| line.starts_with("GRAFANA_IMAGE=grafana/grafana:1")), "{pinned}");
}

/// Every expression of the dashboard gives something in the scene, by names that exist.
#[track_caller]
pub(crate) fn asks_for_what_there_is(scene: &Scene) {
    let prometheus = &scene.peers.prometheus;
    let recorded = rules::recorded(&rules::all(prometheus));
    let expressions = expressions(&dashboard());
    assert!(expressions.len() > 30, "{expressions:?}");
    for expression in expressions {
        let asked = names::asked(prometheus, &expression);
        for name in &asked {
            assert!(names::exists(name, &recorded), "{name} in {expression}");
        }
        let is_absent = |name: &String| rules::absent(scene, name) || sometimes(name);
        // What adds up to 0 where the collector counts nothing has a value all the same.
        if !asked.iter().any(is_absent) || expression.contains("vector(0)") {
            wait::until_ok(&format!("there is a value of {expression}"), || rules::has_data(prometheus, &expression));
        }
    }
    for (selector, label) in values(&dashboard(), prometheus) {
        let found = prometheus.query(&selector).unwrap();
        assert!(found.iter().any(|series| !series.label(&label).is_empty()), "{label} of {selector}: {found:?}");
    }
    // What its table of episodes and its links ask Jaeger for.
    for panel in list(&dashboard()["panels"]).iter().filter(|panel| panel["type"] == "table") {
        let operation = text(&panel["targets"][0]["operation"]);
        wait::until_ok("Jaeger has the episode", || {
            let count = scene.peers.jaeger.count(SERVICE, operation)?;
            if count > 0 { Ok(()) } else { Err(format!("no {operation}")) }
        });
    }
}

/// What is known only at moments that no test can choose: where jemalloc counts no more than the kernel holds; and while it is
/// certain that use rises.
fn sometimes(name: &str) -> bool {
    name == "highwater_memory_unattributed_bytes" || name == "highwater_memory_time_to_limit_likely_seconds"
}

/// All expressions, with the variables as they are where the demo of the scene is chosen.
fn expressions(dashboard: &Value) -> Vec<String> {
    let targets = list(&dashboard["panels"]).iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let annotations = list(&dashboard["annotations"]["list"]).iter().map(|annotation| &annotation["target"]);
    targets.chain(annotations).filter_map(|target| target["expr"].as_str()).map(substituted).collect()
}

/// The selectors and labels that variables take their values from.
fn values(dashboard: &Value, prometheus: &Prometheus) -> Vec<(String, String)> {
    let of_queries = list(&dashboard["templating"]["list"]).iter().filter(|variable| variable["type"] == "query");
    let parts = |variable: &Value| {
        let query = substituted(text(&variable["query"]["query"]));
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).expect("label_values");
        let (selector, label) = inner.rsplit_once(", ").unwrap();
        names::asked(prometheus, selector)
            .iter()
            .for_each(|name| assert!(names::exists(name, &BTreeSet::new()), "{name}"));
        (selector.to_owned(), label.to_owned())
    };
    of_queries.map(parts).collect()
}

fn substituted(text: &str) -> String {
    let values = [
        ("$__rate_interval", "10s"),
        ("$__interval", "1s"),
        ("$__range", "10m"),
        // What happens within two steps of a range happened here in the last minutes.
        ("[2m]", "[10m]"),
        ("$job", SERVICE),
        ("$instance", INSTANCE),
    ];
    let substituted = values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value));
    assert!(!substituted.contains('$'), "{substituted}");
    substituted
}

fn dashboard() -> Value {
    let file = binary::repository().join("otel-collector/grafana/highwater.json");
    serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
}

#[track_caller]
fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}
