use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::LimitSource;

const CHEAP: Duration = Duration::from_micros(1);

fn limit(bytes: Bytes, scope: u64) -> Option<Limit> {
    Some(Limit { bytes, source: LimitSource::Cgroup, scope })
}

/// A glance at so many milliseconds and of so many MiB, of 1,000 MiB.
fn glance(millis: u64, used: u64) -> Glance {
    let at = SinceStart::new(Duration::from_millis(millis));
    Glance { at, used: Some(Bytes::mib(used)), limit: limit(Bytes::mib(1000), 1) }
}

/// The waits in milliseconds after glances of `(milliseconds, MiB)`.
fn waits(glances: &[(u64, u64)]) -> Vec<u128> {
    let mut schedule = Schedule::new(Levels::default());
    glances.iter().map(|(millis, used)| schedule.next(&glance(*millis, *used), CHEAP).as_millis()).collect()
}

#[test]
fn what_stands_still_or_falls_is_glanced_at_in_a_tenth_of_a_second() {
    assert_eq!(waits(&[(0, 500), (100, 500), (200, 400)]), [100; 3]);
}

#[test]
fn eight_glances_fall_before_the_next_line() {
    // At 1 MiB in a millisecond: 750, 850 and 950 MiB are the lines, and 1,000 MiB the limit.
    let climb = [(0, 190), (100, 290), (105, 295), (115, 305), (135, 325), (175, 365)];
    assert_eq!(waits(&climb)[5], 48, "385 MiB below elevated");
    assert_eq!(waits(&[(0, 665), (100, 765), (105, 770)])[2], 10, "80 MiB below high");
    assert_eq!(waits(&[(0, 860), (50, 910)])[1], 5, "40 MiB below critical");
    assert_eq!(waits(&[(0, 950), (2, 952)])[1], 6, "48 MiB below the limit");
    assert_eq!(waits(&[(0, 990), (1, 991)])[1], 5, "and not more often than that");
    assert_eq!(waits(&[(0, 740), (10, 750)])[1], 6, "100 MiB from elevated, which is reached, to high");
    assert_eq!(waits(&[(0, 990), (100, 1_090)])[1], 100, "no line is left");
}

#[test]
fn the_first_rise_after_calm_may_have_begun_a_moment_ago() {
    assert_eq!(waits(&[(0, 100), (100, 110), (140, 150)])[1..], [40, 75], "640 MiB at 10 in 5 ms, 600 at 40 in 40 ms");
    assert_eq!(waits(&[(0, 100), (100, 104)])[1], 100, "a small one is noise");
    assert_eq!(waits(&[(0, 100), (100, 110), (140, 110), (220, 110)])[1..], [40, 80, 100], "and it was all of it");
}

#[test]
fn a_climb_is_one_by_its_measured_rate_alone() {
    let sees_climb = |glances: &[(u64, u64)]| {
        let mut schedule = Schedule::new(Levels::default());
        for (millis, used) in glances {
            schedule.next(&glance(*millis, *used), CHEAP);
        }
        schedule.sees_climb()
    };
    assert!(!sees_climb(&[(0, 100)]) && !sees_climb(&[(0, 100), (100, 110)]), "6.4 s from the line");
    assert!(!sees_climb(&[(0, 300), (100, 350)]), "800 ms from the line: eight glances of the calm fall before it");
    assert!(sees_climb(&[(0, 100), (100, 110), (140, 150)]), "600 ms from the line");
    assert!(!sees_climb(&[(0, 100), (100, 110), (140, 150), (200, 150)]), "it is over");
}

#[test]
fn a_climb_that_pauses_is_not_over_at_once() {
    assert_eq!(
        waits(&[(0, 840), (100, 845), (105, 845), (115, 845), (135, 845), (175, 845), (255, 845)])[1..],
        [5, 10, 20, 40, 80, 100]
    );
}

#[test]
fn what_cannot_be_compared_is_no_growth() {
    let mut schedule = Schedule::new(Levels::default());
    schedule.next(&glance(0, 100), CHEAP);
    let other = Glance { limit: limit(Bytes::mib(1000), 2), ..glance(100, 740) };
    assert_eq!(schedule.next(&other, CHEAP), Schedule::CALM, "another directory");
    assert_eq!(schedule.next(&Glance { used: None, ..glance(200, 0) }, CHEAP), Schedule::CALM);
    assert_eq!(schedule.next(&glance(300, 745), CHEAP), Schedule::CALM, "after an unknown one");
    assert_eq!(schedule.next(&glance(300, 749), CHEAP), Schedule::CALM, "at the same moment");
}

#[test]
fn a_dear_glance_is_rarer() {
    let next = |cost, glances: [(u64, u64); 3]| {
        let mut schedule = Schedule::new(Levels::default());
        glances.map(|(millis, used)| schedule.next(&glance(millis, used), Duration::from_micros(cost)).as_millis())[2]
    };
    let calm = [(0, 100), (100, 100), (200, 100)];
    assert_eq!([1, 100, 101, 300, 5_000].map(|cost| next(cost, calm)), [100, 100, 101, 300, 400]);
    let climb = [(0, 700), (100, 730), (200, 749)];
    assert_eq!([1, 50, 51, 300, 5_000].map(|cost| next(cost, climb)), [5, 5, 5, 30, 100]);
}

#[test]
fn one_glance_that_seems_slow_does_not_count() {
    let mut schedule = Schedule::new(Levels::default());
    schedule.next(&glance(0, 100), CHEAP);
    assert_eq!(schedule.next(&glance(100, 100), Duration::from_millis(50)), Schedule::CALM);
    assert_eq!(schedule.next(&glance(200, 100), CHEAP), Schedule::CALM);
}

/// At each glance of a steady climb from nothing, at `rate` bytes a millisecond: how much is used.
fn climb(limit_bytes: Bytes, rate: u64) -> Vec<Bytes> {
    let mut schedule = Schedule::new(Levels::default());
    let mut at = Duration::ZERO;
    let mut seen = Vec::new();
    loop {
        let used = u64::try_from(at.as_nanos() * u128::from(rate) / 1_000_000).unwrap();
        let used = Bytes::new(used);
        if used >= limit_bytes {
            return seen;
        }
        seen.push(used);
        let glance = Glance { at: SinceStart::new(at), used: Some(used), limit: limit(limit_bytes, 1) };
        at += schedule.next(&glance, CHEAP);
    }
}

proptest! {
    #[test]
    fn between_two_lines_a_climb_is_glanced_at_eight_times_or_as_often_as_can_be(
        mib in 64u64..(1 << 20),
        // From elevated to the limit in 25 ms to 100 s; from nothing to elevated in at least 75 ms.
        millis in 100u64..400_000,
    ) {
        let limit = Bytes::mib(mib);
        let rate = limit.get() / millis;
        let seen = climb(limit, rate);
        let lines = Levels::default().lines(Some(limit)).map(|line| line.unwrap().enter);
        let [elevated, high, critical] = lines;
        for (from, to) in [(elevated, high), (high, critical), (critical, limit)] {
            let glances = seen.iter().filter(|used| **used >= from && **used < to).count() as u64;
            let can_be = to.saturating_sub(from).get() / rate / 5;
            // A climb is known at its second glance, 100 ms after its first.
            if elevated.get() / rate > 105 {
                prop_assert!(glances >= can_be.min(8), "{glances} of {can_be} from {from} to {to}");
            }
        }
    }

    #[test]
    fn glances_keep_to_their_budget(
        glances in prop::collection::vec((0u64..2_000, proptest::option::of(0u64..1_200), 0u64..20_000), 1..200),
    ) {
        let mut schedule = Schedule::new(Levels::default());
        let (mut at, mut before) = (0, Duration::ZERO);
        for (gap, used, cost) in glances {
            at += gap;
            let cost = Duration::from_micros(cost);
            let glance = Glance { used: used.map(Bytes::mib), ..glance(at, 0) };
            let wait = schedule.next(&glance, cost);
            prop_assert!((Schedule::SHORTEST..=Schedule::LONGEST).contains(&wait));
            prop_assert!(wait >= (before.min(cost) * Schedule::URGENT_BUDGET).min(Schedule::CALM));
            before = cost;
        }
        for _ in 0..20 {
            at += 1_000;
            schedule.next(&glance(at, 100), before);
        }
        let calm = (before * Schedule::BUDGET).clamp(Schedule::CALM, Schedule::LONGEST);
        prop_assert_eq!(schedule.next(&glance(at, 100), before), calm);
    }
}
