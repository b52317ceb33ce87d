use super::*;

fn read(pairs: &[(&str, &str)]) -> (Config, Vec<ConfigError>) {
    Config::read(|name| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
}

fn good(pairs: &[(&str, &str)]) -> Config {
    let (config, errors) = read(pairs);
    assert_eq!(errors, []);
    config
}

fn bad(key: &'static str, value: &str) -> String {
    let (_, errors) = read(&[(key, value)]);
    let [error] = &errors[..] else { panic!("{key}={value:?} gave {errors:?}") };
    assert_eq!((error.key, error.value.as_str()), (key, value));
    error.to_string()
}

#[test]
fn an_empty_environment_gives_the_defaults() {
    let config = good(&[("HIGHWATER_LIMIT", ""), ("OTEL_SERVICE_NAME", "")]);
    assert_eq!(config.limit, None);
    assert_eq!(config.levels(), Ok(Levels::default()));
    assert_eq!(config.holds, Holds::default());
    assert_eq!(config.endpoint, "http://localhost:4318");
    assert_eq!(config.interval, Duration::from_secs(10));
    assert_eq!(config.service_name, None);
    assert!(!config.disabled && !config.sdk_disabled);
}

#[test]
fn limits_levels_and_holds_are_read() {
    let config = good(&[
        ("HIGHWATER_LIMIT", "512MiB"),
        ("HIGHWATER_LEVEL_ELEVATED", "60%"),
        ("HIGHWATER_LEVEL_HIGH", "400MiB"),
        ("HIGHWATER_LEVEL_CRITICAL", "limit-16MiB"),
        ("HIGHWATER_HOLD_ELEVATED", "0s"),
        ("HIGHWATER_HOLD_HIGH", "500ms"),
        ("HIGHWATER_HOLD_LEAVE", "2s"),
    ]);
    assert_eq!(config.limit, Some(Bytes::mib(512)));
    let [_, high, critical] = config.levels().unwrap().thresholds();
    assert_eq!(high, Threshold::Amount(Bytes::mib(400)));
    assert_eq!(critical, Threshold::BelowLimit(Bytes::mib(16)));
    assert_eq!((config.holds.elevated, config.holds.high), (Duration::ZERO, Duration::from_millis(500)));
    assert_eq!((config.holds.leave, config.holds.leave_critical), (Duration::from_secs(2), Duration::from_secs(2)));
}

#[test]
fn the_resource_is_percent_decoded() {
    let config = good(&[("OTEL_RESOURCE_ATTRIBUTES", "service.name=a%20b, team=m%C3%BCnchen%2C,empty=,")]);
    let pairs: Vec<_> = config.resource.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("service.name", "a b"), ("team", "münchen,"), ("empty", "")]);
}

#[test]
fn an_endpoint_loses_its_trailing_slash() {
    let config = good(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/")]);
    assert_eq!(config.endpoint, "http://collector:4318");
}

#[test]
fn an_endpoint_may_be_an_address_have_no_port_or_a_path() {
    for url in
        ["http://127.0.0.1:4318", "http://[::1]:4318", "http://[fe80::1]", "http://collector", "http://host:1/otlp/a"]
    {
        assert_eq!(good(&[("OTEL_EXPORTER_OTLP_ENDPOINT", url)]).endpoint, url);
    }
}

#[test]
fn only_true_is_true() {
    assert!(good(&[("HIGHWATER_DISABLED", "TRUE")]).disabled);
    assert!(!good(&[("HIGHWATER_DISABLED", "1")]).disabled);
    assert!(good(&[("OTEL_SDK_DISABLED", "true")]).sdk_disabled);
}

#[test]
fn what_cannot_be_used_is_named_with_its_value_and_the_remedy() {
    assert_eq!(
        bad("HIGHWATER_LIMIT", "12XB"),
        "HIGHWATER_LIMIT=\"12XB\": not an amount of memory: write a number of bytes or one with a unit, such as 512MiB, 6GiB or 500MB"
    );
    assert!(bad("HIGHWATER_LIMIT", "0").contains("512MiB"));
}

#[test]
fn each_variable_refuses_nonsense() {
    for (key, value) in [
        ("HIGHWATER_LEVEL_HIGH", "high"),
        ("HIGHWATER_HOLD_HIGH", "10"),
        ("HIGHWATER_HOLD_HIGH", "-1s"),
        ("HIGHWATER_HOLD_LEAVE", "1000days"),
        ("HIGHWATER_METRICS", "some"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://a b"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[::1"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://[collector]:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://ho^st"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:99999"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:port"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host:"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://user:secret@host:4318"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://host/a?b"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5s"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-1"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no pair"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%zz"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%f"),
    ] {
        bad(key, value);
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStringExt;

    let (_, errors) = Config::read(|name| (name == "OTEL_SERVICE_NAME").then(|| OsString::from_vec(vec![b'a', 0xff])));
    assert_eq!(errors.len(), 1);
}

#[test]
fn a_bad_value_leaves_the_default_and_the_others_alone() {
    let (config, errors) = read(&[("HIGHWATER_LEVEL_HIGH", "99%"), ("HIGHWATER_LIMIT", "1GiB")]);
    assert_eq!(errors.len(), 1);
    assert_eq!(config.levels(), Ok(Levels::default()));
    assert_eq!(config.limit, Some(Bytes::gib(1)));
}

#[test]
fn levels_are_held_against_one_another_only_when_all_are_known() {
    let config = good(&[
        ("HIGHWATER_LEVEL_ELEVATED", "88%"),
        ("HIGHWATER_LEVEL_HIGH", "93%"),
        ("HIGHWATER_LEVEL_CRITICAL", "98%"),
    ]);
    assert_eq!(config.levels().unwrap().thresholds()[0], "88%".parse().unwrap());
    let (config, errors) = read(&[("HIGHWATER_LEVEL_HIGH", "93%")]);
    assert_eq!(
        errors.first().unwrap().to_string(),
        "HIGHWATER_LEVEL_HIGH=\"93%\": level high (93%) must lie at least 5 points below level critical (95%)"
    );
    assert_eq!(config.levels(), Ok(Levels::default()));
}

#[test]
fn the_reference_page_of_the_configuration_is_up_to_date() {
    let mut page = String::from(
        "# Configuration\n\n\
         <!-- Made from ENVIRONMENT in crates/highwater/src/config.rs; a test holds it up to date. -->\n\n\
         Settings from code (`Agent::builder()`) win over the environment, as in OpenTelemetry's own SDKs. An empty variable is as\n\
         good as none. Of a value that cannot be used the builder returns an error with its key, the value and the remedy;\n\
         `highwater::start()` says it once and takes the default.\n\n\
         | variable | meaning |\n|---|---|\n",
    );
    for Variable { name, meaning, .. } in ENVIRONMENT {
        page.push_str(&format!("| `{name}` | {meaning} |\n"));
    }
    crate::tests::is_page(std::path::Path::new("configuration.md"), &page);
}
