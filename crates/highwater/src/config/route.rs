//! The way of each signal out of the process: one of OpenTelemetry's exporters, and where it sends.

use std::path::PathBuf;
use std::time::Duration;

use super::headers::Headers;
use crate::signal::Signal;

/// How one signal leaves the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) exporter: Exporter,
    pub(crate) protocol: Protocol,
    /// The whole address: by HTTP with the signal's path, by gRPC scheme, host and port alone. Of
    /// another exporter what to call it.
    pub(crate) url: String,
    pub(crate) headers: Headers,
    /// For one request, connection and answer included.
    pub(crate) timeout: Duration,
    pub(crate) gzip: bool,
    pub(crate) tls: Tls,
}

/// What makes of a signal what leaves the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Exporter {
    #[default]
    Otlp,
    /// Standard output, for a look while developing.
    Console,
    None,
}

/// What OTLP goes by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// Protobuf over HTTP/1.1, to port 4318 by default.
    #[default]
    HttpProtobuf,
    /// gRPC, to port 4317 by default. It needs feature `grpc`.
    Grpc,
}

/// Files in PEM format; without any, the roots that the system or the library trusts and no certificate of the client's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tls {
    /// What is trusted in place of the usual roots.
    pub(crate) certificate: Option<PathBuf>,
    /// Without its key, or the key without it, nothing is sent.
    pub(crate) client_certificate: Option<PathBuf>,
    pub(crate) client_key: Option<PathBuf>,
}

impl Protocol {
    /// The value of `OTEL_EXPORTER_OTLP_PROTOCOL`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HttpProtobuf => "http/protobuf",
            Self::Grpc => "grpc",
        }
    }

    /// Where a collector on the same host listens.
    pub(super) fn default_url(self, signal: Signal) -> String {
        match self {
            Self::HttpProtobuf => format!("http://localhost:4318/{}", signal.path()),
            Self::Grpc => "http://localhost:4317".to_owned(),
        }
    }
}
