use highwater::model::{Cgroup, Pressure, SinceStart};
use proptest::prelude::*;

use super::*;

fn sample(second: u64, used: Option<u64>) -> Sample {
    Sample { at: SinceStart::from_secs(second), used: used.map(Bytes::new), ..Sample::default() }
}

fn row(second: u64, used: Option<u64>) -> Row {
    Row::of(&sample(second, used), Level::Normal, None)
}

#[test]
fn the_rings_are_reserved_once_and_never_grow() {
    let mut history = History::new();
    let reserved = (history.fine.capacity(), history.coarse.capacity());
    for second in 0..100_000 {
        history.push(row(second, Some(second)));
    }
    assert_eq!((history.fine.capacity(), history.coarse.capacity()), reserved);
    assert_eq!((history.fine.len(), history.coarse.len()), (FINE, COARSE));
    let bytes = (history.fine.capacity() + history.coarse.capacity()) * size_of::<Row>();
    assert_eq!((bytes, History::BYTES), (451_440, 451_440), "docs/page.md says so");
}

#[test]
fn it_reaches_six_hours_back() {
    let mut history = History::new();
    (0..30_000).for_each(|second| history.push(row(second, None)));
    let first = history.rows().next().unwrap().at();
    let hours = history.last().unwrap().at().saturating_sub(first).as_secs_f64() / 3600.0;
    assert!((5.99..6.01).contains(&hours), "{hours}");
}

#[test]
fn of_ten_seconds_the_highest_row_stays_whole_with_the_stalls_of_all_ten() {
    let mut history = History::new();
    let mut before = None;
    for second in 0..(FINE as u64 + 10) {
        let some = Some(Duration::from_millis(100 * second));
        let cgroup = Some(Cgroup { pressure: Pressure { some, full: None }, ..Cgroup::default() });
        let used = if second == 4 { 1_000 } else { second };
        let level = if second == 7 { Level::High } else { Level::Normal };
        let sample = Sample { cgroup, ..sample(second, Some(used)) };
        history.push(Row::of(&sample, level, before));
        before = Some((sample.at.elapsed(), stalled(&sample)));
    }
    let merged = history.coarse.front().unwrap();
    assert_eq!((merged.used(), merged.at, merged.level), (Some(1_000), 4_000, Level::High));
    // The first of all has nothing before it.
    assert_eq!(merged.stalls, [None, None]);
    assert_eq!(
        history.stalls(Duration::from_secs(10)).map(|stall| stall.map(|s| (s * 1e3).round())),
        [Some(100.0), None]
    );
}

#[test]
fn a_stall_is_a_share_of_the_time_since_the_row_before() {
    let at = |millis, some| {
        let pressure = Pressure { some: Some(Duration::from_millis(some)), full: None };
        Sample {
            at: SinceStart::new(Duration::from_millis(millis)),
            cgroup: Some(Cgroup { pressure, ..Cgroup::default() }),
            ..Sample::default()
        }
    };
    let share = |millis, some| {
        let before = at(1_000, 500);
        Row::of(&at(millis, some), Level::Normal, Some((before.at.elapsed(), stalled(&before)))).stalls[0]
    };
    assert_eq!(share(3_000, 1_000), Some(0.25));
    assert_eq!(share(3_000, 9_000), Some(1.0), "no more than all of it");
    assert_eq!(share(3_000, 400), None, "another cgroup's");
    assert_eq!(share(1_000, 600), None, "in no time");
}

#[test]
fn the_dates_of_all_rows_follow_the_date_of_the_start() {
    let mut history = History::new();
    [1, 2].into_iter().for_each(|second| history.push(row(second, Some(7))));
    let text = |start| Json::of(|json| history.write(json, start));
    assert!(
        text(1_795_700_000_000)
            .starts_with("{\"time\":[1795700001.000,1795700002.000],\"used\":[7,7],\"limit\":[null,null],")
    );
    assert!(text(5_000).starts_with("{\"time\":[6.000,7.000],"));
    let read: serde_json::Value = serde_json::from_str(&text(0)).unwrap();
    let columns = read.as_object().unwrap();
    assert_eq!(columns.len(), AMOUNTS.len() + 4);
    assert!(columns.values().all(|column| column.as_array().unwrap().len() == 2), "columns are of one length");
    let one: serde_json::Value = serde_json::from_str(&Json::of(|json| row(1, None).write(json, 0))).unwrap();
    assert!(columns.keys().eq(one.as_object().unwrap().keys()), "a row has the fields that the history has as columns");
}

/// What a history is held against: all rows that ever were.
fn model(rows: &[Row]) -> Vec<(u64, Option<u64>)> {
    let fine = rows.len().saturating_sub(FINE);
    let tens = rows[..fine].chunks(MERGED as usize).map(|ten| {
        // Of equals the first, and what is unknown is below all.
        let highest = ten.iter().rev().max_by_key(|row| row.used()).unwrap();
        (highest.at, highest.used())
    });
    let tens: Vec<_> = tens.collect();
    let partly = usize::from(!fine.is_multiple_of(MERGED as usize));
    let gone = tens.len().saturating_sub(COARSE + partly);
    tens[gone..].iter().copied().chain(rows[fine..].iter().map(|row| (row.at, row.used()))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn the_rings_hold_what_the_model_says(
        count in prop_oneof![0_usize..2_000, 21_000_usize..23_000],
        seed in any::<u64>(),
    ) {
        let used = |second: u64| match (second ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58 {
            0 => None,
            some => Some(some),
        };
        let rows: Vec<_> = (0..count as u64).map(|second| row(second, used(second))).collect();
        let mut history = History::new();
        rows.iter().for_each(|row| history.push(*row));
        let held: Vec<_> = history.rows().map(|row| (row.at, row.used())).collect();
        prop_assert_eq!(held, model(&rows));
    }
}
