//! OTLP by gRPC: one warm HTTP/2 connection to each collector, on a thread and a runtime of the agent's own.
//!
//! | module | idea |
//! |---|---|
//! | `runtime` | the thread on which connections live |
//! | `connection` | one connection, made when it is needed and again when it is lost |
//! | `status` | what an answer means |
//!
//! Of gRPC a request needs five bytes before its body, and an answer a status after it; HTTP/2 is h2's. Not tonic: 28 crates
//! more where these are 10, a connect timeout that does not hold for all of connecting, and a connection that cannot be
//! given up when nobody answers on it. Not the exporters' own gRPC either, which needs the host's runtime.

use std::borrow::Cow;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use http::header::{CONTENT_TYPE, TE, USER_AGENT};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Uri, Version};
use opentelemetry_http::Bytes;

use self::connection::Connection;
use self::runtime::Runtime;
use super::{ANSWER, Answer, Body, NAME, Wire, gzip, headers};
use crate::config::{Route, Tls};
use crate::signal::Signal;

mod connection;
mod runtime;
mod status;

/// The connections of all signals: one to each collector, whoever sends by it.
#[derive(Debug, Default)]
pub(super) struct Connections {
    runtime: Option<Arc<Runtime>>,
    opened: Vec<(String, Tls, Arc<Connection>)>,
}

impl Connections {
    /// # Errors
    ///
    /// Where the thread for connections cannot be had.
    pub(super) fn way(&mut self, signal: Signal, route: &Route) -> io::Result<Grpc> {
        let runtime = match &self.runtime {
            Some(runtime) => Arc::clone(runtime),
            None => Arc::clone(self.runtime.insert(Arc::new(Runtime::start()?))),
        };
        let uri: Uri = route.url.parse().map_err(io::Error::other)?;
        let known = self.opened.iter().find(|(url, tls, _)| *url == route.url && *tls == route.tls);
        let connection = match known {
            Some((_, _, connection)) => Arc::clone(connection),
            None => {
                let connection = Arc::new(Connection::to(&uri, &route.tls));
                self.opened.push((route.url.clone(), route.tls.clone(), Arc::clone(&connection)));
                connection
            }
        };
        let mut parts = uri.into_parts();
        parts.path_and_query = Some(PathAndQuery::from_static(method(signal)));
        let uri = Uri::from_parts(parts).map_err(io::Error::other)?;
        Ok(Grpc { runtime, connection, uri, headers: metadata(route) })
    }
}

const fn method(signal: Signal) -> &'static str {
    match signal {
        Signal::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        Signal::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        Signal::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        Signal::Profiles => "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
    }
}

/// The headers of every request. Those that HTTP/2 refuses, since they are about a connection, no route has.
fn metadata(route: &Route) -> HeaderMap {
    let mut metadata = headers(route);
    metadata.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    metadata.insert(TE, HeaderValue::from_static("trailers"));
    metadata.insert(USER_AGENT, HeaderValue::from_static(NAME));
    metadata
}

#[derive(Debug)]
pub(super) struct Grpc {
    runtime: Arc<Runtime>,
    connection: Arc<Connection>,
    uri: Uri,
    headers: HeaderMap,
}

impl Wire for Grpc {
    /// The waiting is the calling thread's own: it ends in time whatever happens on the other.
    fn send(&self, body: &Body, at_most: Duration) -> Answer {
        let none = move || Answer::Later { after: None, why: format!("no answer within {at_most:?}") };
        let Some(message) = message(body) else {
            return Answer::Refused { why: "a request of more than 4 GiB".to_owned() };
        };
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers.clone();
        if let Some(encoding) = &body.encoding {
            request.headers_mut().insert("grpc-encoding", encoding.clone());
        }
        let (tell, told) = sync_channel(1);
        let connection = Arc::clone(&self.connection);
        self.runtime.spawn(async move {
            let call = connection.call(&request, &message);
            let answer = match tokio::time::timeout(at_most, call).await {
                Ok(Ok(reply)) => status::answer(reply),
                // Whatever it is that came between, it can pass.
                Ok(Err(why)) => Answer::Later { after: None, why },
                Err(_) => none(),
            };
            // Nobody waits any more.
            let _ = tell.send(answer);
        });
        told.recv_timeout(at_most).unwrap_or_else(|_| none())
    }
}

/// A body as gRPC wants it: whether it is compressed, its length, itself.
fn message(body: &Body) -> Option<Bytes> {
    let length = u32::try_from(body.bytes.len()).ok()?;
    let prefix = [&[u8::from(body.encoding.is_some())][..], &length.to_be_bytes()].concat();
    Some([&prefix, &body.bytes[..]].concat().into())
}

/// For the fuzz targets.
#[cfg(fuzzing)]
pub(super) fn heard(http: http::StatusCode, headers: HeaderMap, message: &[u8]) -> Answer {
    status::answer(connection::Reply { http, headers, message: message.to_vec() })
}

/// The message of an answer, without what gRPC puts before it. Some servers compress an answer as the request was.
fn content(message: &[u8]) -> Cow<'_, [u8]> {
    match message {
        [1, _, _, _, _, content @ ..] => gzip::inflated(content, ANSWER).into(),
        [_, _, _, _, _, content @ ..] => content.into(),
        _ => Cow::default(),
    }
}
