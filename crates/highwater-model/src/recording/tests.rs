use std::string::{String, ToString};
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{Judge, Rules};

/// Reads one line as the replay does.
fn read(line: &str) -> Result<Row, String> {
    let mut row = Row::default();
    for (column, text) in COLUMNS.iter().zip(line.split(',')) {
        column.read(&mut row, text).map_err(|error| std::format!("{} {text:?} is {error}", column.name))?;
    }
    Ok(row)
}

fn row(text: &str) -> Sample {
    read(text).unwrap().sample()
}

#[test]
fn the_columns_are_those_of_the_format() {
    assert_eq!(
        Header.to_string(),
        "seconds,used,limit,rss,anon,shmem,swap,allocated,active,resident,external,\
         cgroup_usage,cgroup_anon,cgroup_file,cgroup_shmem,cgroup_kernel,oom,oom_kills"
    );
    let required: Vec<_> = COLUMNS.iter().filter(|column| column.required).map(|column| column.name).collect();
    assert_eq!(required, ["seconds", "used"]);
}

#[test]
fn every_number_comes_back_under_its_own_name() {
    let line = "12.345,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17";
    assert_eq!(read(line).unwrap().to_string(), line);
    let sample = row(line);
    let again = Row::of(&sample, SinceStart::default());
    assert_eq!(again.to_string(), line);
    assert_eq!(sample.limit, Some(Limit { bytes: Bytes::new(2), source: LimitSource::Cgroup, scope: 1 }));
    let cgroup = sample.cgroup.unwrap();
    assert_eq!((cgroup.file_inactive, cgroup.file_active), (Some(Bytes::new(13)), Some(Bytes::ZERO)));
    assert_eq!((cgroup.events.oom, cgroup.events.oom_kills), (Some(16), Some(17)));
}

#[test]
fn what_is_empty_is_unknown() {
    let sample = row("0,,,,,,,,,,,,,,,,,");
    assert_eq!(sample, Sample::default());
    assert_eq!(Row::default().to_string(), "0.000,,,,,,,,,,,,,,,,,");
}

#[test]
fn a_limit_is_configured_where_no_column_of_the_cgroup_has_a_value() {
    let sample = row("0,1,2,,,,,,,,,,,,,,3,4");
    assert_eq!(sample.limit, Some(Limit { bytes: Bytes::new(2), source: LimitSource::Config, scope: 0 }));
    assert_eq!(sample.cgroup.unwrap().events.oom_kills, Some(4), "kills are the cgroup's whoever set the limit");
}

#[test]
fn a_missing_number_of_the_allocator_is_the_larger_of_those_that_are_there() {
    let allocator = |line: &str| row(line).allocator.map(|a| [a.allocated, a.active, a.resident].map(Bytes::get));
    assert_eq!(allocator("0,,,,,,,7,,,"), Some([7, 7, 7]));
    assert_eq!(allocator("0,,,,,,,7,8,,"), Some([7, 8, 8]));
    assert_eq!(allocator("0,,,,,,,7,,9,"), Some([7, 9, 9]));
    assert_eq!(allocator("0,,,,,,,,8,9,"), None);
}

#[test]
fn bytes_are_whole_numbers_and_seconds_have_decimals() {
    for text in ["12x", "-1", "+1", "1.0", "1e3", "NaN", "inf", "18446744073709551616", " 1", "0x1"] {
        assert_eq!(
            read(&std::format!("0,{text}")),
            Err(std::format!("used {text:?} is not a number of bytes: write a whole number, or leave it empty"))
        );
    }
    for text in
        ["", "-1", "+1", "1.", ".5", "1.-5", "1.2.3", "NaN", "inf", "1e3", "18446744073709551616", "1.0000000000x"]
    {
        assert!(read(text).is_err(), "{text:?}");
    }
    let nanos = |text: &str| read(text).unwrap().seconds.elapsed().as_nanos();
    assert_eq!(
        ["7", "0.1", "30.000000001", "1.9999999999"].map(nanos),
        [7_000_000_000, 100_000_000, 30_000_000_001, 1_999_999_999]
    );
}

fn amount() -> impl Strategy<Value = Option<Bytes>> {
    prop_oneof![1 => Just(None), 5 => (0_u64..1200).prop_map(|bytes| Some(Bytes::new(bytes)))]
}

prop_compose! {
    fn allocators()(
        allocated in 0_u64..1200, active in 0_u64..100, resident in 0_u64..300, muzzy in amount(),
    ) -> Allocator {
        let active = allocated + active;
        let [allocated, active, resident] = [allocated, active, active + resident].map(Bytes::new);
        Allocator { allocated, active, resident, muzzy, ..Allocator::default() }
    }
}

prop_compose! {
    fn cgroups()(
        usage in amount(), anon in amount(), file in [amount(), amount()], shmem in amount(), kernel in amount(),
        sock in amount(), oom in prop::option::of(0_u64..3), oom_kills in prop::option::of(0_u64..3),
    ) -> Cgroup {
        let [file_active, file_inactive] = file;
        let events = CgroupEvents { oom, oom_kills, ..CgroupEvents::default() };
        Cgroup { id: 7, usage, anon, file_active, file_inactive, shmem, kernel, sock, events, ..Cgroup::default() }
    }
}

prop_compose! {
    /// A sample a little after the one before, under a limit of the configuration, of the cgroup, or none.
    fn samples(of_cgroup: bool)(
        after in 0_u64..20_000, used in amount(), limit in prop_oneof![6 => Just(Some(1000)), 1 => Just(Some(600)), 1 => Just(None)],
        allocator in prop::option::of(allocators()), process in [amount(), amount(), amount()],
        cgroup in prop::option::of(cgroups()), external in 0_u64..300,
    ) -> (Duration, Sample) {
        let [anon, shmem, swap] = process;
        let (source, scope) = if of_cgroup { (LimitSource::Cgroup, 7) } else { (LimitSource::Config, 0) };
        let limit = limit.map(|bytes| Limit { bytes: Bytes::new(bytes), source, scope });
        // A limit of a cgroup is never without the use of that cgroup.
        let cgroup = if of_cgroup {
            Some(Cgroup { usage: Some(Bytes::new(1)), ..cgroup.unwrap_or_default() })
        } else {
            cgroup
        };
        let process = Process { anon, shmem, swap, ..Process::default() };
        let external = Bytes::new(external);
        (Duration::from_millis(after), Sample { used, limit, allocator, process, cgroup, external, ..Sample::default() })
    }
}

proptest! {
    #[test]
    fn a_recording_is_judged_as_what_was_recorded(
        samples in any::<bool>().prop_flat_map(|of_cgroup| prop::collection::vec(samples(of_cgroup), 1..200)),
    ) {
        let mut judges = [(); 2].map(|()| Judge::new(Rules::default()));
        let mut at = SinceStart::default();
        for (after, sample) in samples {
            at = at.after(after);
            let sample = Sample { at, ..sample };
            let line = Row::of(&sample, SinceStart::default()).to_string();
            let recorded = read(&line).map_err(TestCaseError::fail)?.sample();
            let [live, replayed] = &mut judges;
            prop_assert_eq!(live.judge(&sample), replayed.judge(&recorded), "{}", line);
            prop_assert_eq!(live.episode(), replayed.episode());
            prop_assert_eq!(Row::of(&recorded, SinceStart::default()).to_string(), line);
        }
    }

    #[test]
    fn no_text_makes_a_field_panic(text in "[0-9.,eE+-]{0,40}|.{0,40}") {
        for column in COLUMNS {
            let _ = column.read(&mut Row::default(), &text);
        }
    }
}
