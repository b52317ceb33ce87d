use std::string::ToString;

use proptest::prelude::*;

use super::*;

#[test]
fn an_amount_reads_its_units() {
    for (text, bytes) in [
        ("0", 0),
        ("4096", 4096),
        ("1B", 1),
        ("512KiB", 512 << 10),
        ("512Ki", 512 << 10),
        ("6GiB", 6 << 30),
        ("1.5GiB", 3 << 29),
        ("500MB", 500_000_000),
        (" 2 TiB ", 2 << 40),
    ] {
        assert_eq!(text.parse(), Ok(Bytes::new(bytes)), "{text}");
    }
}

#[test]
fn an_amount_refuses_what_is_none() {
    for text in ["", "MiB", "-1", "1.5", "1.5B", "1..5MiB", ".", "12XB", "1 2", "99999999999999999999", "20000000TiB"] {
        assert_eq!(text.parse::<Bytes>(), Err(ParseBytesError), "{text}");
    }
}

#[test]
fn an_amount_prints_the_largest_unit_that_fits() {
    for (bytes, text) in
        [(0, "0B"), (1023, "1023B"), (1024, "1KiB"), (512 << 20, "512MiB"), (3 << 29, "1.5GiB"), (1 << 40, "1TiB")]
    {
        assert_eq!(Bytes::new(bytes).to_string(), text);
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in ".{0,40}") {
        let _ = text.parse::<Bytes>();
        let _ = text.parse::<crate::level::Threshold>();
    }

    #[test]
    fn a_share_is_never_more_than_the_whole(points in 0u16..=100, whole: u64) {
        prop_assert!(Percent::new(points).unwrap().of(Bytes::new(whole)) <= Bytes::new(whole));
    }
}
