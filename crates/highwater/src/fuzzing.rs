//! The way of the fuzz targets to what the agent parses, which nobody else calls by itself.
#![allow(missing_docs, reason = "compiled for the fuzz targets only, which say what each is")]

use std::ffi::OsString;
use std::sync::Arc;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::black_box::{self, BlackBox, PreviousRun};
use crate::config::{Config, variables};
use crate::event::Event;
use crate::otel;

/// Whatever stands in the environment, the settings can be used and each error helps.
pub fn environment(get: impl Fn(&str) -> Option<OsString>) {
    let (mut config, mut errors) = Config::read(get);
    errors.extend(config.settle());
    assert!(config.levels().is_ok(), "{config:?}");
    for error in errors {
        assert!(variables().any(|name| name == error.key), "{error}");
        assert!(!error.remedy.is_empty() && !error.to_string().contains('\n'), "{error}");
    }
}

/// Whatever a collector answers, the agent knows what to do.
pub fn answer<'a>(status: u16, lines: impl Iterator<Item = &'a [u8]>, body: &[u8]) {
    let header = |line: &[u8]| {
        let at = line.iter().position(|byte| *byte == b':')?;
        let name = HeaderName::from_bytes(line.get(..at)?).ok()?;
        Some((name, HeaderValue::from_bytes(line.get(at.checked_add(1)?..)?.trim_ascii()).ok()?))
    };
    otel::heard(status, lines.filter_map(header).collect::<HeaderMap>(), body);
}

/// Whatever a box's file holds, it is read or refused, and what was read can be judged and told. Once as it is, and once laid
/// out in blocks that are sealed, since no chance finds a checksum.
pub fn black_box(content: &[u8]) {
    let mut laid_out = black_box::laid_out(content);
    black_box::seal_all(&mut laid_out);
    for bytes in [content, &laid_out] {
        let Ok(left) = BlackBox::parse(bytes) else { continue };
        let run = PreviousRun::judged(left);
        let event = Event::of_previous(SystemTime::UNIX_EPOCH, Arc::new(run));
        assert!(!event.to_string().is_empty());
        let mut names = Vec::new();
        event.attributes(&mut |name, _| names.push(name));
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{names:?}");
    }
}
