//! The variables of the environment, one row each: those that have an effect, and OpenTelemetry's that have none here.

use std::time::Duration;

use highwater_model::{Level, Pace};

use super::page::PageToken;
use super::route::Exporter;
use super::{CaptureSignal, Config, Temporality, text};
use crate::signal::Signal;

/// A variable that the agent reads. Those of the exporters, under four names each, are [`super::otlp::SETTINGS`].
#[derive(Debug)]
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    /// What it does, with its default.
    #[cfg_attr(not(test), allow(dead_code, reason = "the reference page is made from it, by a test"))]
    pub(crate) meaning: &'static str,
    pub(super) read: fn(&mut Config, &str) -> Result<(), String>,
}

pub(crate) const LIMIT: &str = "HIGHWATER_LIMIT";
pub(crate) const METRICS: &str = "HIGHWATER_METRICS";
pub(crate) const EVENTS: &str = "HIGHWATER_EVENTS";
pub(crate) const SPAN_EVENTS: &str = "HIGHWATER_SPAN_EVENTS";
pub(crate) const REPORT: &str = "HIGHWATER_REPORT";
pub(crate) const RECORD: &str = "HIGHWATER_RECORD";
pub(crate) const RECORD_SIZE: &str = "HIGHWATER_RECORD_SIZE";
pub(crate) const PROFILE_DIR: &str = "HIGHWATER_PROFILE_DIR";
pub(crate) const PROFILE_SIZE: &str = "HIGHWATER_PROFILE_SIZE";
pub(crate) const PROFILE_AT_EXIT: &str = "HIGHWATER_PROFILE_AT_EXIT";
pub(crate) const PROFILE_SIGNAL: &str = "HIGHWATER_PROFILE_SIGNAL";
pub(crate) const BLACK_BOX: &str = "HIGHWATER_BLACK_BOX";
pub(crate) const PURGE: &str = "HIGHWATER_PURGE";
pub(crate) const PAGE: &str = "HIGHWATER_PAGE";
pub(crate) const PAGE_TOKEN: &str = "HIGHWATER_PAGE_TOKEN";
pub(crate) const PAGE_HOSTS: &str = "HIGHWATER_PAGE_HOSTS";
pub(crate) const JAEGER_URL: &str = "HIGHWATER_JAEGER_URL";
pub(crate) const HOLD_LEAVE: &str = "HIGHWATER_HOLD_LEAVE";
pub(crate) const WARM_UP: &str = "HIGHWATER_GROWTH_WARM_UP";
pub(crate) const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
pub(crate) const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
pub(crate) const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
pub(crate) const TIMEOUT: &str = "OTEL_EXPORTER_OTLP_TIMEOUT";
pub(crate) const COMPRESSION: &str = "OTEL_EXPORTER_OTLP_COMPRESSION";
pub(crate) const CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CERTIFICATE";
pub(crate) const CLIENT_CERTIFICATE: &str = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
pub(crate) const CLIENT_KEY: &str = "OTEL_EXPORTER_OTLP_CLIENT_KEY";
pub(crate) const EXPORT_INTERVAL: &str = "OTEL_METRIC_EXPORT_INTERVAL";
pub(crate) const SDK_DISABLED: &str = "OTEL_SDK_DISABLED";
pub(crate) const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
pub(crate) const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// All of them, in the order of the reference page.
pub(crate) static ENVIRONMENT: &[Variable] = &[
    Variable {
        name: LIMIT,
        meaning: "a limit of your own, such as `512MiB`; it competes with the cgroup's (default: none)",
        read: |config, text| config.set_limit(super::parse(text)?),
    },
    Variable {
        name: super::level_variable(Level::Elevated),
        meaning: "where elevated begins: `75%`, `6GiB` or `limit-1GiB` (default: `75%`)",
        read: |config, text| config.set_threshold(Level::Elevated, super::parse(text)?),
    },
    Variable {
        name: super::level_variable(Level::High),
        meaning: "where high begins (default: `85%`)",
        read: |config, text| config.set_threshold(Level::High, super::parse(text)?),
    },
    Variable {
        name: super::level_variable(Level::Critical),
        meaning: "where critical begins (default: `95%`)",
        read: |config, text| config.set_threshold(Level::Critical, super::parse(text)?),
    },
    Variable {
        name: super::hold_variable(Level::Elevated),
        meaning: "how long elevated must be exceeded before it is entered (default: `30s`)",
        read: |config, text| config.set_hold(Level::Elevated, text::duration(text)?),
    },
    Variable {
        name: super::hold_variable(Level::High),
        meaning: "the same for high (default: `10s`)",
        read: |config, text| config.set_hold(Level::High, text::duration(text)?),
    },
    Variable {
        name: super::hold_variable(Level::Critical),
        meaning: "the same for critical (default: `0s`)",
        read: |config, text| config.set_hold(Level::Critical, text::duration(text)?),
    },
    Variable {
        name: HOLD_LEAVE,
        meaning: "how long use must stay below a level before it is left, for all three (default: `60s`, critical `30s`)",
        read: |config, text| config.set_hold_leave(text::duration(text)?),
    },
    Variable {
        name: super::growth_variable(Pace::Slow),
        meaning: "how far back growth over the better part of a day is looked for, 24 s to a day (default: `6h`)",
        read: |config, text| config.set_growth(Pace::Slow, text::duration(text)?),
    },
    Variable {
        name: super::growth_variable(Pace::Fast),
        meaning: "the same for growth over hours (default: `1h`)",
        read: |config, text| config.set_growth(Pace::Fast, text::duration(text)?),
    },
    Variable {
        name: super::growth_variable(Pace::Ramp),
        meaning: "the same for growth over less than an hour (default: `20m`)",
        read: |config, text| config.set_growth(Pace::Ramp, text::duration(text)?),
    },
    Variable {
        name: WARM_UP,
        meaning: "for how long after the start nothing counts as growth (default: `30m`)",
        read: |config, text| config.set_warm_up(text::duration(text)?),
    },
    Variable {
        name: METRICS,
        meaning: "which metrics are sent: `core` or `all`, then `,+name` and `,-name`, `*` at the end (default: `core`)",
        read: |config, text| {
            config.metrics = super::parse(text)?;
            Ok(())
        },
    },
    Variable {
        name: EVENTS,
        meaning: "where events go: `otlp` as log records, `tracing` to the service's own log or standard error, both, or \
                  `none`; a service that sends its log by OTLP takes one away (default: `otlp,tracing`)",
        read: |config, text| {
            config.events = super::parse(text)?;
            Ok(())
        },
    },
    Variable {
        name: SPAN_EVENTS,
        meaning: "`off`: an episode's span does not repeat its events (default: `on`)",
        read: |config, text| {
            config.span_events = match text {
                "on" => true,
                "off" => false,
                _ => return Err("neither on nor off: write one of them".to_owned()),
            };
            Ok(())
        },
    },
    Variable {
        name: REPORT,
        meaning: "how often one line in the log says how the memory stands, such as `5s`; 100 ms to a day, or `off` \
                  (default: `off`)",
        read: |config, text| match text {
            "off" => {
                config.report = None;
                Ok(())
            }
            _ => config.set_report(text::duration(text)?),
        },
    },
    Variable {
        name: RECORD,
        meaning: "a file into which every sample is written as a row, for `highwater replay`; beside it there is at most one \
                  more, with `.1` at its end, for what was before (default: none)",
        read: |config, text| {
            config.record = Some(text.into());
            Ok(())
        },
    },
    Variable {
        name: RECORD_SIZE,
        meaning: "how large that file gets, from `64KiB`, before it takes the place of the other; a day has about 11 MiB \
                  (default: `16MiB`)",
        read: |config, text| config.set_record_size(super::parse(text)?),
    },
    Variable {
        name: PROFILE_DIR,
        meaning: "with feature `heap-profile`: a folder for heap profiles, in pprof's format, one for each instance, since \
                  all that share one share its budget and its size; without one the places that hold most are told all \
                  the same (default: none)",
        read: |config, text| {
            super::profiles()?;
            config.profile_folder = Some(text.into());
            Ok(())
        },
    },
    Variable {
        name: PROFILE_SIZE,
        meaning: "how much that folder may hold, from `1MiB` (default: `128MiB`)",
        read: |config, text| config.set_profile_size(super::parse(text)?),
    },
    Variable {
        name: PROFILE_AT_EXIT,
        meaning: "`true`: one more profile when the agent ends (default: `false`)",
        read: |config, text| {
            let on = text::boolean(text)?;
            if on {
                super::profiles()?;
            }
            config.profile_at_exit = on;
            Ok(())
        },
    },
    Variable {
        name: PROFILE_SIGNAL,
        meaning: "a signal that asks for a profile, `SIGUSR1` or `SIGUSR2`, in place of what it did; or `none` (default: \
                  `none`)",
        read: |config, text| {
            let signal = match text {
                "SIGUSR1" => Some(CaptureSignal::User1),
                "SIGUSR2" => Some(CaptureSignal::User2),
                "none" => None,
                _ => {
                    return Err(
                        "not a signal that a program has to give away: write SIGUSR1, SIGUSR2 or none".to_owned()
                    );
                }
            };
            if signal.is_some() {
                super::profiles()?;
            }
            config.profile_signal = signal;
            Ok(())
        },
    },
    Variable {
        name: BLACK_BOX,
        meaning: "a file that survives the process with its last minutes, for the next start to tell how it ended; with `/` at \
                  its end a folder, with one for each process (default: none)",
        read: |config, text| {
            config.black_box = Some(text.into());
            Ok(())
        },
    },
    Variable {
        name: PURGE,
        meaning: "the level from which on jemalloc is told to give freed pages back: `elevated`, `high`, `critical`, or `off` \
                  (default: `off`)",
        read: |config, text| {
            config.purge = match (Level::RAISED.into_iter().find(|level| level.as_str() == text), text) {
                (Some(level), _) => Some(level),
                (None, "off") => None,
                _ => return Err("not a level to purge at: write elevated, high, critical or off".to_owned()),
            };
            Ok(())
        },
    },
    Variable {
        name: PAGE,
        meaning: "where the [live page](page.md) listens, in a program that has it: an IP address and a port, or `off` \
                  (default: `127.0.0.1:7070`)",
        read: |config, text| {
            config.page.address = text.parse()?;
            Ok(())
        },
    },
    Variable {
        name: PAGE_TOKEN,
        meaning: "the token that the page asks for, 16 to 256 letters, digits and any of `-._~` (default: none on the loopback \
                  address; on any other one is made at each start, and printed with the address). With one that cannot be used \
                  there is no page",
        read: |config, text| {
            let token: Result<PageToken, String> = text.parse();
            let remedy = token.as_ref().err().cloned();
            config.page.token = Some(token);
            remedy.map_or(Ok(()), Err)
        },
    },
    Variable {
        name: PAGE_HOSTS,
        meaning: "names by which browsers may ask for the page, beside `localhost` and addresses, with commas between: a name \
                  that is not known may be a stranger's (default: none)",
        read: |config, text| {
            config.page.hosts = super::page::hosts(text)?;
            Ok(())
        },
    },
    Variable {
        name: JAEGER_URL,
        meaning: "where a browser finds Jaeger, such as `http://127.0.0.1:16686`: the page links to the traces of episodes \
                  (default: none)",
        read: |config, text| {
            config.page.jaeger = Some(super::page::url(text)?);
            Ok(())
        },
    },
    Variable {
        name: "HIGHWATER_DISABLED",
        meaning: "`true`: no threads and nothing sent, only readings on demand (default: `false`)",
        read: |config, text| {
            config.disabled = text::boolean(text)?;
            Ok(())
        },
    },
    Variable {
        name: SDK_DISABLED,
        meaning: "`true`: nothing sent; sampling, judgement and callbacks go on (default: `false`)",
        read: |config, text| {
            config.sdk_disabled = text::boolean(text)?;
            Ok(())
        },
    },
    Variable {
        name: SERVICE_NAME,
        meaning: "the service's name (default: `service.name` of `OTEL_RESOURCE_ATTRIBUTES`, else `unknown_service:` and the \
                  program's name)",
        read: |config, text| {
            config.service_name = Some(text.to_owned()).filter(|name| !name.is_empty());
            Ok(())
        },
    },
    Variable {
        name: RESOURCE_ATTRIBUTES,
        meaning: "attributes of the resource, `key=value` pairs with commas between, percent-encoded (default: none)",
        read: |config, text| {
            config.resource = text::pairs(text)?;
            Ok(())
        },
    },
    Variable {
        name: "OTEL_METRICS_EXPORTER",
        meaning: "`otlp`, `console` (standard output, for a look) or `none` (default: `otlp`)",
        read: |config, text| export_by(config, Signal::Metrics, text),
    },
    Variable {
        name: "OTEL_LOGS_EXPORTER",
        meaning: "the same for events (default: `otlp`)",
        read: |config, text| export_by(config, Signal::Logs, text),
    },
    Variable {
        name: "OTEL_TRACES_EXPORTER",
        meaning: "the same for the spans of episodes (default: `otlp`)",
        read: |config, text| export_by(config, Signal::Traces, text),
    },
    Variable {
        name: "OTEL_TRACES_SAMPLER",
        meaning: "`always_off` and `parentbased_always_off`: no spans; all other samplers of OpenTelemetry: every episode, \
                  since one that is left out by chance explains nothing (default: every episode)",
        read: sampler,
    },
    Variable {
        name: EXPORT_INTERVAL,
        meaning: "milliseconds between two exports of metrics, 100 to 3600000 (default: `10000`)",
        read: |config, text| config.set_interval(text::milliseconds(text).unwrap_or_default()),
    },
    Variable {
        name: "OTEL_METRIC_EXPORT_TIMEOUT",
        meaning: "milliseconds that an export of metrics may take, where the request's own timeout is not shorter; 0 is an \
                  hour (default: `30000`)",
        read: |config, text| {
            config.export_timeout = text::timeout(text)?;
            Ok(())
        },
    },
    Variable {
        name: "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
        meaning: "`cumulative`, `delta` (counters alone) or `lowmemory`, here the same as `cumulative` (default: `cumulative`)",
        read: |config, text| {
            config.temporality = match text.to_ascii_lowercase().as_str() {
                "cumulative" => Temporality::Cumulative,
                "delta" => Temporality::Delta,
                "lowmemory" => Temporality::LowMemory,
                _ => return Err("not a temporality: write cumulative, delta or lowmemory".to_owned()),
            };
            Ok(())
        },
    },
];

/// Variables of OpenTelemetry's specification that have no effect here, and why.
#[cfg(test)]
pub(crate) static WITHOUT_EFFECT: &[(&[&str], &str)] = &[
    (&["OTEL_TRACES_SAMPLER_ARG"], "no sampler here has an argument: there are all episodes, or none"),
    (&["OTEL_PROPAGATORS"], "the agent takes no context from requests and gives them none"),
    (
        &["OTEL_LOG_LEVEL"],
        "the agent says each thing once, under target `highwater`, where the service's own log can filter it",
    ),
    (
        &[
            "OTEL_BSP_SCHEDULE_DELAY",
            "OTEL_BSP_EXPORT_TIMEOUT",
            "OTEL_BSP_MAX_QUEUE_SIZE",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
            "OTEL_BLRP_SCHEDULE_DELAY",
            "OTEL_BLRP_EXPORT_TIMEOUT",
            "OTEL_BLRP_MAX_QUEUE_SIZE",
            "OTEL_BLRP_MAX_EXPORT_BATCH_SIZE",
        ],
        "events and spans do not go in batches but at once; what cannot be sent waits within bounds of its own",
    ),
    (
        &[
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_SPAN_EVENT_COUNT_LIMIT",
            "OTEL_SPAN_LINK_COUNT_LIMIT",
            "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
            "OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT",
        ],
        "limits for a service's own spans and records would cut an event's evidence, which is small and bounded",
    ),
    (
        &["OTEL_METRICS_EXEMPLAR_FILTER", "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"],
        "there are no exemplars and no histograms",
    ),
    (
        &["OTEL_EXPORTER_PROMETHEUS_HOST", "OTEL_EXPORTER_PROMETHEUS_PORT"],
        "the agent itself listens nowhere: Prometheus takes OTLP, asks the collector, or scrapes the host's own route (`Agent::render_prometheus`) or the live page",
    ),
    (
        &["OTEL_EXPORTER_ZIPKIN_ENDPOINT", "OTEL_EXPORTER_ZIPKIN_TIMEOUT", "OTEL_EXPORTER_ZIPKIN_PROTOCOL"],
        "OpenTelemetry has given Zipkin's format up; the collector still writes it",
    ),
    (
        &["OTEL_EXPORTER_OTLP_SPAN_INSECURE", "OTEL_EXPORTER_OTLP_METRIC_INSECURE"],
        "old names of `OTEL_EXPORTER_OTLP_TRACES_INSECURE` and `OTEL_EXPORTER_OTLP_METRICS_INSECURE`",
    ),
    (
        &["OTEL_CONFIG_FILE", "OTEL_EXPERIMENTAL_CONFIG_FILE"],
        "the agent reads no file of settings; the variables above hold although this one is set",
    ),
    (&["OTEL_ENTITIES"], "in development; `OTEL_RESOURCE_ATTRIBUTES` gives the same attributes"),
];

/// One exporter a signal, although the variable can be a list.
fn export_by(config: &mut Config, signal: Signal, text: &str) -> Result<(), String> {
    let exporter = match text {
        "otlp" => Ok(Exporter::Otlp),
        "console" => Ok(Exporter::Console),
        "none" => Ok(Exporter::None),
        "prometheus" => Err("Prometheus takes OTLP: start it with --web.enable-otlp-receiver, and name \
                             http://HOST:9090/api/v1/otlp/v1/metrics by OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"),
        "zipkin" => Err("send OTLP to the collector, which writes Zipkin's format"),
        "logging" | "otlp/stdout" => Err("standard output is named console here"),
        list if list.contains(',') => Err("one exporter a signal"),
        _ => Err("not an exporter"),
    };
    *config.exports.exporters.of_mut(signal) = exporter.map_err(|why| format!("{why}: write otlp, console or none"))?;
    Ok(())
}

fn sampler(config: &mut Config, text: &str) -> Result<(), String> {
    config.sampled = match text {
        "always_off" | "parentbased_always_off" => false,
        "always_on"
        | "traceidratio"
        | "parentbased_always_on"
        | "parentbased_traceidratio"
        | "jaeger_remote"
        | "parentbased_jaeger_remote"
        | "xray" => true,
        _ => return Err("not a sampler: write always_off for no spans, or always_on".to_owned()),
    };
    Ok(())
}

/// OpenTelemetry's default for one export of metrics.
pub(super) const EXPORT: Duration = Duration::from_secs(30);
