use std::io::Cursor;
use std::time::{Duration, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::profiles::v1development::ExportProfilesServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::profiles::v1development::{Profile, ProfilesDictionary, Sample, ValueType};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

use super::*;
use crate::{Analysis, NoFiles};

const DUMP: &str = "heap_v2/1
@ 0x2001 0x3001
  t*: 2: 4096 [0: 0]
@ 0x2001 0x990001
  t*: 1: 100 [0: 0]

MAPPED_LIBRARIES:
1000-9000 r-xp 00001000 08:01 7 /usr/bin/service
20000-21000 r-xp 00001000 08:01 8 /usr/lib/unused.so
";

const TRACE: [u8; 16] = *b"trace of sixteen";

fn about(trace: Option<[u8; 16]>) -> About<'static> {
    let time = UNIX_EPOCH + Duration::from_secs(7);
    About { resource: b"", scope: b"", time, trace, ids: [[1; 16], [2; 16]] }
}

fn request(dump: &str, about: &About<'_>) -> Request {
    Analysis::of(Cursor::new(dump), &mut NoFiles).unwrap().write_otlp(about).unwrap()
}

/// What the crate of OpenTelemetry reads: the profiles of bytes and of objects, and their dictionary.
fn read(request: Request) -> ([Profile; 2], ProfilesDictionary) {
    let mut read = ExportProfilesServiceRequest::decode(&request.into_bytes()[..]).unwrap();
    assert_eq!(read.resource_profiles.len(), 1);
    let mut scopes = read.resource_profiles.remove(0).scope_profiles;
    assert_eq!(scopes.len(), 1);
    (scopes.remove(0).profiles.try_into().unwrap(), read.dictionary.unwrap())
}

/// The addresses of a sample, from the leaf.
fn addresses(sample: &Sample, dictionary: &ProfilesDictionary) -> Vec<u64> {
    let stack = &dictionary.stack_table[sample.stack_index as usize];
    stack.location_indices.iter().map(|location| dictionary.location_table[*location as usize].address).collect()
}

#[test]
fn each_stack_has_its_bytes_and_its_objects_and_a_place_in_a_file() {
    let ([bytes, objects], dictionary) = read(request(DUMP, &about(None)));
    let text = |index: i32| dictionary.string_table[index as usize].as_str();
    let words = |of: &Option<ValueType>| {
        let of = of.as_ref().unwrap();
        (text(of.type_strindex), text(of.unit_strindex))
    };
    assert_eq!(
        (words(&bytes.sample_type), words(&objects.sample_type)),
        (("inuse_space", "bytes"), ("inuse_objects", "count"))
    );
    for (profile, values, id) in [(&bytes, [4096, 100], 1), (&objects, [2, 1], 2)] {
        assert_eq!((profile.time_unix_nano, profile.period), (7_000_000_000, 1));
        assert_eq!((words(&profile.period_type), &profile.profile_id), (("space", "bytes"), &vec![id; 16]));
        let told: Vec<_> =
            profile.samples.iter().map(|sample| (addresses(sample, &dictionary), &sample.values[..])).collect();
        assert_eq!(told, [(vec![0x2001, 0x3000], &values[..1]), (vec![0x2001, 0x99_0000], &values[1..])]);
        assert!(profile.samples.iter().all(|sample| sample.link_index == 0));
    }
    let mapping = |address| {
        let location = dictionary.location_table.iter().find(|location| location.address == address).unwrap();
        assert_eq!(location.attribute_indices, [1]);
        &dictionary.mapping_table[location.mapping_index as usize]
    };
    assert_eq!(text(mapping(0x2001).filename_strindex), "/usr/bin/service");
    assert_eq!((mapping(0x2001).memory_start, mapping(0x2001).memory_limit), (0x1000, 0x9000));
    assert_eq!(text(mapping(0x99_0000).filename_strindex), "", "what lies nowhere is of nobody");
    assert!(!dictionary.string_table.iter().any(|text| text.contains("unused")));
    let kind = &dictionary.attribute_table[1];
    assert_eq!(text(kind.key_strindex), "profile.frame.type");
    assert_eq!(kind.value.clone().unwrap().value, Some(Value::StringValue("native".to_owned())));
}

#[test]
fn the_first_of_each_table_is_nobody() {
    let (_, dictionary) = read(request(DUMP, &about(Some(TRACE))));
    assert_eq!(dictionary.mapping_table[0], Default::default());
    assert_eq!(dictionary.location_table[0], Default::default());
    assert_eq!(dictionary.function_table[0], Default::default());
    assert_eq!(dictionary.link_table[0], Default::default());
    assert_eq!(dictionary.string_table[0], "");
    assert_eq!(dictionary.attribute_table[0], Default::default());
    assert_eq!(dictionary.stack_table[0], Default::default());
}

#[test]
fn a_profile_of_an_episode_is_linked_to_its_span_which_may_be_known_later() {
    for span in [None, Some(*b"spanspan")] {
        let mut request = request(DUMP, &about(Some(TRACE)));
        span.into_iter().for_each(|span| request.set_span(span));
        let (profiles, dictionary) = read(request);
        let link = &dictionary.link_table[1];
        assert_eq!((&link.trace_id[..], &link.span_id[..]), (&TRACE[..], &span.unwrap_or_default()[..]));
        assert!(profiles.iter().flat_map(|profile| &profile.samples).all(|sample| sample.link_index == 1));
    }
    let mut unlinked = request(DUMP, &about(None));
    let before = unlinked.clone();
    unlinked.set_span(*b"spanspan");
    assert_eq!(unlinked, before, "without a trace there is no place for a span");
}

#[test]
fn who_sends_it_stands_around_the_profiles() {
    let resource = Resource { dropped_attributes_count: 7, ..Resource::default() };
    let scope = InstrumentationScope { name: "highwater".to_owned(), ..InstrumentationScope::default() };
    let (resource_bytes, scope_bytes) = (resource.encode_to_vec(), scope.encode_to_vec());
    let about = About { resource: &resource_bytes, scope: &scope_bytes, ..about(None) };
    let read = ExportProfilesServiceRequest::decode(&request(DUMP, &about).into_bytes()[..]).unwrap();
    let profiles = &read.resource_profiles[0];
    assert_eq!(profiles.resource, Some(resource));
    assert_eq!(profiles.scope_profiles[0].scope, Some(scope));
}

/// Stacks of 40 frames, each at addresses of its own.
fn large(stacks: u64) -> String {
    let mut dump = "heap_v2/1\n".to_owned();
    for stack in 0..stacks {
        dump.push('@');
        (0..40).for_each(|frame| dump.push_str(&format!(" {:#x}", 0x7f00_0000_0000_u64 + stack * 40 + frame)));
        dump.push_str(&format!("\n  t*: 1: {} [0: 0]\n", 1000 + stack * 7 % 5000));
    }
    dump
}

#[test]
fn of_a_profile_that_is_too_large_those_that_hold_most_are_told_and_the_sum_of_all() {
    let dump = large(1600);
    let all: Vec<i64> = (0..1600).map(|stack| 1000 + stack * 7 % 5000).collect();
    let sums = [all.iter().sum::<i64>(), 1600];
    let request = request(&dump, &about(Some(TRACE)));
    assert!(request.bytes.len() <= MOST && request.bytes.len() > MOST / 2, "{}", request.bytes.len());
    let (profiles, dictionary) = read(request);
    for (profile, sum) in profiles.iter().zip(sums) {
        assert_eq!(profile.samples.iter().map(|sample| sample.values[0]).sum::<i64>(), sum);
        let left_out = profile.samples.iter().filter(|sample| sample.stack_index == 0).count();
        assert_eq!(left_out, 1);
        assert_eq!(profile.samples.len(), dictionary.stack_table.len());
        let whole = profile.samples.iter().filter(|sample| sample.stack_index > 0);
        assert!(whole.into_iter().all(|sample| addresses(sample, &dictionary).len() == 40));
    }
    let told: Vec<i64> =
        profiles[0].samples.iter().filter(|sample| sample.stack_index > 0).map(|sample| sample.values[0]).collect();
    assert!(told.len() > 100, "{}", told.len());
    // All that hold twice as much as the least that is told.
    let surely = told.iter().min().unwrap() * 2;
    let above = |held: &[i64]| held.iter().filter(|held| **held >= surely).count();
    assert_eq!(above(&told), above(&all));
}

#[test]
fn stacks_that_hold_as_much_as_there_can_be_are_bounded_too() {
    let mut dump = "heap_v2/1\n".to_owned();
    for stack in 0..2000_u64 {
        dump.push('@');
        (0..60).for_each(|frame| dump.push_str(&format!(" {:#x}", 0x10_0000 + stack * 60 + frame)));
        dump.push_str(&format!("\n  t*: 1: {} [0: 0]\n", u64::MAX));
    }
    let request = request(&dump, &about(None));
    assert!(request.bytes.len() <= MOST);
    let (profiles, _) = read(request);
    assert!(profiles[0].samples.len() > 100);
    assert_eq!(profiles[0].samples.iter().filter(|sample| sample.stack_index == 0).count(), 1);
}

#[test]
fn a_length_is_written_in_as_many_bytes_as_are_left_for_it() {
    for length in [0, 1, 127, 128, MOST, (1 << 28) - 1] {
        let mut bytes = &padded(length)[..];
        assert_eq!(prost::encoding::decode_varint(&mut bytes).unwrap(), length as u64);
        assert!(bytes.is_empty());
    }
}
