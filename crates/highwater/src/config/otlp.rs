//! What OpenTelemetry's exporters are told, in general and for each signal, and the routes that come of it.
//!
//! One setting can be given for all signals and for one; the latter wins. Only together do they make an address: it depends
//! on the protocol, and on whose address it is. So they are read first, each by itself, and held against one another last.

use std::path::PathBuf;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::headers::Headers;
use super::route::{Exporter, Protocol, Route, Tls};
use super::{ConfigError, pem, text};
use crate::signal::{Signal, Signals};

/// Everything that exporters are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exports {
    pub(super) exporters: Signals<Exporter>,
    pub(super) general: Export,
    pub(super) own: Signals<Export>,
    /// From code, over those of the same name.
    pub(super) headers: Headers,
}

/// What an exporter is told, where it is told anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Export {
    endpoint: Told<Endpoint>,
    protocol: Option<Protocol>,
    headers: Option<Headers>,
    timeout: Option<Duration>,
    gzip: Option<bool>,
    insecure: Option<bool>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) client_certificate: Option<PathBuf>,
    pub(super) client_key: Option<PathBuf>,
}

/// A setting of which it matters whether it was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Told<T> {
    #[default]
    Nothing,
    Nonsense,
    This(T),
}

/// A setting of exporters, under four names.
#[derive(Debug)]
pub(crate) struct Setting {
    /// For all signals, and then for metrics, logs, traces.
    pub(crate) names: [&'static str; 4],
    #[cfg_attr(not(test), allow(dead_code, reason = "the reference page is made from it, by a test"))]
    pub(crate) meaning: &'static str,
    pub(super) read: fn(&mut Export, &str) -> Result<(), String>,
    pub(super) forget: fn(&mut Export),
}

macro_rules! names {
    ($name:literal) => {
        [
            concat!("OTEL_EXPORTER_OTLP_", $name),
            concat!("OTEL_EXPORTER_OTLP_METRICS_", $name),
            concat!("OTEL_EXPORTER_OTLP_LOGS_", $name),
            concat!("OTEL_EXPORTER_OTLP_TRACES_", $name),
        ]
    };
}

const ENDPOINTS: [&str; 4] = names!("ENDPOINT");
const HEADER_LISTS: [&str; 4] = names!("HEADERS");
const CERTIFICATES: [&str; 4] = names!("CERTIFICATE");
const CLIENT_CERTIFICATES: [&str; 4] = names!("CLIENT_CERTIFICATE");
const CLIENT_KEYS: [&str; 4] = names!("CLIENT_KEY");

/// All of them, in the order of the reference page.
pub(crate) static SETTINGS: &[Setting] = &[
    Setting {
        names: ENDPOINTS,
        meaning: "the collector's address; by HTTP that for all signals is followed by `/v1/metrics`, `/v1/logs` and \
                  `/v1/traces`, with feature `unstable-profiles` by `/v1development/profiles` too, that for one is taken \
                  as it is; by gRPC the path is of no account (default: \
                  `http://localhost:4318`, by gRPC `http://localhost:4317`)",
        read: |export, text| {
            // Whatever comes of it: headers that were meant for this address go to no other.
            export.endpoint = Told::Nonsense;
            export.endpoint = Told::This(text.parse()?);
            Ok(())
        },
        forget: |export| export.endpoint = Told::Nothing,
    },
    Setting {
        names: names!("PROTOCOL"),
        meaning: "`http/protobuf` or, with feature `grpc`, `grpc` (default: `http/protobuf`)",
        read: |export, text| {
            export.protocol = Some(protocol(text)?);
            Ok(())
        },
        forget: |export| export.protocol = None,
    },
    Setting {
        names: HEADER_LISTS,
        meaning: "sent with each request: `name=value` pairs with commas between, values percent-encoded; values are never \
                  said (default: none)",
        read: |export, text| {
            export.headers = Some(Headers::parse(text)?);
            Ok(())
        },
        forget: |export| export.headers = None,
    },
    Setting {
        names: names!("TIMEOUT"),
        meaning: "milliseconds that a request may take, connection and answer included; 0 is an hour (default: `10000`)",
        read: |export, text| {
            export.timeout = Some(text::timeout(text)?);
            Ok(())
        },
        forget: |export| export.timeout = None,
    },
    Setting {
        names: names!("COMPRESSION"),
        meaning: "`none` or, with feature `gzip`, `gzip` (default: `none`)",
        read: |export, text| {
            export.gzip = Some(gzip(text)?);
            Ok(())
        },
        forget: |export| export.gzip = None,
    },
    Setting {
        names: names!("INSECURE"),
        meaning: "by gRPC, of an address without `http://` or `https://`: `true` means the former (default: `false`)",
        read: |export, text| {
            export.insecure = Some(text::boolean(text)?);
            Ok(())
        },
        forget: |export| export.insecure = None,
    },
    Setting {
        names: CERTIFICATES,
        meaning: "by https: a file in PEM format with what is trusted in place of the usual roots (default: none)",
        read: |export, text| {
            export.certificate = Some(text.into());
            Ok(())
        },
        forget: |export| export.certificate = None,
    },
    Setting {
        names: CLIENT_CERTIFICATES,
        meaning: "by https: a file in PEM format with the certificate that the agent shows, and its chain (default: none)",
        read: |export, text| {
            export.client_certificate = Some(text.into());
            Ok(())
        },
        forget: |export| export.client_certificate = None,
    },
    Setting {
        names: CLIENT_KEYS,
        meaning: "by https: a file in PEM format with that certificate's key (default: none)",
        read: |export, text| {
            export.client_key = Some(text.into());
            Ok(())
        },
        forget: |export| export.client_key = None,
    },
];

impl Exports {
    /// The setting under `name`, and where it belongs.
    pub(super) fn named(&mut self, name: &str) -> Option<(&'static Setting, &mut Export)> {
        let setting = SETTINGS.iter().find(|setting| setting.names.contains(&name))?;
        let place = setting.names.iter().position(|known| *known == name)?;
        let export = match place.checked_sub(1).and_then(|index| Signal::ALL.get(index)) {
            Some(signal) => self.own.of_mut(*signal),
            None => &mut self.general,
        };
        Some((setting, export))
    }

    /// The routes that come of it all. What does not fit together is an error, and as good as not given.
    pub(super) fn routes(&self) -> (Signals<Route>, Vec<ConfigError>) {
        let mut errors = Vec::new();
        let mut route = |signal| self.route(signal, &mut errors);
        let routes = Signals {
            metrics: route(Signal::Metrics),
            logs: route(Signal::Logs),
            traces: route(Signal::Traces),
            profiles: route(Signal::Profiles),
        };
        (routes, errors)
    }

    fn route(&self, signal: Signal, errors: &mut Vec<ConfigError>) -> Route {
        let (own, general) = (self.own.of(signal), &self.general);
        let exporter = *self.exporters.of(signal);
        // Nothing is wrong with what is not used.
        let mut unused = Vec::new();
        let errors = if exporter == Exporter::Otlp { errors } else { &mut unused };

        let protocol = own.protocol.or(general.protocol).unwrap_or_default();
        let insecure = own.insecure.or(general.insecure).unwrap_or_default();
        let mut headers = [general.headers.as_ref(), Some(&self.headers), own.headers.as_ref()];
        let mut called = |export: &Export, name, base| match &export.endpoint {
            Told::This(endpoint) => {
                let url = endpoint.url(protocol, insecure, base);
                url.map_err(|remedy| report(errors, name, endpoint.to_string(), remedy)).map(Some)
            }
            Told::Nonsense => Err(()),
            Told::Nothing => Ok(None),
        };
        let own_url = called(own, name(ENDPOINTS, signal), None);
        if own_url.is_err() {
            headers = [headers[0], headers[1], None];
        }
        let url = own_url.ok().flatten().or_else(|| {
            let url = called(general, ENDPOINTS[0], Some(signal));
            if url.is_err() {
                headers = [None; 3];
            }
            url.ok().flatten()
        });
        let url = match exporter {
            Exporter::Console => "standard output".to_owned(),
            Exporter::Otlp | Exporter::None => url.unwrap_or_else(|| protocol.default_url(signal)),
        };
        let tls = if url.starts_with("https://") { self.tls(signal, errors) } else { Tls::default() };

        let mut all = Headers::default();
        // In the order of their weight.
        let [general_headers, of_code, own_headers] = headers;
        for headers in [general_headers.filter(|_| own_headers.is_none()), own_headers, of_code].into_iter().flatten() {
            all.extend(headers);
        }
        if protocol == Protocol::Grpc
            && let Some(binary) = all.remove_binary()
        {
            let remedy = "gRPC takes a name that ends with -bin for binary data: give it another name";
            report(errors, HEADER_LISTS[0], format!("{binary}=***"), remedy.to_owned());
        }
        Route {
            exporter,
            protocol,
            url,
            headers: all,
            timeout: own.timeout.or(general.timeout).unwrap_or(TIMEOUT),
            gzip: exporter == Exporter::Otlp && own.gzip.or(general.gzip).unwrap_or_default(),
            tls,
        }
    }

    fn tls(&self, signal: Signal, errors: &mut Vec<ConfigError>) -> Tls {
        let file = |names: [&'static str; 4], of: fn(&Export) -> &Option<PathBuf>| {
            let own = of(self.own.of(signal)).as_ref().map(|path| (name(names, signal), path));
            own.or_else(|| Some((names[0], of(&self.general).as_ref()?)))
        };
        // One that cannot be used keeps its place: without it something else would be trusted than was asked for. Nothing is
        // sent until it can be.
        let mut check = |(name, path): (_, &PathBuf), check: Result<(), String>| {
            check.unwrap_or_else(|remedy| report(errors, name, path.display().to_string(), remedy));
            path.clone()
        };
        let certificate = file(CERTIFICATES, |export| &export.certificate)
            .map(|(name, path)| check((name, path), pem::check_certificates(path)));
        let client = file(CLIENT_CERTIFICATES, |export| &export.client_certificate);
        let key = file(CLIENT_KEYS, |export| &export.client_key);
        let alone = || {
            let remedy = "a client's certificate and its key go together: give \
                          OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY";
            Err(remedy.to_owned())
        };
        let client_certificate =
            client.map(|client| check(client, key.map_or_else(alone, |_| pem::check_certificates(client.1))));
        let client_key = key.map(|key| check(key, client.map_or_else(alone, |client| pem::check_key(key.1, client.1))));
        Tls { certificate, client_certificate, client_key }
    }
}

/// OpenTelemetry's default for one request.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);

/// The name of a setting for one signal. Profiles have none of their own, as OpenTelemetry has none yet.
fn name([general, metrics, logs, traces]: [&'static str; 4], signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => metrics,
        Signal::Logs => logs,
        Signal::Traces => traces,
        Signal::Profiles => general,
    }
}

/// Adds an error, unless it is known of another signal.
fn report(errors: &mut Vec<ConfigError>, key: &'static str, value: String, remedy: String) {
    if !errors.iter().any(|known| known.key == key) {
        errors.push(ConfigError { key, value, remedy });
    }
}

fn protocol(text: &str) -> Result<Protocol, String> {
    match text {
        "http/protobuf" => Ok(Protocol::HttpProtobuf),
        "grpc" if cfg!(feature = "grpc") => Ok(Protocol::Grpc),
        "grpc" => Err("needs highwater's cargo feature `grpc`: turn it on, or write http/protobuf".to_owned()),
        "http/json" => Err("JSON is not built in: every collector takes http/protobuf, and grpc".to_owned()),
        _ => Err("not a protocol: write http/protobuf or grpc".to_owned()),
    }
}

fn gzip(text: &str) -> Result<bool, String> {
    match text {
        "none" => Ok(false),
        "gzip" if cfg!(feature = "gzip") => Ok(true),
        "gzip" => Err("needs highwater's cargo feature `gzip`: turn it on, or write none".to_owned()),
        _ => Err("not a compression: write gzip or none".to_owned()),
    }
}
