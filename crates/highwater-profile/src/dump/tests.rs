use proptest::prelude::*;

use super::*;

type Told = (Vec<(Vec<u64>, u64, u64)>, Vec<String>);

fn told(content: &[u8]) -> Result<(Whole, Told), Error> {
    let mut told = Told::default();
    let whole = read(content, &mut |entry| {
        match entry {
            Entry::Stack(stack) => told.0.push((stack.calls.to_vec(), stack.objects, stack.bytes)),
            Entry::Mapping(mapping) => told.1.push(mapping.path().to_owned()),
        }
        Ok(())
    })?;
    Ok((whole, told))
}

const WHOLE: &str = "heap_v2/524288
  t*: 3: 1572864 [0: 0]
  t0: 3: 1572864 [0: 0] a name
@ 0x10 0x21 0xffffffffffffffff
  t*: 2: 1048576 [0: 0]
  t0: 1: 524288 [0: 0]
  t1: 1: 524288 [0: 0]
@ 0x30
  t*: 0: 0 [5: 500]

MAPPED_LIBRARIES:
55d4c1e00000-55d4c1f00000 r--p 00000000 08:01 1311       /usr/bin/service
55d4c1f00000-55d4c1f80000 r-xp 00010000 08:01 1311       /usr/bin/service
7ffc1a000000-7ffc1a021000 rw-p 00000000 00:00 0          [stack]
7ffc1a1f0000-7ffc1a1f2000 r-xp 00000000 00:00 0          [vdso]
";

#[test]
fn a_stack_comes_with_the_calls_and_with_what_its_samples_stand_for() {
    let (whole, (stacks, mappings)) = told(WHOLE.as_bytes()).unwrap();
    assert_eq!(whole, Whole { period: 524_288, skipped: 0 });
    // 1 / (1 - 1/e)
    let bytes = (1_048_576.0_f64 / (1.0 - (-1.0_f64).exp())).round() as u64;
    assert_eq!(stacks, [(vec![0x10, 0x20, 0xffff_ffff_ffff_fffe], 3, bytes)]);
    assert_eq!(mappings, ["/usr/bin/service", "[vdso]"]);
}

#[test]
fn what_is_no_dump_is_an_error() {
    for content in
        ["", "heap_v2/", "heap_v2/x", "heap_v1/1\n", "\nheap_v2/1", "heap_v2/18446744073709551616", "\u{1f}\u{8b}"]
    {
        assert!(matches!(told(content.as_bytes()), Err(Error::NotADump)), "{content:?}");
    }
}

#[test]
fn an_empty_dump_has_nothing() {
    assert_eq!(told(b"heap_v2/512\n").unwrap(), (Whole { period: 512, skipped: 0 }, Told::default()));
}

#[test]
fn lines_that_are_not_understood_are_skipped_and_counted() {
    for (lines, stacks, skipped) in [
        ("@ 0x1\n@ 0x2\n  t*: 1: 1 [0: 0]\n", 1, 1),
        ("@ 0x1\n", 0, 1),
        ("@\n  t*: 1: 1 [0: 0]\n", 0, 1),
        ("@ 1\n", 0, 1),
        ("@ 0x10000000000000000\n", 0, 1),
        ("@ 0x1\n  t*: 1: 1 [0: 0\n", 0, 2),
        ("@ 0x1\n  t*: 1: 18446744073709551616 [0: 0]\n", 0, 2),
        ("@ 0x1\n  t*: -1: 1 [0: 0]\n  t*: 1: 1 [0: 0]\n", 1, 1),
        ("nonsense\n\u{0}\u{1}\n", 0, 2),
        ("MAPPED_LIBRARIES:\nnonsense\n", 0, 1),
    ] {
        let (whole, told) = told(format!("heap_v2/1\n{lines}").as_bytes()).unwrap();
        assert_eq!((told.0.len(), whole.skipped), (stacks, skipped), "{lines:?}");
    }
}

#[test]
fn a_stack_of_more_frames_than_jemalloc_records_is_cut() {
    let content = format!("heap_v2/1\n@{}\n  t*: 1: 1 [0: 0]\n", " 0x1".repeat(MOST_FRAMES + 7));
    assert_eq!(told(content.as_bytes()).unwrap().1.0[0].0.len(), MOST_FRAMES);
}

#[test]
fn samples_stand_for_as_much_as_jeprof_says() {
    // From `jeprof`'s AdjustSamples.
    for ((objects, bytes, period), expected) in [
        ((1, 524_288, 524_288), (2, 829_411)),
        ((100, 1_600, 524_288), (3_276_850, 52_429_600)),
        ((1, 1 << 30, 524_288), (1, 1 << 30)),
        ((3, 3, 0), (3, 3)),
        ((0, 7, 1), (0, 7)),
        ((u64::MAX, u64::MAX, u64::MAX), (u64::MAX, u64::MAX)),
    ] {
        assert_eq!(scaled(objects, bytes, period), expected, "{objects} {bytes} {period}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_to_the_end(content: Vec<u8>) {
        let _ = told(&content);
        let _ = told(&[b"heap_v2/1\n", &content[..]].concat());
    }

    #[test]
    fn a_dump_that_is_cut_anywhere_tells_nothing_that_the_whole_does_not(length in 0..WHOLE.len()) {
        if let Ok((_, (stacks, mappings))) = told(&WHOLE.as_bytes()[..length]) {
            let (_, whole) = told(WHOLE.as_bytes()).unwrap();
            prop_assert!(whole.0.starts_with(&stacks));
            prop_assert!(mappings.len() <= whole.1.len());
        }
    }

    #[test]
    fn samples_never_stand_for_less_than_themselves(objects in 1..1_u64 << 40, bytes in 1..1_u64 << 40, period in 1..1_u64 << 40) {
        let (all_objects, all_bytes) = scaled(objects, bytes, period);
        prop_assert!(all_objects >= objects && all_bytes >= bytes);
    }
}
