//! The wire: one encoded request to the collector, and what came of it.

use std::fmt;
use std::time::Duration;

use http::HeaderValue;
use opentelemetry_http::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
use prost::Message;

use crate::config::{Exporter, Protocol, Route};
use crate::signal::{Signal, Signals};

mod console;
mod http_protobuf;

use console::Console;

/// A request as an exporter has encoded it.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) bytes: Bytes,
    /// The compression that the exporter used.
    pub(super) encoding: Option<HeaderValue>,
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
pub(super) fn open(routes: &Signals<Route>) -> Signals<Box<dyn Wire>> {
    let clients = http_protobuf::Clients::default();
    let wire = |signal: Signal| -> Box<dyn Wire> {
        let route = routes.of(signal);
        if route.exporter == Exporter::Console {
            return Box::new(Console::of(signal));
        }
        match route.protocol {
            Protocol::HttpProtobuf | Protocol::Grpc => Box::new(clients.way(route)),
        }
    };
    Signals { metrics: wire(Signal::Metrics), logs: wire(Signal::Logs), traces: wire(Signal::Traces) }
}

/// What a collector says of a request that it took. The answers for all signals are alike on the wire; one that cannot be
/// read counts as plain, since the status has said that the request was taken.
fn taken(response: &[u8]) -> Answer {
    let partial = ExportLogsServiceResponse::decode(response).unwrap_or_default().partial_success.unwrap_or_default();
    match u64::try_from(partial.rejected_log_records) {
        Ok(rejected) if rejected > 0 => Answer::TakenInPart { rejected, why: partial.error_message },
        _ => Answer::Taken,
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsPartialSuccess;

    use super::*;

    fn response(rejected: i64) -> Vec<u8> {
        let partial = ExportLogsPartialSuccess { rejected_log_records: rejected, error_message: "too old".to_owned() };
        ExportLogsServiceResponse { partial_success: Some(partial) }.encode_to_vec()
    }

    #[test]
    fn what_the_collector_rejects_of_a_request_is_known() {
        assert_eq!(taken(b""), Answer::Taken);
        assert_eq!(taken(b"no protobuf"), Answer::Taken);
        assert_eq!(taken(&response(0)), Answer::Taken);
        assert_eq!(taken(&response(-1)), Answer::Taken);
        assert_eq!(taken(&response(2)), Answer::TakenInPart { rejected: 2, why: "too old".to_owned() });
    }
}
