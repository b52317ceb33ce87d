//! What a service tells a scraper is what it tells a collector: one Prometheus takes both from the same demo, and has the same
//! series of the same types.

use std::collections::{BTreeMap, BTreeSet};

use highwater_e2e::cgroup::Cgroup;
use highwater_e2e::demo::Demo;
use highwater_e2e::peers::{Prometheus, Series, promtool};
use highwater_e2e::{MIB, wait};

/// Labels that are never the same: either way has values of its own for the service and its instance.
const OF_THE_WAY: [&str; 2] = ["job", "instance"];

/// Attributes of the resource below that prometheus.yaml promotes to labels of every series that comes by OTLP. What is
/// scraped has them in `target_info` alone.
const PROMOTED: [&str; 3] = ["service_name", "service_instance_id", "deployment_environment_name"];

/// Known only at moments that no test can choose.
const SOMETIMES: &str = "highwater_memory_unattributed_bytes";

/// Among it what Prometheus spells in ways of its own: names that cannot be a label's, and two that become the same.
const RESOURCE: &str = "service.instance.id=of-otlp,deployment.environment.name=test,7th=a,_own=b,x.y=dot,x-y=dash";

/// What Prometheus makes itself: of a scrape, and by rules.
const OWN: &str = "up|scrape_.+|.+:.+|ALERTS.*";

/// What names with a unit have at their end, or before `_total`.
const UNITS: [&str; 2] = ["_bytes", "_seconds"];

const TEXT: &str = "text";
const OPEN_METRICS: &str = "openmetrics";
/// The page's own, in place of the demo's.
const PAGE: &str = "page";

#[test]
fn what_is_scraped_has_the_names_labels_and_types_of_what_is_sent() {
    let test = "what_is_scraped_has_the_names_labels_and_types_of_what_is_sent";
    let Some(cgroup) = Cgroup::limited(test, 128 * MIB) else { return };
    for (selection, at_least) in [("core", 20), ("all", 50)] {
        // Types and units as labels: of what comes by OTLP, Prometheus says them nowhere else.
        let prometheus = Prometheus::start_with(&["--enable-feature=type-and-unit-labels"]);
        let demo = Demo::start(
            Some(&cgroup),
            &[
                ("HIGHWATER_METRICS", selection),
                ("OTEL_SERVICE_NAME", "sent"),
                ("OTEL_RESOURCE_ATTRIBUTES", RESOURCE),
                ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", &format!("{}/v1/metrics", prometheus.receiver())),
                ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
                ("OTEL_LOGS_EXPORTER", "none"),
                ("OTEL_TRACES_EXPORTER", "none"),
                Demo::A_PAGE,
            ],
        );
        prometheus.configure(|config| {
            let jobs = [
                (TEXT, "PrometheusText0.0.4", demo.url("/")),
                (OPEN_METRICS, "OpenMetricsText1.0.0", demo.url("/")),
                (PAGE, "PrometheusText0.0.4", demo.page()),
            ];
            config + "scrape_configs:" + &jobs.map(|(job, protocol, url)| scrape(job, protocol, &url)).concat()
        });
        for job in [TEXT, OPEN_METRICS, PAGE] {
            wait::until_ok(&format!("{selection}: {job} has what is sent"), || {
                let (sent, scraped) = (spelled(&prometheus, "sent", job)?, spelled(&prometheus, job, job)?);
                let [fewer, more] = [sent.difference(&scraped), scraped.difference(&sent)].map(Vec::from_iter);
                let is_same = fewer.is_empty() && more.is_empty() && sent.len() >= at_least;
                is_same.then_some(()).ok_or_else(|| format!("more: {more:#?}, fewer: {fewer:#?}"))
            });
        }
        for (name, kind) in types(&prometheus, "sent") {
            let told = prometheus.api("metadata").unwrap();
            // OpenMetrics has a counter under its name without `_total`.
            let names = [name.as_str(), name.trim_end_matches("_total")];
            let told: Vec<_> = names.iter().filter_map(|name| told[name].as_array()).flatten().collect();
            assert!(
                !told.is_empty() && told.iter().all(|told| told["type"] == kind.as_str()),
                "{name}: {kind}, {told:?}"
            );
        }
    }
}

#[test]
fn the_page_is_what_promtool_wants_of_one() {
    /// Names of OpenTelemetry's own; a suffix of Prometheus' histograms that they are free to have.
    const COUNT: [&str; 2] = ["process_thread_count", "process_unix_file_descriptor_count"];
    let demo = Demo::start(None, &[("HIGHWATER_METRICS", "all"), ("OTEL_SDK_DISABLED", "true")]);
    let page = wait::until_ok("all is on the page", || {
        let page = demo.get("/metrics");
        if page.body.contains("highwater_watch_rounds_total") { Ok(page) } else { Err(page.body) }
    });
    assert_eq!(page.content_type, "text/plain; version=0.0.4; charset=utf-8");
    let findings = promtool(&["check", "metrics"], Some(&page.body)).error();
    let is_of_a_count = |line: &&str| COUNT.iter().any(|name| line.starts_with(&format!("{name} ")));
    let (of_counts, others): (Vec<_>, Vec<_>) = findings.lines().partition(is_of_a_count);
    assert!(!of_counts.is_empty() && others.is_empty(), "{findings}");
}

/// What has Prometheus scrape `/metrics` at `url` by one protocol, under that name.
fn scrape(job: &str, protocol: &str, url: &str) -> String {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    format!(
        "
  - job_name: {job}
    scrape_interval: 1s
    scrape_protocols: [{protocol}]
    static_configs: [{{targets: ['{address}']}}]
"
    )
}

/// The series of `job` with all labels that the two ways can have in common where the other is by `protocol`.
fn spelled(prometheus: &Prometheus, job: &str, protocol: &str) -> Result<BTreeSet<String>, String> {
    let query = format!(r#"last_over_time({{job="{job}",__name__!~"{OWN}|{SOMETIMES}"}}[10m])"#);
    let is_common = |series: &Series, label: &str| match (series.name(), label) {
        // OTLP has no type for it: OpenMetrics has it as an info, and text as a gauge.
        ("target_info", "__type__") => false,
        ("target_info", _) => !OF_THE_WAY.contains(&label),
        // Text has no units. Prometheus' reader of OpenMetrics gives a metric without a unit that of the one before, and of
        // what comes by OTLP a ratio has none.
        (name, "__unit__") => protocol == OPEN_METRICS && UNITS.iter().any(|unit| name.contains(unit)),
        (_, label) => !OF_THE_WAY.contains(&label) && !PROMOTED.contains(&label),
    };
    let spell = |series: &Series| {
        let labels: BTreeMap<_, _> = series.labels().map(|label| (label, series.label(label))).collect();
        let common = labels.into_iter().filter(|(label, _)| is_common(series, label));
        common.map(|(label, value)| format!("{label}={value:?} ")).collect::<String>()
    };
    Ok(prometheus.query(&query)?.iter().map(spell).collect())
}

/// The type of each metric of `job`.
fn types(prometheus: &Prometheus, job: &str) -> BTreeMap<String, String> {
    let all = prometheus.query(&format!(r#"{{job="{job}",__name__!~"{OWN}|target_info"}}"#)).unwrap();
    all.iter().map(|series| (series.name().to_owned(), series.label("__type__").to_owned())).collect()
}
