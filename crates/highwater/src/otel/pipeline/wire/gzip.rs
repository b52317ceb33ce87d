//! Requests compressed by gzip: once, before they wait, since the outbox is then smaller too.
//!
//! Not by the exporters' own means: those follow the environment whatever code has said. Where a host's other crates have
//! turned those on as well, what comes here is compressed already and stays as it is.

#[cfg(feature = "grpc")]
use std::io::Read;
use std::io::Write;

use flate2::Compression;
#[cfg(feature = "grpc")]
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::HeaderValue;

use super::Body;

/// The request, compressed unless it is already.
pub(super) fn compressed(body: Body) -> Body {
    if body.encoding.is_some() {
        return body;
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    match encoder.write_all(&body.bytes).and_then(|()| encoder.finish()) {
        Ok(bytes) => Body { bytes: bytes.into(), encoding: Some(HeaderValue::from_static("gzip")) },
        // Into memory nothing fails; where it does, the request is as good without.
        Err(_) => body,
    }
}

/// What was compressed, at most so many bytes of it, up to where it cannot be read.
#[cfg(feature = "grpc")]
pub(super) fn inflated(bytes: &[u8], at_most: usize) -> Vec<u8> {
    let mut content = Vec::new();
    let _ = GzDecoder::new(bytes).take(at_most as u64).read_to_end(&mut content);
    content
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn a_request_is_compressed_once() {
        let plain = "highwater.episode.begun ".repeat(100);
        let once = compressed(Body { bytes: plain.clone().into(), encoding: None });
        assert_eq!(once.encoding, Some(HeaderValue::from_static("gzip")));
        assert!(once.bytes.len() < plain.len() / 10, "{}", once.bytes.len());
        let mut text = String::new();
        GzDecoder::new(&once.bytes[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, plain);
        assert_eq!(compressed(once.clone()).bytes, once.bytes);
    }
}
