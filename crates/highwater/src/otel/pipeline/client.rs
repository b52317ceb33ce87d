//! The blocking HTTP client of the exporters: shared, warm connections, no runtime, no thread of its own.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};

/// For one request, connection and answer included. OpenTelemetry's default for an export.
const REQUEST: Duration = Duration::from_secs(10);
/// For the connection alone: a collector is near.
const CONNECT: Duration = Duration::from_secs(2);
/// A collector's answer is a few bytes; more is not its answer.
const ANSWER: u64 = 64 * 1024;

/// The client of one exporter. Those of [`Client::another`] share their connections.
#[derive(Debug)]
pub(super) struct Client {
    agent: ureq::Agent,
    /// Why the last request had no answer: the exporters make "network error" of all of it.
    trouble: Mutex<Option<String>>,
}

impl Client {
    pub(super) fn new() -> Self {
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(REQUEST))
            .timeout_connect(Some(CONNECT))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections_per_host(2)
            .proxy(None)
            .user_agent(concat!("highwater/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { agent, trouble: Mutex::new(None) }
    }

    /// A client for another exporter, over the same connections.
    pub(super) fn another(&self) -> Self {
        Self { agent: self.agent.clone(), trouble: Mutex::new(None) }
    }

    /// Takes what the last request suffered from, where it had no answer.
    pub(super) fn take_trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, ureq::Error> {
        let (head, body) = request.into_parts();
        let request = Request::from_parts(head, &body[..]);
        let (head, mut body) = self.agent.run(request)?.into_parts();
        let body = body.with_config().limit(ANSWER).read_to_vec()?;
        Ok(Response::from_parts(head, body.into()))
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    /// Blocks the exporter's thread, which is there for that.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let sent = self.send(request);
        let trouble = sent.as_ref().err().map(ToString::to_string);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        Ok(sent?)
    }
}
