use std::io::{Cursor, Write};
use std::time::{Duration, UNIX_EPOCH};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;

use super::*;
use crate::error::Error;
use crate::open::NoFiles;

const DUMP: &str = "heap_v2/1
@ 0x2001 0x3001
  t*: 2: 4096 [0: 0]
@ 0x2001 0x990001
  t*: 1: 100 [0: 0]

MAPPED_LIBRARIES:
1000-9000 r-xp 00001000 08:01 7 /usr/bin/service
";

fn written() -> Vec<u8> {
    let mut analysis = crate::Analysis::of(Cursor::new(DUMP), &mut NoFiles).unwrap();
    let mut out = Vec::new();
    let count = analysis.write_pprof(&mut out, UNIX_EPOCH + Duration::from_secs(7)).unwrap();
    assert_eq!(count, out.len() as u64);
    out
}

fn unpacked(content: &[u8]) -> Vec<u8> {
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(content), &mut unpacked).unwrap();
    unpacked
}

#[test]
fn what_is_written_is_read() {
    let packed = written();
    for content in [&packed, &unpacked(&packed)] {
        let profile = Profile::read(&content[..]).unwrap();
        assert_eq!((profile.kind.as_str(), profile.period, profile.bytes()), ("inuse_space", 1, 4196));
        let sample = &profile.samples[0];
        assert_eq!((sample.bytes, sample.objects), (4096, 2));
        let addresses: Vec<_> = sample.frames.iter().map(|frame| profile.frames[*frame].address).collect();
        assert_eq!(addresses, [0x2001, 0x3000]);
        let frame = &profile.frames[sample.frames[1]];
        assert_eq!(
            (frame.module.as_deref(), frame.mapping),
            (Some("/usr/bin/service"), Some((0x1000, 0x1000, 0x8000)))
        );
        assert_eq!(profile.frames[profile.samples[1].frames[1]].module, None);
    }
}

#[test]
fn what_is_written_says_what_it_is() {
    let whole = Whole::decode(&*unpacked(&written())).unwrap();
    let text = |index: i64| whole.strings[index as usize].as_str();
    let types: Vec<_> = whole.sample_types.iter().map(|of| (text(of.kind), text(of.unit))).collect();
    assert_eq!(types, [("inuse_objects", "count"), ("inuse_space", "bytes")]);
    assert_eq!((text(whole.default_sample_type), whole.time_nanos), ("inuse_space", 7_000_000_000));
    let period = whole.period_type.unwrap();
    assert_eq!((text(period.kind), text(period.unit)), ("space", "bytes"));
    assert!(!whole.mappings[0].has_functions);
}

#[test]
fn the_site_of_a_sample_is_as_in_an_analysis() {
    let frames = ["malloc", "alloc::vec::Vec<T>::push", "service::hold", "service::main"];
    let profile = Profile {
        frames: frames
            .map(|name| Frame { functions: vec![name.to_owned()], places: vec![None], ..Frame::default() })
            .into(),
        samples: vec![
            Sample { frames: vec![0, 1, 2, 3], ..Sample::default() },
            Sample { frames: vec![0, 1], ..Sample::default() },
            Sample::default(),
        ],
        ..Profile::default()
    };
    let sites: Vec<_> = profile.samples.iter().map(|sample| profile.site_of(sample)).collect();
    assert_eq!(sites, [Some((2, Some(0))), Some((1, Some(0))), None]);
}

#[test]
fn what_is_no_profile_is_an_error_that_says_why() {
    let packed = |content: &[u8]| {
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(content).unwrap();
        out.finish().unwrap()
    };
    let of = |change: &dyn Fn(&mut Whole)| {
        let mut whole = Whole::decode(&*unpacked(&written())).unwrap();
        change(&mut whole);
        whole.encode_to_vec()
    };
    for (content, why) in [
        (Vec::new(), "it is empty"),
        (packed(b""), "it is empty"),
        (vec![0x1f, 0x8b, 0], "cannot be unpacked"),
        (written()[..40].to_vec(), "cannot be unpacked"),
        (b"seconds,used\n".to_vec(), "not a profile"),
        (of(&|whole| whole.strings.clear()), "an empty one"),
        (of(&|whole| whole.sample_types.truncate(1)), "it counts no bytes but inuse_objects"),
        (of(&|whole| whole.locations.clear()), "a location that is not there"),
        (of(&|whole| whole.locations[0].id = 2), "is there twice"),
        (of(&|whole| whole.samples[0].values.clear()), "has 0 values, not 2"),
    ] {
        let error = Profile::read(&content[..]).unwrap_err().to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn what_unpacks_to_more_than_is_read_is_an_error() {
    let mut out = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..=LONGEST >> 20 {
        out.write_all(&vec![0; 1 << 20]).unwrap();
    }
    assert!(matches!(Profile::read(&*out.finish().unwrap()), Err(Error::TooLong(LONGEST))));
}

proptest! {
    #[test]
    fn any_bytes_are_a_profile_or_an_error(content: Vec<u8>, at in 0..400_usize, byte: u8) {
        let _ = Profile::read(&content[..]);
        let mut changed = unpacked(&written());
        if let Some(place) = changed.get_mut(at) {
            *place = byte;
        }
        let _ = Profile::read(&changed[..]);
    }
}
