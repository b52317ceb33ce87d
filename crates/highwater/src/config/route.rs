//! The way of each signal out of the process: one of OpenTelemetry's exporters, and where it sends.

use std::path::PathBuf;
use std::time::Duration;

/// How one signal leaves the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) exporter: Exporter,
    pub(crate) protocol: Protocol,
    /// The whole address: by HTTP with the signal's path, by gRPC scheme, host and port alone.
    pub(crate) url: String,
    /// Sent with each request; names in lower case, values percent-decoded.
    pub(crate) headers: Vec<(String, String)>,
    /// For one request, connection and answer included.
    pub(crate) timeout: Duration,
    pub(crate) gzip: bool,
    pub(crate) tls: Tls,
}

/// What makes of a signal what leaves the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exporter {
    Otlp,
    /// Standard output, for a look while developing.
    Console,
    None,
}

/// What OTLP goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    HttpProtobuf,
    Grpc,
}

/// Files in PEM format; without any, the roots that the system or the library trusts and no certificate of the client's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// What is trusted in place of the usual roots.
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
}

impl Route {
    /// OpenTelemetry's default for one signal, whose path is such as `/v1/logs`.
    pub(crate) fn default_of(path: &str) -> Self {
        Self {
            exporter: Exporter::Otlp,
            protocol: Protocol::HttpProtobuf,
            url: format!("http://localhost:4318{path}"),
            headers: Vec::new(),
            timeout: Duration::from_secs(10),
            gzip: false,
            tls: Tls::default(),
        }
    }
}
