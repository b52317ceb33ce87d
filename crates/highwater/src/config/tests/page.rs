//! The reference page, and that nothing of OpenTelemetry's is left out.

use super::*;
use crate::config::otlp::{SETTINGS, Setting};

/// What the specification names for an SDK (1.55), in the order of its pages.
const OF_THE_SPECIFICATION: &str = "
    OTEL_SDK_DISABLED OTEL_ENTITIES OTEL_RESOURCE_ATTRIBUTES OTEL_SERVICE_NAME OTEL_LOG_LEVEL OTEL_PROPAGATORS
    OTEL_TRACES_SAMPLER OTEL_TRACES_SAMPLER_ARG
    OTEL_BSP_SCHEDULE_DELAY OTEL_BSP_EXPORT_TIMEOUT OTEL_BSP_MAX_QUEUE_SIZE OTEL_BSP_MAX_EXPORT_BATCH_SIZE
    OTEL_BLRP_SCHEDULE_DELAY OTEL_BLRP_EXPORT_TIMEOUT OTEL_BLRP_MAX_QUEUE_SIZE OTEL_BLRP_MAX_EXPORT_BATCH_SIZE
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_ATTRIBUTE_COUNT_LIMIT
    OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT OTEL_SPAN_EVENT_COUNT_LIMIT
    OTEL_SPAN_LINK_COUNT_LIMIT OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT OTEL_LINK_ATTRIBUTE_COUNT_LIMIT
    OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT
    OTEL_EXPORTER_ZIPKIN_ENDPOINT OTEL_EXPORTER_ZIPKIN_TIMEOUT OTEL_EXPORTER_ZIPKIN_PROTOCOL
    OTEL_EXPORTER_PROMETHEUS_HOST OTEL_EXPORTER_PROMETHEUS_PORT
    OTEL_TRACES_EXPORTER OTEL_METRICS_EXPORTER OTEL_LOGS_EXPORTER
    OTEL_METRICS_EXEMPLAR_FILTER OTEL_METRIC_EXPORT_INTERVAL OTEL_METRIC_EXPORT_TIMEOUT
    OTEL_CONFIG_FILE OTEL_EXPERIMENTAL_CONFIG_FILE
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION
    OTEL_EXPORTER_OTLP_SPAN_INSECURE OTEL_EXPORTER_OTLP_METRIC_INSECURE
";

/// And these for all signals and for each.
const OF_EXPORTERS: &str =
    "ENDPOINT INSECURE CERTIFICATE CLIENT_KEY CLIENT_CERTIFICATE HEADERS COMPRESSION TIMEOUT PROTOCOL";

#[test]
fn each_variable_of_the_specification_has_an_effect_or_a_reason_for_none() {
    let exporters = OF_EXPORTERS.split_whitespace().flat_map(|setting| {
        ["", "METRICS_", "LOGS_", "TRACES_"].map(|signal| format!("OTEL_EXPORTER_OTLP_{signal}{setting}"))
    });
    let mut specified: Vec<_> = OF_THE_SPECIFICATION.split_whitespace().map(str::to_owned).chain(exporters).collect();
    let without_effect = WITHOUT_EFFECT.iter().flat_map(|(names, _)| names.iter().copied());
    let mut known: Vec<_> =
        variables().filter(|name| name.starts_with("OTEL_")).chain(without_effect).map(str::to_owned).collect();
    specified.sort_unstable();
    known.sort_unstable();
    assert_eq!(known, specified);
}

#[test]
fn the_reference_page_of_the_configuration_is_up_to_date() {
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Made from the tables in crates/highwater/src/config/; a test holds it up to date. -->\n\n\
         Settings from code (`Agent::builder()`) win over the environment, as in OpenTelemetry's own SDKs; each of these can be\n\
         set there by its name, too: `.set(\"OTEL_TRACES_EXPORTER\", \"none\")`. An empty variable is as good as none. Of a value\n\
         that cannot be used the builder returns an error with its key, the value and the remedy; `highwater::start()` says it\n\
         once and takes the default, of that key alone. The values of headers are never said.\n\n",
    );
    let mut table = |title: &str, of: fn(&str) -> bool| {
        page.push_str(&format!("## {title}\n\n| variable | meaning |\n|---|---|\n"));
        for Variable { name, meaning, .. } in ENVIRONMENT.iter().filter(|variable| of(variable.name)) {
            page.push_str(&format!("| `{name}` | {meaning} |\n"));
        }
        for Setting { names: [name, ..], meaning, .. } in SETTINGS.iter().filter(|setting| of(setting.names[0])) {
            page.push_str(&format!("| `{name}` | {meaning} |\n"));
        }
        page.push('\n');
    };
    table("The agent's own", |name| name.starts_with("HIGHWATER_"));
    table("OpenTelemetry's", |name| name.starts_with("OTEL_") && !name.starts_with("OTEL_EXPORTER_OTLP_"));
    table("OpenTelemetry's, of what is sent by OTLP", |name| name.starts_with("OTEL_EXPORTER_OTLP_"));
    page.push_str(
        "Those of OTLP, but for the temporality, hold for all signals; with `METRICS_`, `LOGS_` or `TRACES_` before their last\n\
         part, such as `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`, for one, over what holds for all. Headers that are given for one\n\
         take the place of all others, and those of an address that cannot be used are sent to no other.\n\n\
         ## OpenTelemetry's that have no effect here\n\n\
         A host's own providers may heed them.\n\n\
         | variables | why |\n|---|---|\n",
    );
    for (names, why) in WITHOUT_EFFECT {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        page.push_str(&format!("| {} | {why} |\n", names.join(", ")));
    }
    crate::tests::is_page(Path::new("configuration.md"), &page);
}
