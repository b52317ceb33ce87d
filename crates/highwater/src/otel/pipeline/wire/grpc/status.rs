//! What an answer by gRPC means.

use std::time::Duration;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, StatusCode};
use prost::Message;

use super::super::{Answer, line, taken};
use super::connection::Reply;
use super::content;

/// gRPC's codes, by their number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// OTLP names the codes that are worth another try, and no others; one of them only where the collector says when.
pub(super) fn answer(reply: Reply) -> Answer {
    let Reply { http, headers, message } = reply;
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(code) = text("grpc-status").and_then(|code| code.parse::<usize>().ok()) else { return without(http) };
    let code = CODES.get(code).copied().unwrap_or("UNKNOWN");
    let said = text("grpc-message").map(said).unwrap_or_default();
    let why = format!("the collector answers {code}{}{said}", if said.is_empty() { "" } else { ": " });
    let after = rest(&headers);
    match code {
        "OK" => taken(&content(&message)),
        "CANCELLED" | "DEADLINE_EXCEEDED" | "ABORTED" | "OUT_OF_RANGE" | "UNAVAILABLE" | "DATA_LOSS" => {
            Answer::Later { after, why }
        }
        "RESOURCE_EXHAUSTED" if after.is_some() => Answer::Later { after, why },
        _ => Answer::Refused { why },
    }
}

/// An answer without a status of gRPC's: somebody between has answered, or nobody to the end.
fn without(http: StatusCode) -> Answer {
    let why = format!("the answer is {http} and no gRPC");
    match http.as_u16() {
        200 | 429 | 502 | 503 | 504 => Answer::Later { after: None, why },
        _ => Answer::Refused { why },
    }
}

/// The server's own words, which come percent-encoded.
fn said(encoded: &str) -> String {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let mut decoded = Vec::new();
    let mut rest = encoded.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = match after {
            [high, low, ..] if *byte == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        decoded.push(code.map_or(*byte, |(high, low)| high << 4 | low));
        rest = if code.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    line(&String::from_utf8_lossy(&decoded))
}

/// How long the collector wants to be left alone, where it says so.
fn rest(headers: &HeaderMap) -> Option<Duration> {
    const BASE64: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let details = BASE64.decode(headers.get("grpc-status-details-bin")?).ok()?;
    let status = Status::decode(&details[..]).ok()?;
    let retry = status.details.iter().find(|detail| detail.type_url.ends_with("/google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(&retry.value[..]).ok()?.delay.unwrap_or_default();
    let (seconds, nanos) = (u64::try_from(delay.seconds).ok()?, u32::try_from(delay.nanos).ok()?);
    Some(Duration::from_secs(seconds).saturating_add(Duration::from_nanos(nanos.into())))
}

/// `google.rpc.Status`, as far as it is read.
#[derive(Clone, PartialEq, Message)]
struct Status {
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    delay: Option<Delay>,
}

/// `google.protobuf.Duration`.
#[derive(Clone, PartialEq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};
    use http::HeaderValue;

    use super::super::super::tests::response;
    use super::*;

    fn reply(http: u16, headers: &[(&'static str, &str)]) -> Reply {
        let pair = |(name, value): &(&'static str, &str)| {
            (http::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let headers = headers.iter().map(pair).collect();
        Reply { http: StatusCode::from_u16(http).unwrap(), headers, message: Vec::new() }
    }

    fn details(delay: Option<Delay>) -> String {
        let value = RetryInfo { delay }.encode_to_vec();
        let other = Any { type_url: "type.googleapis.com/google.rpc.DebugInfo".to_owned(), value: vec![1, 2] };
        let retry = Any { type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(), value };
        BASE64_STANDARD_NO_PAD.encode(Status { details: vec![other, retry] }.encode_to_vec())
    }

    /// Whether it is tried again, and after what time.
    fn again(reply: Reply) -> Option<Option<Duration>> {
        match answer(reply) {
            Answer::Later { after, .. } => Some(after),
            Answer::Refused { .. } => None,
            taken => panic!("{taken:?}"),
        }
    }

    #[test]
    fn the_codes_that_otlp_names_are_tried_again_and_no_others() {
        for code in [1, 4, 10, 11, 14, 15] {
            assert_eq!(again(reply(200, &[("grpc-status", &code.to_string())])), Some(None), "{code}");
        }
        for code in [2, 3, 5, 6, 7, 8, 9, 12, 13, 16, 17, 99] {
            assert_eq!(again(reply(200, &[("grpc-status", &code.to_string())])), None, "{code}");
        }
        assert_eq!(answer(reply(200, &[("grpc-status", "0")])), Answer::Taken);
    }

    #[test]
    fn a_collector_that_says_when_is_asked_again_then() {
        let seconds = |seconds, nanos| details(Some(Delay { seconds, nanos }));
        let of =
            |code, details: &str| again(reply(200, &[("grpc-status", code), ("grpc-status-details-bin", details)]));
        assert_eq!(of("8", &seconds(3, 500_000_000)), Some(Some(Duration::from_millis(3500))));
        assert_eq!(of("8", &details(None)), Some(Some(Duration::ZERO)));
        let padded = BASE64_STANDARD.encode(BASE64_STANDARD_NO_PAD.decode(seconds(7, 0)).unwrap());
        assert_eq!(of("14", &padded), Some(Some(Duration::from_secs(7))));
        assert_eq!(of("3", &seconds(3, 0)), None);
        for nonsense in ["", "!", "AAAA", &seconds(-1, 0), &seconds(1, -1)] {
            assert_eq!(of("8", nonsense), None, "{nonsense:?}");
            assert_eq!(of("14", nonsense), Some(None), "{nonsense:?}");
        }
        assert_eq!(of("8", &seconds(i64::MAX, i32::MAX)), Some(Some(Duration::new(i64::MAX as u64 + 2, 147_483_647))));
    }

    #[test]
    fn what_the_collector_rejects_is_known_whether_its_answer_is_compressed_or_not() {
        let partial = response(3, "too old");
        let of = |flag: u8, content: &[u8]| {
            let length = u32::try_from(content.len()).unwrap().to_be_bytes();
            answer(Reply { message: [&[flag][..], &length, content].concat(), ..reply(200, &[("grpc-status", "0")]) })
        };
        let rejected = Answer::TakenInPart { rejected: 3, why: "too old".to_owned() };
        assert_eq!(of(0, &partial), rejected);
        assert_eq!(of(0, b""), Answer::Taken);
        assert_eq!(of(1, b"no gzip"), Answer::Taken);
        #[cfg(feature = "gzip")]
        {
            let plain = super::super::super::Body { bytes: partial.into(), encoding: None };
            assert_eq!(of(1, &plain.compressed().bytes), rejected);
        }
    }

    #[test]
    fn an_answer_that_is_no_grpc_is_judged_by_its_status() {
        for status in [200, 429, 502, 503, 504] {
            assert_eq!(again(reply(status, &[])), Some(None), "{status}");
        }
        for status in [204, 400, 401, 403, 404, 415, 500] {
            assert_eq!(again(reply(status, &[])), None, "{status}");
        }
    }

    #[test]
    fn the_collector_s_words_are_one_readable_line() {
        let words = |text: &str| match answer(reply(200, &[("grpc-status", "14"), ("grpc-message", text)])) {
            Answer::Later { why, .. } => why.strip_prefix("the collector answers UNAVAILABLE").unwrap().to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(words("too busy"), ": too busy");
        assert_eq!(words("f%C3%BCr%0Amich 5%"), ": f\u{fc}r mich 5%");
        assert_eq!(words("%zz %2 %+1 %ff"), ": %zz %2 %+1 \u{fffd}");
        assert_eq!(words(""), "");
        assert_eq!(words(&"x".repeat(1000)).len(), 202);
    }
}
