//! OTLP by HTTP/protobuf over a blocking client: warm connections, no runtime, no thread of its own.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use highwater_model::SinceStart;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use super::tls::{Credentials, Trust};
use super::{ANSWER, Answer, Body, CONNECT, Doubt, NAME, Wire, headers, lost_connection, taken};
use crate::clock::Clock;
use crate::config::{Route, Tls};

/// How long a connection waits for its next use: longer than any interval of exports, so that an event finds it warm. One
/// that the collector has closed meanwhile is noticed and made anew.
const IDLE: Duration = Duration::from_secs(2 * 3600);

const WRONG_PORT: &str = "; perhaps it is a port for gRPC: http/protobuf's is as a rule 4318";

/// The clients of all signals: one for each trust, so that signals to the same collector share its connections.
#[derive(Debug, Default)]
pub(super) struct Clients(Vec<(Option<Tls>, Arc<Client>)>);

impl Clients {
    pub(super) fn way(&mut self, route: &Route) -> HttpProtobuf {
        let tls = route.url.starts_with("https:").then(|| route.tls.clone());
        let client = match self.0.iter().find(|(known, _)| *known == tls) {
            Some((_, client)) => Arc::clone(client),
            None => {
                let client =
                    Arc::new(tls.as_ref().map_or_else(|| Client::Plain(settings().build().into()), Client::over));
                self.0.push((tls.clone(), Arc::clone(&client)));
                client
            }
        };
        HttpProtobuf {
            client,
            url: route.url.clone(),
            headers: headers(route),
            doubt: Doubt::of(tls.as_ref(), WRONG_PORT),
        }
    }
}

#[derive(Debug)]
enum Client {
    Plain(Agent),
    Secure {
        trust: Trust,
        /// Made for these credentials; for others another is made.
        current: Mutex<Option<(Arc<Credentials>, Agent)>>,
    },
}

impl Client {
    fn over(tls: &Tls) -> Self {
        Self::Secure { trust: Trust::of(tls), current: Mutex::default() }
    }

    fn agent(&self) -> Result<Agent, String> {
        let (trust, current) = match self {
            Self::Plain(agent) => return Ok(agent.clone()),
            Self::Secure { trust, current } => (trust, current),
        };
        let credentials = trust.credentials()?;
        let mut current = current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, agent)) = &*current
            && Arc::ptr_eq(known, &credentials)
        {
            return Ok(agent.clone());
        }
        let agent = credentials.for_http(settings());
        *current = Some((credentials, agent.clone()));
        Ok(agent)
    }
}

/// Each connection has two, and there are two connections where metrics and events are sent at once: the client's own
/// 128 KiB would be most of what the agent holds. What is larger goes in parts.
const BUFFER: usize = 16 << 10;

/// All is given, since the environment can change what is not.
fn settings() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_idle_connections_per_host(2)
        .max_idle_age(IDLE)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .proxy(None)
        .user_agent(NAME)
}

#[derive(Debug)]
pub(super) struct HttpProtobuf {
    client: Arc<Client>,
    url: String,
    headers: HeaderMap,
    doubt: Doubt,
}

impl HttpProtobuf {
    fn request(&self, agent: &Agent, body: &Body, at_most: Duration) -> Result<Answer, ureq::Error> {
        let mut request = Request::post(&self.url).body(&body.bytes[..])?;
        let headers = request.headers_mut();
        headers.extend(self.headers.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        headers.extend(body.encoding.clone().map(|encoding| (CONTENT_ENCODING, encoding)));
        let timeouts = agent.configure_request(request);
        let request = timeouts.timeout_global(Some(at_most)).timeout_connect(Some(CONNECT.min(at_most))).build();
        let (head, mut body) = agent.run(request)?.into_parts();
        self.doubt.clear();
        // The status has said it: a page of an ingress that is too long, or the rest of an answer that never comes, takes
        // nothing from it.
        let body = body.with_config().limit(ANSWER as u64).read_to_vec().unwrap_or_default();
        Ok(answer(head.status, &head.headers, &body, Clock::date()))
    }

    /// Says what went wrong, and what as a rule is the reason.
    fn explain(&self, error: &ureq::Error) -> String {
        let reason = match error {
            // What came is no HTTP/1.
            ureq::Error::Protocol(_) => WRONG_PORT,
            ureq::Error::Io(error) => self.doubt.about(error),
            _ => "",
        };
        format!("{error}{reason}")
    }
}

impl Wire for HttpProtobuf {
    fn send(&self, body: &Body, at_most: Duration) -> Answer {
        let later = |why| Answer::Later { after: None, why };
        let agent = match self.client.agent() {
            Ok(agent) => agent,
            Err(why) => return later(why),
        };
        let clock = Clock::start();
        let request = || {
            let left = at_most.saturating_sub(clock.now().since(SinceStart::default()));
            // The client panics where it cannot have a thread for the host's name.
            let sent = catch_unwind(AssertUnwindSafe(|| self.request(&agent, body, left)));
            sent.unwrap_or_else(|_| Err(io::Error::other("no thread for the collector's name").into()))
        };
        let answer = match request() {
            // A warm connection can be closed by the collector in the very moment of its use: once more, on a fresh one.
            Err(ureq::Error::Io(error)) if lost_connection(&error) => request(),
            answer => answer,
        };
        // Whatever it is that came between, it can pass: a name that is not known yet, a certificate that was renewed.
        answer.unwrap_or_else(|error| later(self.explain(&error)))
    }
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

/// For the fuzz targets.
#[cfg(fuzzing)]
pub(super) fn heard(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Answer {
    answer(status, headers, body, Clock::date())
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
