//! What the texts of settings mean: functions on a text, each with the remedy where there is no meaning.

use std::time::Duration;

/// The longest of all durations that are settings.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// OpenTelemetry knows one word for each; what is neither is taken as false, and said.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("neither true nor false: write one of them".to_owned()),
    }
}

/// A duration as people write it. Ours; OpenTelemetry's are [`milliseconds`].
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|_| NO_DURATION.to_owned())?;
    up_to_a_day(duration)
}

/// The duration, unless it is absurd.
pub(super) fn up_to_a_day(duration: Duration) -> Result<Duration, String> {
    if duration <= DAY { Ok(duration) } else { Err(NO_DURATION.to_owned()) }
}

const NO_DURATION: &str = "not a duration up to a day: write one with a unit, such as 30s, 500ms or 2m";

/// The time that a request or an export may take. 0 stands for no bound; an hour is as good as none.
pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    match milliseconds(text) {
        Some(Duration::ZERO) => Ok(HOUR),
        Some(timeout) if timeout <= HOUR => Ok(timeout),
        _ => Err("not a time up to 1 h: write milliseconds, such as 10000, or 0 for no bound".to_owned()),
    }
}

/// A whole number of milliseconds, as OpenTelemetry writes durations.
pub(super) fn milliseconds(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_millis)
}

/// `key=value` pairs with commas between, keys and values percent-encoded. A later pair replaces one of the same key. What
/// is wrong is not shown: a value can be a secret.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (key, value) = item.split_once('=').ok_or(NO_PAIR)?;
        let [key, value] = [key, value].map(|part| percent_decode(part.trim()));
        let (key, value) = (key.ok_or(NO_CODE)?, value.ok_or(NO_CODE)?);
        if key.is_empty() {
            return Err(NO_PAIR.to_owned());
        }
        match pairs.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => pairs.push((key, value)),
        }
    }
    Ok(pairs)
}

const NO_PAIR: &str = "not a list of pairs: write key=value, with commas between pairs";
const NO_CODE: &str = "has a % that encodes nothing: write % as %25, and other bytes as %XX of their UTF-8";

fn percent_decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            let value = digit()?.checked_mul(16)?.checked_add(digit()?)?;
            bytes.push(u8::try_from(value).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}
