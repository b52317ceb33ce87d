//! One HTTP request and its answer.

use std::time::Duration;

use serde_json::Value;

/// What a server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Content-Type`, or nothing.
    pub content_type: String,
    /// `Retry-After`, where there is one.
    pub retry_after: Option<String>,
    /// The body.
    pub body: String,
}

impl Answer {
    /// The body, as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in: {self:?}"))
    }
}

/// Asks by GET. An error is that there was no answer.
pub fn get(url: &str) -> Result<Answer, String> {
    ask("GET", url)
}

/// Asks by any method.
pub fn ask(method: &str, url: &str) -> Result<Answer, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .proxy(None)
        .build()
        .into();
    let request = ureq::http::Request::builder().method(method).uri(url).body(()).map_err(|error| error.to_string())?;
    let mut response = agent.run(request).map_err(|error| format!("{url}: {error}"))?;
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let (content_type, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
    Ok(Answer {
        status: response.status().as_u16(),
        content_type,
        retry_after,
        body: response.body_mut().read_to_string().map_err(|error| format!("{url}: {error}"))?,
    })
}

/// A text as a part of a URL's query.
pub fn encode(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}
