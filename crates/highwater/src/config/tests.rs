use super::*;

#[cfg(feature = "tls")]
mod certificates;
mod exporters;
mod page;
mod properties;

fn read(pairs: &[(&str, &str)]) -> (Config, Vec<ConfigError>) {
    let get = |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value));
    let (mut config, mut errors) = Config::read(get);
    errors.extend(config.settle());
    (config, errors)
}

fn good(pairs: &[(&str, &str)]) -> Config {
    let (config, errors) = read(pairs);
    assert_eq!(errors, [], "{pairs:?}");
    config
}

/// What is said of a value that cannot be used; all that it would have set keeps its default, but for a token, which is kept as
/// one that cannot be used.
fn bad(key: &str, value: &str) -> String {
    let (mut config, errors) = read(&[(key, value)]);
    let [error] = &errors[..] else { panic!("{key}={value:?} gave {errors:?}") };
    assert_eq!(error.key, key);
    assert!(!error.remedy.is_empty());
    config.exports = Exports::default();
    config.page.token = config.page.token.filter(Result::is_ok);
    assert_eq!(config, Config::default(), "{key}={value:?} changes something all the same");
    error.to_string()
}

#[test]
fn an_empty_environment_gives_the_defaults() {
    let nothing: Vec<_> = variables().map(|name| (name, "")).collect();
    let spaces: Vec<_> = variables().map(|name| (name, " \t ")).collect();
    assert_eq!(good(&[]), Config::default());
    assert_eq!(good(&nothing), Config::default());
    assert_eq!(good(&spaces), Config::default());
    let config = Config::default();
    assert_eq!(config.limit, None);
    assert_eq!(config.levels(), Ok(Levels::default()));
    assert_eq!(config.holds, Holds::default());
    assert_eq!(config.events, EventsTo { otlp: true, log: true });
    assert_eq!((config.span_events, config.report), (true, None));
    assert_eq!(config.interval, Duration::from_secs(10));
    assert_eq!(config.temporality, Temporality::Cumulative);
    assert_eq!(config.service_name, None);
    assert_eq!(config.resource, []);
    assert!(!config.disabled && !config.sdk_disabled && config.sampled);
}

#[test]
fn no_variable_has_two_rows() {
    let mut names: Vec<_> = variables().collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn limits_levels_and_holds_are_read() {
    let config = good(&[
        ("HIGHWATER_LIMIT", "512MiB"),
        ("HIGHWATER_LEVEL_ELEVATED", "60%"),
        ("HIGHWATER_LEVEL_HIGH", " 400MiB "),
        ("HIGHWATER_LEVEL_CRITICAL", "limit-16MiB"),
        ("HIGHWATER_HOLD_ELEVATED", "0s"),
        ("HIGHWATER_HOLD_HIGH", "500ms"),
        ("HIGHWATER_HOLD_CRITICAL", "1s"),
        ("HIGHWATER_HOLD_LEAVE", "2s"),
    ]);
    assert_eq!(config.limit, Some(Bytes::mib(512)));
    let [elevated, high, critical] = config.levels().unwrap().thresholds();
    assert_eq!(elevated, "60%".parse().unwrap());
    assert_eq!(high, Threshold::Amount(Bytes::mib(400)));
    assert_eq!(critical, Threshold::BelowLimit(Bytes::mib(16)));
    let holds = [config.holds.elevated, config.holds.high, config.holds.critical];
    assert_eq!(holds.map(|hold| hold.as_millis()), [0, 500, 1000]);
    assert_eq!((config.holds.leave, config.holds.leave_critical), (Duration::from_secs(2), Duration::from_secs(2)));
}

#[test]
fn windows_of_growth_are_read_and_set_back_where_they_are_out_of_order() {
    let config = good(&[
        ("HIGHWATER_GROWTH_SLOW", "30m"),
        ("HIGHWATER_GROWTH_FAST", "5m"),
        ("HIGHWATER_GROWTH_RAMP", "1m"),
        ("HIGHWATER_GROWTH_WARM_UP", "0s"),
    ]);
    let windows = [config.growth.slow, config.growth.fast, config.growth.ramp, config.growth.warm_up];
    assert_eq!(windows.map(|window| window.as_secs()), [1800, 300, 60, 0]);
    assert_eq!(
        bad("HIGHWATER_GROWTH_FAST", "6h"),
        "HIGHWATER_GROWTH_FAST=\"6h\": must be shorter than HIGHWATER_GROWTH_SLOW, which is 6h: all three windows are set back"
    );
}

#[test]
fn what_is_told_and_where_is_read() {
    let events = |text| good(&[("HIGHWATER_EVENTS", text)]).events;
    assert_eq!(events("otlp,tracing"), EventsTo { otlp: true, log: true });
    assert_eq!(events("tracing, otlp"), EventsTo { otlp: true, log: true });
    assert_eq!(events("otlp"), EventsTo { otlp: true, log: false });
    assert_eq!(events("tracing"), EventsTo { otlp: false, log: true });
    assert_eq!(events("none"), EventsTo { otlp: false, log: false });
    assert!(good(&[("HIGHWATER_SPAN_EVENTS", "on")]).span_events);
    assert!(!good(&[("HIGHWATER_SPAN_EVENTS", "off")]).span_events);
    assert_eq!(good(&[("HIGHWATER_REPORT", "5s")]).report, Some(Duration::from_secs(5)));
    assert_eq!(good(&[("HIGHWATER_REPORT", "off")]).report, None);
    assert_eq!(good(&[("HIGHWATER_PURGE", "high")]).purge, Some(Level::High));
    assert_eq!(good(&[("HIGHWATER_PURGE", "off")]).purge, None);
    assert_ne!(good(&[("HIGHWATER_METRICS", "all")]).metrics, Selection::default());
    assert_eq!(good(&[("HIGHWATER_RECORD", "/a b.csv")]).record, Some("/a b.csv".into()));
    assert_eq!(good(&[("HIGHWATER_RECORD_SIZE", "64KiB")]).record_size, Bytes::kib(64));
    assert_eq!(
        bad("HIGHWATER_RECORD_SIZE", "63KiB"),
        "HIGHWATER_RECORD_SIZE=\"63KiB\": too small for a recording: write at least 64KiB"
    );
}

#[test]
fn what_the_page_is_told_is_read_and_its_token_never_said() {
    let address = |text| good(&[("HIGHWATER_PAGE", text)]).page.address;
    let at = |text: &str| PageAddress::At(text.parse().unwrap());
    assert_eq!(address("off"), PageAddress::Off);
    assert_eq!(address("localhost:7071"), at("127.0.0.1:7071"));
    assert_eq!(address("0.0.0.0:0"), at("0.0.0.0:0"));
    assert_eq!(address("[::1]:7070"), at("[::1]:7070"));
    let page = good(&[
        ("HIGHWATER_PAGE_TOKEN", "abcDEF-._~012345"),
        ("HIGHWATER_PAGE_HOSTS", "Memory.example.org, cart.internal,"),
        ("HIGHWATER_JAEGER_URL", "http://127.0.0.1:16686/"),
    ])
    .page;
    assert_eq!(page.token.as_ref().unwrap().as_ref().map(PageToken::reveal), Ok("abcDEF-._~012345"));
    assert_eq!(page.hosts, ["memory.example.org", "cart.internal"]);
    assert_eq!(page.jaeger.as_deref(), Some("http://127.0.0.1:16686"));
    assert!(!format!("{page:?}").contains("abcDEF"));
    for token in ["too-short", "sixteen chars and a space", "sixteen;chars;and;more", &"x".repeat(257)] {
        let said = bad("HIGHWATER_PAGE_TOKEN", token);
        assert!(said.starts_with("HIGHWATER_PAGE_TOKEN=\"***\": not a token: ") && !said.contains(token), "{said}");
        let (config, errors) = read(&[("HIGHWATER_PAGE_TOKEN", token)]);
        assert_eq!(config.page.token, Some(Err(errors[0].remedy.clone())), "one that cannot be used is not none");
        assert_eq!(errors[0].consequence(), "there is no page until it can be used");
    }
    let said = bad("HIGHWATER_JAEGER_URL", "http://user:secret@jaeger");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn the_resource_is_percent_decoded_and_a_later_pair_replaces() {
    let config = good(&[(
        "OTEL_RESOURCE_ATTRIBUTES",
        "service.name=a%20b, team=m%C3%BCnchen%2C,empty=,a%3Db=c%3Dd,sum=1=1,team=b,",
    )]);
    let pairs: Vec<_> = config.resource.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(pairs, [("service.name", "a b"), ("team", "b"), ("empty", ""), ("a=b", "c=d"), ("sum", "1=1")]);
    let config = good(&[("OTEL_RESOURCE_ATTRIBUTES", "team=m%C3%BCnchen%2C"), ("OTEL_SERVICE_NAME", "cart")]);
    assert_eq!(config.resource[0].1, "münchen,");
    assert_eq!(config.service_name.as_deref(), Some("cart"));
}

#[test]
fn only_true_is_true_and_only_false_is_false() {
    for key in ["HIGHWATER_DISABLED", "OTEL_SDK_DISABLED"] {
        let of = |text| {
            let config = good(&[(key, text)]);
            if key == "HIGHWATER_DISABLED" { config.disabled } else { config.sdk_disabled }
        };
        assert!(of("true") && of("TRUE") && of("True"));
        assert!(!of("false") && !of("FALSE"));
        for neither in ["1", "0", "yes", "on", "truee"] {
            assert_eq!(bad(key, neither), format!("{key}={neither:?}: neither true nor false: write one of them"));
        }
    }
}

#[test]
fn what_cannot_be_used_is_named_with_its_value_and_the_remedy() {
    assert_eq!(
        bad("HIGHWATER_LIMIT", "12XB"),
        "HIGHWATER_LIMIT=\"12XB\": not an amount of memory: write a number of bytes or one with a unit, such as 512MiB, 6GiB or 500MB"
    );
}

#[test]
fn each_of_our_variables_refuses_nonsense_and_says_what_would_be_right() {
    for (key, value, right) in [
        ("HIGHWATER_LIMIT", "much", "512MiB"),
        ("HIGHWATER_LIMIT", "0", "512MiB"),
        ("HIGHWATER_LIMIT", "-1GiB", "512MiB"),
        ("HIGHWATER_LEVEL_ELEVATED", "0%", "75%"),
        ("HIGHWATER_LEVEL_ELEVATED", "0", "75%"),
        ("HIGHWATER_LEVEL_HIGH", "high", "85%"),
        ("HIGHWATER_LEVEL_HIGH", "185%", "85%"),
        ("HIGHWATER_LEVEL_HIGH", "-85%", "85%"),
        ("HIGHWATER_LEVEL_CRITICAL", "limit+1GiB", "limit-1GiB"),
        ("HIGHWATER_HOLD_ELEVATED", "10", "30s"),
        ("HIGHWATER_HOLD_HIGH", "-1s", "30s"),
        ("HIGHWATER_HOLD_CRITICAL", "soon", "30s"),
        ("HIGHWATER_HOLD_LEAVE", "1000days", "30s"),
        ("HIGHWATER_GROWTH_SLOW", "forever", "30s"),
        ("HIGHWATER_GROWTH_FAST", "2days", "30s"),
        ("HIGHWATER_GROWTH_RAMP", "5s", "24 s"),
        ("HIGHWATER_GROWTH_WARM_UP", "-1s", "30s"),
        ("HIGHWATER_METRICS", "some", "core"),
        ("HIGHWATER_METRICS", "core,+no.such.metric", "core"),
        ("HIGHWATER_EVENTS", "stdout", "otlp, tracing"),
        ("HIGHWATER_EVENTS", "otlp,none", "otlp, tracing"),
        ("HIGHWATER_EVENTS", "otlp,", "otlp, tracing"),
        ("HIGHWATER_SPAN_EVENTS", "false", "on nor off"),
        ("HIGHWATER_REPORT", "5", "30s"),
        ("HIGHWATER_REPORT", "0s", "5s"),
        ("HIGHWATER_REPORT", "1ms", "5s"),
        ("HIGHWATER_REPORT", "2days", "30s"),
        ("HIGHWATER_PURGE", "normal", "critical"),
        ("HIGHWATER_PURGE", "on", "off"),
        ("HIGHWATER_PAGE", "7070", "127.0.0.1:7070"),
        ("HIGHWATER_PAGE", "on", "or off"),
        ("HIGHWATER_PAGE", "example.org:80", "127.0.0.1:7070"),
        ("HIGHWATER_PAGE", "localhost:", "127.0.0.1:7070"),
        ("HIGHWATER_PAGE_HOSTS", "http://memory.example.org", "without scheme"),
        ("HIGHWATER_PAGE_HOSTS", "memory.example.org:80", "without scheme and port"),
        ("HIGHWATER_JAEGER_URL", "127.0.0.1:16686", "http://"),
        ("HIGHWATER_JAEGER_URL", "javascript:alert(1)", "http://"),
        ("HIGHWATER_JAEGER_URL", "http://", "http://127.0.0.1:16686"),
        ("HIGHWATER_JAEGER_URL", "http://a b", "http://127.0.0.1:16686"),
        ("OTEL_RESOURCE_ATTRIBUTES", "no pair", "key=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=value", "key=value"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%zz", "%25"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%f", "%25"),
        ("OTEL_RESOURCE_ATTRIBUTES", "a=%ff", "UTF-8"),
        ("OTEL_RESOURCE_ATTRIBUTES", "good=1,bad", "key=value"),
    ] {
        let said = bad(key, value);
        assert!(said.starts_with(&format!("{key}={value:?}: ")) && said.contains(right), "{said}");
    }
}

#[cfg(unix)]
#[test]
fn a_value_that_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStringExt;

    for name in variables() {
        let get = |asked: &str| (asked == name).then(|| OsString::from_vec(vec![b'a', b'=', 0xff]));
        let (mut config, errors) = Config::read(get);
        assert_eq!(errors.iter().map(|error| error.key).collect::<Vec<_>>(), [name]);
        assert!(errors[0].remedy.contains("UTF-8"));
        let token = config.page.token.take();
        assert_eq!(token.is_some_and(|token| token.is_err()), name == "HIGHWATER_PAGE_TOKEN");
        assert_eq!(config, Config::default());
    }
}

#[test]
fn a_bad_value_leaves_the_default_of_its_own_key_alone() {
    let (config, errors) = read(&[
        ("HIGHWATER_LEVEL_ELEVATED", "60%"),
        ("HIGHWATER_LEVEL_HIGH", "93%"),
        ("HIGHWATER_LIMIT", "1GiB"),
        ("HIGHWATER_HOLD_HIGH", "soon"),
    ]);
    assert_eq!(
        errors.iter().map(|error| error.key).collect::<Vec<_>>(),
        ["HIGHWATER_HOLD_HIGH", "HIGHWATER_LEVEL_HIGH"]
    );
    let kept = ["60%", "85%", "95%"].map(|share| share.parse().unwrap());
    assert_eq!(config.thresholds, kept);
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
    assert_eq!(
        bad("HIGHWATER_LEVEL_HIGH", "93%"),
        "HIGHWATER_LEVEL_HIGH=\"93%\": level high (93%) must lie at least 5 points below level critical (95%)"
    );
}

#[test]
fn of_two_levels_that_do_not_fit_the_one_that_was_given_is_named() {
    let said = bad("HIGHWATER_LEVEL_CRITICAL", "80%");
    assert_eq!(said, "HIGHWATER_LEVEL_CRITICAL=\"80%\": level high (85%) must lie below level critical (80%)");
    let (config, errors) = read(&[
        ("HIGHWATER_LEVEL_ELEVATED", "90%"),
        ("HIGHWATER_LEVEL_HIGH", "80%"),
        ("HIGHWATER_LEVEL_CRITICAL", "70%"),
    ]);
    let keys: Vec<_> = errors.iter().map(|error| error.key).collect();
    assert_eq!(keys, ["HIGHWATER_LEVEL_ELEVATED", "HIGHWATER_LEVEL_HIGH", "HIGHWATER_LEVEL_CRITICAL"]);
    assert_eq!(config.thresholds, Levels::default().thresholds());
}

#[test]
fn a_level_that_the_configured_limit_makes_senseless_is_an_error() {
    for (value, told) in [("6GiB", "6GiB"), ("limit-1GiB", "limit-1GiB"), ("limit-512MiB", "limit-512MiB")] {
        let (config, errors) = read(&[("HIGHWATER_LIMIT", "512MiB"), ("HIGHWATER_LEVEL_CRITICAL", value)]);
        assert_eq!(
            errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [format!(
                "HIGHWATER_LEVEL_CRITICAL={told:?}: makes no sense under the limit of 512MiB (HIGHWATER_LIMIT): write a \
                 share of it, such as 95%"
            )]
        );
        assert_eq!(config.thresholds, Levels::default().thresholds());
    }
    good(&[("HIGHWATER_LIMIT", "512MiB"), ("HIGHWATER_LEVEL_CRITICAL", "512MiB")]);
}

#[test]
fn what_is_set_in_code_by_name_is_what_the_variable_says() {
    let mut config = Config::default();
    assert_eq!(config.set("HIGHWATER_REPORT", "5s"), Ok(()));
    assert_eq!(config.report, Some(Duration::from_secs(5)));
    let unknown = config.set("HIGHWATER_REPORTS", "5s").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "set=\"HIGHWATER_REPORTS\": not a variable of the agent's: docs/configuration.md lists them"
    );
}
