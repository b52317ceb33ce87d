//! OTLP by HTTP/protobuf over a blocking client: warm connections, no runtime, no thread of its own.

use std::io;
use std::time::{Duration, SystemTime};

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};

use super::{Answer, Body, Wire, taken};
use crate::clock::Clock;
use crate::config::Route;

/// For the connection alone: a collector is near.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a connection waits for its next use: longer than any interval of exports, so that an event finds it warm. One
/// that the collector has closed meanwhile is noticed and made anew.
const IDLE: Duration = Duration::from_secs(2 * 3600);
/// A collector's answer is a few bytes; more is not its answer.
const ANSWER: u64 = 64 * 1024;

/// The client that all signals share, and with it its connections.
#[derive(Debug)]
pub(super) struct Clients(ureq::Agent);

impl Default for Clients {
    fn default() -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_idle_connections_per_host(2)
            .max_idle_age(IDLE)
            .proxy(None)
            .user_agent(concat!("highwater/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self(agent)
    }
}

impl Clients {
    pub(super) fn way(&self, route: &Route) -> HttpProtobuf {
        let header = |(name, value): &(String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let mut value = HeaderValue::from_str(value).ok()?;
            // As a rule a credential: never shown.
            value.set_sensitive(true);
            Some((name, value))
        };
        let headers = route.headers.iter().filter_map(header).collect();
        HttpProtobuf { agent: self.0.clone(), url: route.url.clone(), headers }
    }
}

#[derive(Debug)]
pub(super) struct HttpProtobuf {
    agent: ureq::Agent,
    url: String,
    headers: HeaderMap,
}

impl HttpProtobuf {
    fn request(&self, body: &Body, at_most: Duration) -> Result<Answer, ureq::Error> {
        let mut request = Request::post(&self.url).body(&body.bytes[..])?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.extend(body.encoding.clone().map(|encoding| (CONTENT_ENCODING, encoding)));
        let timeouts = self.agent.configure_request(request);
        let request = timeouts.timeout_global(Some(at_most)).timeout_connect(Some(CONNECT.min(at_most))).build();
        let (head, mut body) = self.agent.run(request)?.into_parts();
        let body = body.with_config().limit(ANSWER).read_to_vec()?;
        Ok(answer(head.status, &head.headers, &body, Clock::date()))
    }
}

impl Wire for HttpProtobuf {
    fn send(&self, body: &Body, at_most: Duration) -> Answer {
        let answer = match self.request(body, at_most) {
            // A warm connection can be closed by the collector in the very moment of its use: once more, on a fresh one.
            Err(ureq::Error::Io(error)) if lost_connection(&error) => self.request(body, at_most),
            answer => answer,
        };
        // Whatever it is that came between, it can pass: a name that is not known yet, a certificate that was renewed.
        answer.unwrap_or_else(|error| Answer::Later { after: None, why: error.to_string() })
    }
}

fn lost_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
}

/// What an answer means: OTLP names four statuses that are worth another try, and no others.
fn answer(status: StatusCode, headers: &HeaderMap, body: &[u8], now: SystemTime) -> Answer {
    if status.is_success() {
        return taken(body);
    }
    let why = format!("the collector answers {status}");
    match status.as_u16() {
        429 | 502 | 503 | 504 => {
            let after = headers.get(RETRY_AFTER).and_then(|after| retry_after(after.to_str().ok()?, now));
            Answer::Later { after, why }
        }
        _ => Answer::Refused { why },
    }
}

/// Seconds, or a date.
fn retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let date = |text| httpdate::parse_http_date(text).ok().map(|at| at.duration_since(now).unwrap_or_default());
    text.trim().parse().map(Duration::from_secs).ok().or_else(|| date(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn later(after: Option<u64>) -> Option<Option<Duration>> {
        Some(after.map(Duration::from_secs))
    }

    fn of(status: u16, retry_after: Option<&str>) -> Option<Option<Duration>> {
        let headers = retry_after.map(|text| (RETRY_AFTER, HeaderValue::from_str(text).unwrap())).into_iter().collect();
        let now = httpdate::parse_http_date("Mon, 23 Nov 2026 12:00:00 GMT").unwrap();
        match answer(StatusCode::from_u16(status).unwrap(), &headers, b"", now) {
            Answer::Later { after, .. } => Some(after),
            Answer::Refused { why } => {
                assert!(why.contains(&status.to_string()), "{why}");
                None
            }
            taken => panic!("{taken:?}"),
        }
    }

    #[test]
    fn the_statuses_that_otlp_names_are_tried_again_and_no_others() {
        for status in [429, 502, 503, 504] {
            assert_eq!(of(status, None), later(None));
        }
        for status in [300, 400, 401, 404, 408, 413, 500, 501] {
            assert_eq!(of(status, Some("5")), None);
        }
    }

    #[test]
    fn a_time_to_wait_is_read_as_seconds_or_as_a_date() {
        assert_eq!(of(503, Some("7")), later(Some(7)));
        assert_eq!(of(429, Some(" 0 ")), later(Some(0)));
        assert_eq!(of(503, Some("Mon, 23 Nov 2026 12:01:30 GMT")), later(Some(90)));
        assert_eq!(of(503, Some("Mon, 23 Nov 2026 11:00:00 GMT")), later(Some(0)));
        for nonsense in ["", "-1", "soon", "1.5", "99999999999999999999999"] {
            assert_eq!(of(503, Some(nonsense)), later(None), "{nonsense:?}");
        }
    }
}
