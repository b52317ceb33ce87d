//! The wire: one encoded request to the collector, and what came of it.
//!
//! | module | idea |
//! |---|---|
//! | `http_protobuf` | by HTTP/1.1 over a blocking client |
//! | `console` | to standard output, for a look |
//! | `grpc` | by gRPC, on a thread of its own (feature `grpc`) |
//! | `tls` | whom both trust, and what they show of themselves (feature `tls`) |
//! | `gzip` | requests compressed (feature `gzip`) |

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry_http::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;

use crate::config::{Exporter, Protocol, Route, Tls};
use crate::signal::{Signal, Signals};

mod console;
#[cfg_attr(not(feature = "grpc"), path = "wire/grpc_disabled.rs")]
mod grpc;
#[cfg_attr(not(feature = "gzip"), path = "wire/gzip_disabled.rs")]
mod gzip;
mod http_protobuf;
#[cfg_attr(not(feature = "tls"), path = "wire/tls_disabled.rs")]
mod tls;

/// For the connection alone: a collector is near.
const CONNECT: Duration = Duration::from_secs(2);
/// A collector's answer is a few bytes; more is not its answer.
const ANSWER: usize = 64 * 1024;
/// Who sends.
const NAME: &str = concat!("highwater/", env!("CARGO_PKG_VERSION"));

use console::Console;

/// A request as an exporter has encoded it.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    /// The compression.
    pub(super) encoding: Option<HeaderValue>,
}

impl Body {
    /// The same request, compressed.
    pub(super) fn compressed(self) -> Self {
        gzip::compressed(self)
    }
}

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The collector has it.
    Taken,
    /// The collector has it, but for so many items, which it will never take.
    TakenInPart { rejected: u64, why: String },
    /// Not now; where the collector named a time, not before that is over.
    Later { after: Option<Duration>, why: String },
    /// Never: sending it again would be refused again.
    Refused { why: String },
}

/// The way of one signal to its collector.
pub(super) trait Wire: fmt::Debug + Send + Sync {
    /// Sends one request and waits for the answer, `at_most` so long. It blocks the calling thread, which is the agent's
    /// own.
    fn send(&self, body: &Body, at_most: Duration) -> Answer;
}

/// Opens the way of each signal. Nothing is connected before the first request.
///
/// # Errors
///
/// Where a thread that a way needs cannot be had.
pub(super) fn open(routes: &Signals<Route>) -> io::Result<Signals<Box<dyn Wire>>> {
    let mut clients = http_protobuf::Clients::default();
    let mut connections = grpc::Connections::default();
    let mut wire = |signal| -> io::Result<Box<dyn Wire>> {
        let route = routes.of(signal);
        Ok(match (route.exporter, route.protocol) {
            (Exporter::Console, _) => Box::new(Console::of(signal)),
            (_, Protocol::HttpProtobuf) => Box::new(clients.way(route)),
            (_, Protocol::Grpc) => Box::new(connections.way(signal, route)?),
        })
    };
    Ok(Signals {
        metrics: wire(Signal::Metrics)?,
        logs: wire(Signal::Logs)?,
        traces: wire(Signal::Traces)?,
        profiles: wire(Signal::Profiles)?,
    })
}

/// The headers that a route was given.
fn headers(route: &Route) -> HeaderMap {
    let header = |(name, value): &(String, String)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(value).ok()?;
        // As a rule a credential: never shown.
        value.set_sensitive(true);
        Some((name, value))
    };
    route.headers.iter().filter_map(header).collect()
}

/// Whether who is at the other end has closed the connection.
fn lost_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// Whether it says why, in the way of TLS.
fn is_alert(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::InvalidData && error.to_string().contains("alert")
}

/// What is perhaps wrong where connections are closed and no answer has ever come. A collector that wants a certificate of
/// its clients closes the connection only after the handshake, one that is spoken to by the wrong protocol at once, and in
/// both cases its reason can get lost on the way.
#[derive(Debug)]
struct Doubt {
    what: &'static str,
    answered: AtomicBool,
}

impl Doubt {
    /// Of a way over TLS or without, at what would be the wrong port for it.
    fn of(tls: Option<&Tls>, wrong_port: &'static str) -> Self {
        let what = match tls {
            Some(Tls { client_certificate: None, .. }) => {
                "; perhaps the collector wants a certificate of the agent's: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE names one"
            }
            Some(_) => "",
            None => wrong_port,
        };
        Self { what, answered: AtomicBool::new(false) }
    }

    /// An answer has come.
    fn clear(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// What is to be said more of this error.
    fn about(&self, error: &io::Error) -> &'static str {
        let doubtful = lost_connection(error) || is_alert(error);
        if doubtful && !self.answered.load(Ordering::Relaxed) { self.what } else { "" }
    }
}

/// What a collector says of a request that it took. The answers for all signals are alike on the wire; one that cannot be
/// read counts as plain, since the status has said that the request was taken.
fn taken(response: &[u8]) -> Answer {
    let partial = ExportLogsServiceResponse::decode(response).unwrap_or_default().partial_success.unwrap_or_default();
    match u64::try_from(partial.rejected_log_records) {
        Ok(rejected) if rejected > 0 => Answer::TakenInPart { rejected, why: line(&partial.error_message) },
        _ => Answer::Taken,
    }
}

/// Somebody else's words, for one line of a log: of any length they come, and of any characters.
fn line(words: &str) -> String {
    const LENGTH: usize = 200;
    words.chars().map(|char| if char.is_control() { ' ' } else { char }).take(LENGTH).collect()
}

/// What a collector's answer means, by HTTP and by gRPC: for the fuzz targets.
#[cfg(fuzzing)]
pub(crate) fn heard(status: u16, headers: HeaderMap, body: &[u8]) {
    let Ok(status) = http::StatusCode::from_u16(status) else { return };
    for answer in [http_protobuf::heard(status, &headers, body), grpc::heard(status, headers, body)] {
        if let Answer::TakenInPart { rejected, .. } = answer {
            assert!(rejected > 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;

    use super::*;

    pub(super) fn response(rejected: i64, words: &str) -> Vec<u8> {
        let partial = ExportLogsPartialSuccess { rejected_log_records: rejected, error_message: words.to_owned() };
        ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
    }

    #[test]
    fn what_the_collector_rejects_of_a_request_is_known() {
        assert_eq!(taken(b""), Answer::Taken);
        assert_eq!(taken(b"no protobuf"), Answer::Taken);
        assert_eq!(taken(&response(0, "too old")), Answer::Taken);
        assert_eq!(taken(&response(-1, "too old")), Answer::Taken);
        assert_eq!(taken(&response(2, "too old")), Answer::TakenInPart { rejected: 2, why: "too old".to_owned() });
    }

    #[test]
    fn the_collector_s_words_are_one_line_of_a_log() {
        let Answer::TakenInPart { why, .. } = taken(&response(1, &format!("a\nb\u{1b}[1m{}", "x".repeat(1000)))) else {
            panic!("it rejects one")
        };
        assert!(why.starts_with("a b [1mx") && why.len() == 200, "{why}");
    }
}
