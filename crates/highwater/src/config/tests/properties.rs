//! What holds of every text.

use proptest::prelude::*;

use super::*;

/// Texts of all kinds, and those that look like settings.
fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[a-z]{0,5}(://)?[a-z0-9:/@?%=,.\\-\\[\\] ]{0,40}",
        "[0-9.,+%-]{0,12}(ms|s|m|h|d|%|B|KiB|MiB|GiB|MB)?",
        "([a-zA-Z0-9-]{1,8}=[ -~]{0,12},?){1,4}",
        "(otlp|none|console|tracing|core|all|true|false|on|off|grpc|gzip|limit-1GiB|,|\\+|\\*| ){1,4}",
    ]
}

proptest! {
    #[test]
    fn no_text_panics_and_each_error_names_its_key_and_a_remedy(
        settings in proptest::collection::vec((0..variables().count(), texts()), 1..6),
    ) {
        let names: Vec<_> = variables().collect();
        let pairs: Vec<_> = settings.iter().map(|(index, text)| (names[*index], text.as_str())).collect();
        let (config, errors) = read(&pairs);
        for error in &errors {
            prop_assert!(names.contains(&error.key), "{error}");
            prop_assert!(!error.remedy.is_empty() && error.to_string().starts_with(error.key));
        }
        prop_assert!(config.levels().is_ok());
    }

    #[test]
    fn a_text_is_taken_or_leaves_everything_as_it_was(index in 0..variables().count(), text in texts()) {
        let name = variables().nth(index).unwrap();
        let (mut config, errors) = read(&[(name, &text)]);
        if !errors.is_empty() {
            prop_assert_eq!(errors.len(), 1);
            config.exports = Exports::default();
            // One that cannot be used is kept as that.
            prop_assert!(config.page.token.take().is_none_or(|token| token.is_err()));
            prop_assert_eq!(config, Config::default());
        }
    }

    #[cfg(unix)]
    #[test]
    fn no_bytes_panic(index in 0..variables().count(), bytes: Vec<u8>) {
        use std::os::unix::ffi::OsStringExt;

        let name = variables().nth(index).unwrap();
        let (mut config, _) =
            Config::read(|asked| (asked == name).then(|| OsString::from_vec(bytes.clone())));
        config.settle();
    }

    #[test]
    fn no_secret_is_said(secret in "sEcReT[a-z0-9+/]{0,12}={0,2}", form in 0_usize..10) {
        let list = [
            format!("api-key={secret}"),
            format!("api-key={secret},x"),
            format!("api-key={secret}%z"),
            format!("api key={secret}"),
            format!("api-key: {secret}"),
            format!("Bearer {secret}"),
            format!("a=1,Bearer {secret}"),
            format!("content-length={secret}"),
            secret.clone(),
            format!("={secret}"),
        ];
        let address = [
            format!("http://user:{secret}@host"),
            format!("https://user:{secret}@host/path"),
            format!("user:{secret}@host"),
            format!("http://{secret}@host"),
            format!("http://host/path?key={secret}"),
            format!("host?key={secret}"),
            format!("http:/user:{secret}@host"),
            format!("http://host#{secret}"),
            format!("ftp://user:{secret}@host"),
            format!("http://user:{secret}@host@host"),
        ];
        for (name, text) in [
            ("OTEL_EXPORTER_OTLP_HEADERS", &list[form]),
            ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", &list[form]),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &address[form]),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &address[form]),
        ] {
            let (config, errors) = read(&[(name, text)]);
            let said = format!("{errors:?} {config:?} {:?}", errors.iter().map(ToString::to_string).collect::<Vec<_>>());
            prop_assert!(!said.contains("sEcReT"), "{} {}: {}", name, text, said);
        }
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn an_address_that_is_taken_can_be_called(text in "https?://[a-z0-9:/@%=,.\\-_\\[\\]~!]{0,30}") {
        let (config, _) = read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &text), ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", &text)]);
        for route in config.routes.iter() {
            let url = &route.url;
            let uri: http::Uri = url.parse().unwrap();
            prop_assert!(uri.host().is_some_and(|host| url.contains(host)), "{}", url);
        }
    }

    #[cfg(feature = "otlp")]
    #[test]
    fn a_header_that_is_taken_can_be_sent(text in "([!-~]{1,6}=[ -~]{0,12},?){1,3}") {
        let (config, _) = read(&[("OTEL_EXPORTER_OTLP_HEADERS", &text)]);
        for (name, value) in config.routes.logs.headers.iter() {
            prop_assert!(http::HeaderName::from_bytes(name.as_bytes()).is_ok(), "{}", name);
            prop_assert!(http::HeaderValue::from_str(value).is_ok(), "{}", value);
        }
    }
}
