//! Amounts of memory and levels, as people write them: what is understood can be written and understood again.
#![no_main]

use highwater_model::{Bytes, Levels, Threshold};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(bytes) = text.parse::<Bytes>() {
        is_plain(text);
        is_about(bytes, &bytes.to_string());
    }
    if let Ok(threshold) = text.parse::<Threshold>() {
        is_plain(text.trim().trim_start_matches("limit-"));
        let written = threshold.to_string();
        match threshold {
            Threshold::Share(_) => assert_eq!(written.parse(), Ok(threshold), "{text:?}"),
            Threshold::Amount(bytes) => is_about(bytes, &written),
            Threshold::BelowLimit(bytes) => is_about(bytes, written.strip_prefix("limit-").expect("a distance")),
        }
    }
    let mut levels = text.splitn(3, ',').filter_map(|level| level.parse().ok());
    if let (Some(elevated), Some(high), Some(critical)) = (levels.next(), levels.next(), levels.next())
        && let Ok(levels) = Levels::try_new(elevated, high, critical)
    {
        assert_eq!(levels.thresholds(), [elevated, high, critical]);
    }
});

/// A number without any sign, and a unit.
fn is_plain(text: &str) {
    let number = text.trim().trim_end_matches(|c: char| c.is_ascii_alphabetic() || c.is_whitespace() || c == '%');
    assert!(number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{text:?} was understood");
}

/// `written` is `bytes` to one decimal; rounded up, the last of 2^64 do not fit any more.
fn is_about(bytes: Bytes, written: &str) {
    let again = written.parse::<Bytes>();
    let near = again.is_ok_and(|again| bytes.get().abs_diff(again.get()) <= bytes.get() / 10);
    assert!(near || bytes.get() > 1 << 63, "{bytes:?} is written {written:?}");
}
