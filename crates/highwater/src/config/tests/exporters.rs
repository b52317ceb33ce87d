//! What exporters are told: OpenTelemetry's variables.

use super::*;
use crate::signal::Signal;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const LOGS_ENDPOINT: &str = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT";
const HEADERS: &str = "OTEL_EXPORTER_OTLP_HEADERS";
const LOGS_HEADERS: &str = "OTEL_EXPORTER_OTLP_LOGS_HEADERS";

fn urls(pairs: &[(&str, &str)]) -> [String; 3] {
    let routes = good(pairs).routes;
    Signal::ALL.map(|signal| routes.of(signal).url.clone())
}

fn headers(config: &Config, signal: Signal) -> Vec<(&str, &str)> {
    config.routes.of(signal).headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

#[test]
fn the_default_is_a_collector_on_the_same_host() {
    let base = "http://localhost:4318/v1/";
    assert_eq!(urls(&[]), ["metrics", "logs", "traces"].map(|signal| format!("{base}{signal}")));
    let route = Config::default().routes.logs;
    assert_eq!((route.exporter, route.protocol), (Exporter::Otlp, Protocol::HttpProtobuf));
    assert_eq!((route.timeout, route.gzip), (Duration::from_secs(10), false));
    assert_eq!(route.headers.iter().count(), 0);
}

#[test]
fn the_general_address_is_a_base_and_that_of_a_signal_is_taken_as_it_is() {
    // The specification's three examples, without TLS.
    let [metrics, logs, traces] = urls(&[(ENDPOINT, "http://collector:4318")]);
    assert_eq!(metrics, "http://collector:4318/v1/metrics");
    assert_eq!(logs, "http://collector:4318/v1/logs");
    assert_eq!(traces, "http://collector:4318/v1/traces");

    let [metrics, _, traces] = urls(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://collector:4318"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector.example.com/v1/metrics"),
    ]);
    assert_eq!(traces, "http://collector:4318/");
    assert_eq!(metrics, "http://collector.example.com/v1/metrics");

    let [metrics, logs, traces] = urls(&[
        (ENDPOINT, "http://collector:4318/mycollector/"),
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://collector.example.com/v1/metrics/"),
    ]);
    assert_eq!(traces, "http://collector:4318/mycollector/v1/traces");
    assert_eq!(logs, "http://collector:4318/mycollector/v1/logs");
    assert_eq!(metrics, "http://collector.example.com/v1/metrics/");
}

#[test]
fn an_address_may_be_a_number_have_no_port_or_a_path() {
    for url in ["http://127.0.0.1:4318", "http://[::1]:4318", "http://[fe80::1]", "http://a_b.c-d", "http://host:1/a/b"]
    {
        assert_eq!(urls(&[(ENDPOINT, url)])[1], format!("{url}/v1/logs"));
    }
    assert_eq!(urls(&[(LOGS_ENDPOINT, "HTTP://host")])[1], "http://host/");
}

#[test]
fn an_address_that_is_none_is_refused() {
    for (value, right) in [
        ("localhost:4318", "http://HOST:PORT"),
        ("collector", "http://HOST:PORT"),
        ("http://", "http://HOST:PORT"),
        ("http:///v1/logs", "http://HOST:PORT"),
        ("http://a b", "http://HOST:PORT"),
        ("http://[::1", "http://HOST:PORT"),
        ("http://[::1]4318", "http://HOST:PORT"),
        ("http://[collector]:4318", "http://HOST:PORT"),
        ("http://ho^st", "http://HOST:PORT"),
        ("http://host:99999", "http://HOST:PORT"),
        ("http://host:+80", "http://HOST:PORT"),
        ("http://host:0", "http://HOST:PORT"),
        ("http://host:port", "http://HOST:PORT"),
        ("http://host:", "http://HOST:PORT"),
        ("http://host:1:2", "http://HOST:PORT"),
        ("http://host/ü", "http://HOST:PORT"),
        ("ftp://host", "http://HOST:PORT"),
        ("http://user:sEcReT@host:4318", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://host/a?key=sEcReT", "OTEL_EXPORTER_OTLP_HEADERS"),
        ("http://host/a#sEcReT", "OTEL_EXPORTER_OTLP_HEADERS"),
    ] {
        for key in [ENDPOINT, LOGS_ENDPOINT] {
            let said = bad(key, value);
            assert!(said.contains(right) && !said.contains("sEcReT"), "{said}");
        }
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn https_without_its_feature_names_the_feature() {
    for key in [ENDPOINT, LOGS_ENDPOINT] {
        let said = bad(key, "https://collector:4318");
        assert!(said.contains("cargo feature `tls`"), "{said}");
    }
}

#[cfg(not(feature = "grpc"))]
#[test]
fn grpc_without_its_feature_names_the_feature() {
    let said = bad("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    assert!(said.contains("cargo feature `grpc`") && said.contains("http/protobuf"), "{said}");
}

#[cfg(not(feature = "gzip"))]
#[test]
fn gzip_without_its_feature_names_the_feature() {
    let said = bad("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "gzip");
    assert!(said.contains("cargo feature `gzip`"), "{said}");
}

#[cfg(feature = "grpc")]
#[test]
fn by_grpc_the_address_is_scheme_host_and_port() {
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let same = |url: &str| [url; 3].map(str::to_owned);
    assert_eq!(urls(&[grpc]), same("http://localhost:4317"));
    assert_eq!(urls(&[grpc, (ENDPOINT, "http://collector:4317/path/")]), same("http://collector:4317"));
    let insecure = ("OTEL_EXPORTER_OTLP_INSECURE", "true");
    assert_eq!(urls(&[grpc, insecure, (ENDPOINT, "collector:4317")]), same("http://collector:4317"));
    assert_eq!(
        urls(&[("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "grpc")])[..2],
        ["http://localhost:4318/v1/metrics", "http://localhost:4317"]
    );
    let logs_alone =
        [grpc, (ENDPOINT, "http://a:1"), (LOGS_ENDPOINT, "b:2"), ("OTEL_EXPORTER_OTLP_LOGS_INSECURE", "TRUE")];
    assert_eq!(urls(&logs_alone), ["http://a:1", "http://b:2", "http://a:1"]);
}

#[cfg(feature = "grpc")]
#[test]
fn by_grpc_an_address_without_a_scheme_means_tls() {
    let (config, errors) = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), (ENDPOINT, "collector:4317")]);
    if cfg!(feature = "tls") {
        assert_eq!((config.routes.logs.url.as_str(), errors), ("https://collector:4317", Vec::new()));
    } else {
        assert_eq!(errors.len(), 1, "{errors:?}");
        assert!(errors[0].key == ENDPOINT && errors[0].remedy.contains("cargo feature `tls`"), "{errors:?}");
    }
}

#[cfg(feature = "grpc")]
#[test]
fn by_grpc_a_name_for_binary_data_is_refused() {
    let (config, errors) = read(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), (HEADERS, "trace-bin=secret,b=c")]);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(!errors[0].to_string().contains("secret"), "{errors:?}");
    assert_eq!(headers(&config, Signal::Logs), [("b", "c")]);
}

#[cfg(feature = "gzip")]
#[test]
fn compression_is_read_for_all_and_for_one() {
    let config = good(&[("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip"), ("OTEL_EXPORTER_OTLP_LOGS_COMPRESSION", "none")]);
    assert_eq!(Signal::ALL.map(|signal| config.routes.of(signal).gzip), [true, false, true]);
}

#[test]
fn certificates_are_of_no_account_without_https() {
    good(&[("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such/file"), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", "/no/such/file")]);
}

#[test]
fn headers_are_decoded_in_lower_case_and_a_later_one_replaces() {
    let config = good(&[(HEADERS, " Authorization = Basic%20dXNlcjpwYXNz== ,x-team=a%2Cb, X-TEAM=c;d ,")]);
    let expected = [("authorization", "Basic dXNlcjpwYXNz=="), ("x-team", "c;d")];
    for signal in Signal::ALL {
        assert_eq!(headers(&config, signal), expected);
    }
}

#[test]
fn headers_of_a_signal_take_the_place_of_the_general_ones() {
    let config = good(&[(HEADERS, "a=1,b=2"), (LOGS_HEADERS, "c=3")]);
    assert_eq!(headers(&config, Signal::Logs), [("c", "3")]);
    assert_eq!(headers(&config, Signal::Traces), [("a", "1"), ("b", "2")]);
}

#[test]
fn headers_that_are_none_are_refused_and_no_value_is_said() {
    for (value, shown) in [
        ("authorization: Bearer sEcReT", "***"),
        ("Bearer sEcReT", "***"),
        ("sEcReT==", "***"),
        ("sEcReT=", "***"),
        ("=sEcReT", "***"),
        ("a=1,sEcReT", "a=***,***"),
        ("api-key=sEcReT%zz", "api-key=***"),
        ("api-key=sEcReT%ff", "api-key=***"),
        ("api-key=sEcReT%0d%0aHost: a", "api-key=***"),
        ("api-key=sEcReTü", "api-key=***"),
        ("a b=sEcReT", "***"),
        ("content-length=0,b=sEcReT", "content-length=***,b=***"),
        ("Transfer-Encoding=chunked,b=sEcReT", "Transfer-Encoding=***,b=***"),
    ] {
        for key in [HEADERS, LOGS_HEADERS] {
            let said = bad(key, value);
            assert!(said.starts_with(&format!("{key}={shown:?}: ")), "{said}");
            assert!(!said.contains("sEcReT"), "{said}");
        }
    }
}

#[test]
fn headers_go_to_no_address_but_the_one_that_they_were_given_for() {
    let (config, errors) = read(&[(ENDPOINT, "collector"), (HEADERS, "a=1")]);
    assert_eq!(errors.len(), 1);
    assert_eq!(config.routes.logs.url, "http://localhost:4318/v1/logs");
    assert_eq!(headers(&config, Signal::Logs), []);

    let (config, errors) =
        read(&[(ENDPOINT, "http://a"), (HEADERS, "a=1"), (LOGS_ENDPOINT, "http://b:x"), (LOGS_HEADERS, "b=2")]);
    assert_eq!(errors.len(), 1);
    assert_eq!(config.routes.logs.url, "http://a/v1/logs");
    assert_eq!(headers(&config, Signal::Logs), [("a", "1")]);
}

#[test]
fn nothing_shows_the_value_of_a_header() {
    let config = good(&[(HEADERS, "api-key=sEcReT")]);
    assert_eq!(headers(&config, Signal::Logs), [("api-key", "sEcReT")]);
    let shown = format!("{config:?}");
    assert!(shown.contains("api-key") && !shown.contains("sEcReT"), "{shown}");
}

#[test]
fn times_are_milliseconds_for_all_and_for_one() {
    let config = good(&[
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2500"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "700"),
    ]);
    let timeouts = Signal::ALL.map(|signal| config.routes.of(signal).timeout.as_millis());
    assert_eq!(timeouts, [700, 2500, 3_600_000]);
    assert_eq!(config.interval, Duration::from_secs(5));
    assert_eq!(good(&[("OTEL_METRIC_EXPORT_TIMEOUT", "60000")]).routes.metrics.timeout, Duration::from_secs(10));
}

#[test]
fn exporters_are_chosen_for_each_signal() {
    let config = good(&[("OTEL_METRICS_EXPORTER", "none"), ("OTEL_LOGS_EXPORTER", "console")]);
    let exporters = Signal::ALL.map(|signal| config.routes.of(signal).exporter);
    assert_eq!(exporters, [Exporter::None, Exporter::Console, Exporter::Otlp]);
    let exporter = |pairs: &[_], signal| good(pairs).routes.of(signal).exporter;
    assert_eq!(exporter(&[("OTEL_TRACES_EXPORTER", "otlp")], Signal::Traces), Exporter::Otlp);
    assert_eq!(exporter(&[("HIGHWATER_EVENTS", "tracing")], Signal::Logs), Exporter::None);
    assert_eq!(exporter(&[("HIGHWATER_EVENTS", "tracing")], Signal::Traces), Exporter::Otlp);
}

#[test]
fn nothing_is_wrong_with_the_address_of_what_is_not_sent() {
    let unused = ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "collector:4317");
    assert_eq!(read(&[unused]).1.len(), 1);
    good(&[unused, ("OTEL_LOGS_EXPORTER", "none")]);
}

#[test]
fn samplers_that_take_nothing_mean_no_spans_and_all_others_every_episode() {
    for (sampler, exporter) in [
        ("always_off", Exporter::None),
        ("parentbased_always_off", Exporter::None),
        ("always_on", Exporter::Otlp),
        ("traceidratio", Exporter::Otlp),
        ("parentbased_always_on", Exporter::Otlp),
        ("parentbased_traceidratio", Exporter::Otlp),
        ("jaeger_remote", Exporter::Otlp),
        ("parentbased_jaeger_remote", Exporter::Otlp),
        ("xray", Exporter::Otlp),
    ] {
        let config = good(&[("OTEL_TRACES_SAMPLER", sampler)]);
        assert_eq!(
            (config.routes.traces.exporter, config.sampled),
            (exporter, exporter == Exporter::Otlp),
            "{sampler}"
        );
        assert_eq!(config.routes.logs.exporter, Exporter::Otlp);
    }
}

#[test]
fn temporality_is_read_in_any_case() {
    let temporality = |text| good(&[("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", text)]).temporality;
    assert_eq!(temporality("cumulative"), Temporality::Cumulative);
    assert_eq!(temporality("Delta"), Temporality::Delta);
    assert_eq!(temporality("LOWMEMORY"), Temporality::LowMemory);
}

#[test]
fn each_variable_of_exporters_refuses_nonsense_and_says_what_would_be_right() {
    for (key, value, right) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "http/protobuf, and grpc"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http", "http/protobuf"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "-1", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "3600001", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"),
        ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", "1", "true nor false"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5s", "milliseconds"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1", "milliseconds"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", "100 ms"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "99", "100 ms"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "3600001", "1 h"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "forever", "milliseconds"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "gauge", "cumulative, delta or lowmemory"),
        ("OTEL_METRICS_EXPORTER", "prometheus", "--web.enable-otlp-receiver"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "collector"),
        ("OTEL_LOGS_EXPORTER", "logging", "console"),
        ("OTEL_LOGS_EXPORTER", "otlp,console", "one exporter a signal"),
        ("OTEL_LOGS_EXPORTER", "loki", "otlp, console or none"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "always_off"),
    ] {
        let said = bad(key, value);
        assert!(said.starts_with(&format!("{key}={value:?}: ")) && said.contains(right), "{said}");
    }
}

#[test]
fn one_way_that_cannot_be_had_is_said_once_and_not_for_each_signal() {
    let (_, errors) = read(&[(ENDPOINT, "collector:4318"), ("HIGHWATER_LIMIT", "1GiB")]);
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[test]
fn profiles_go_below_the_general_address_and_only_where_spans_are_sent() {
    let profiles = |pairs: &[(&str, &str)]| {
        let route = good(pairs).routes.profiles;
        (route.exporter, route.url)
    };
    let local = "http://localhost:4318/v1development/profiles".to_owned();
    assert_eq!(profiles(&[]), (Exporter::Otlp, local));
    let given = [(ENDPOINT, "http://collector:4318/mine/"), ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces")];
    let (_, url) = profiles(&given);
    assert_eq!(url, "http://collector:4318/mine/v1development/profiles");
    for spans in
        [("OTEL_TRACES_EXPORTER", "console"), ("OTEL_TRACES_EXPORTER", "none"), ("OTEL_TRACES_SAMPLER", "always_off")]
    {
        assert_eq!(profiles(&[spans]).0, Exporter::None, "{spans:?}");
    }
}
