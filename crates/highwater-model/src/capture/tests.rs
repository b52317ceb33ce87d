use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{Cgroup, Judge, Limit, LimitSource, Pressure, Process, Rules};

const LIMIT: Bytes = Bytes::mib(1000);

fn sample(second: u64, mib: u64) -> Sample {
    let limit = Limit { bytes: LIMIT, source: LimitSource::Cgroup, scope: 1 };
    let used = Bytes::mib(mib);
    let process = Process { anon: Some(used), ..Process::default() };
    let cgroup = Cgroup { anon: Some(used), limited: true, ..Cgroup::default() };
    Sample {
        at: SinceStart::from_secs(second),
        used: Some(used),
        limit: Some(limit),
        process,
        cgroup: Some(cgroup),
        ..Sample::default()
    }
}

/// What becomes of each trigger of a run, by its second.
fn run(used: impl Fn(u64) -> u64, seconds: u64) -> Vec<(u64, Trigger, Result<(), Refusal>)> {
    let (mut judge, mut captures) = (Judge::new(Rules::default()), Captures::default());
    let mut all = Vec::new();
    for second in 0..seconds {
        let sample = sample(second, used(second));
        captures.observe(&sample);
        for transition in judge.judge(&sample).iter() {
            if let Some(trigger) = captures.wanted(transition, &sample) {
                all.push((second, trigger, captures.decide(trigger, &sample, Bytes::ZERO)));
            }
        }
    }
    all
}

fn allowed(all: &[(u64, Trigger, Result<(), Refusal>)]) -> Vec<Trigger> {
    all.iter().filter(|(_, _, decided)| decided.is_ok()).map(|(_, trigger, _)| *trigger).collect()
}

#[test]
fn each_level_of_an_episode_is_captured_once() {
    // Up and down between elevated and high within one episode.
    let all = run(|second| if second % 200 < 100 { 780 } else { 860 }, 1_000);
    assert_eq!(allowed(&all), [Trigger::Level(Level::Elevated), Trigger::Level(Level::High)]);
    assert!(all.iter().all(|(_, _, decided)| decided.is_ok()), "what there is, is not asked for again");
}

#[test]
fn another_episode_has_captures_of_its_own() {
    let all = run(|second| if second % 400 < 100 { 780 } else { 100 }, 800);
    assert_eq!(allowed(&all), [Trigger::Level(Level::Elevated); 2]);
}

#[test]
fn a_peak_is_captured_where_it_is_a_tenth_of_the_limit_above_the_last_capture() {
    let without_limit = |second: u64, mib| Sample { limit: None, ..sample(second, mib) };
    let rules = Rules {
        levels: crate::Levels::try_new(
            crate::Threshold::Amount(Bytes::mib(100)),
            crate::Threshold::Amount(Bytes::mib(5_000)),
            crate::Threshold::Amount(Bytes::mib(9_000)),
        )
        .unwrap(),
        ..Rules::default()
    };
    let (mut judge, mut captures) = (Judge::new(rules), Captures::default());
    let mut at = Vec::new();
    for second in 0..3_000 {
        let sample = without_limit(second, 200 + second / 60);
        for transition in judge.judge(&sample).iter() {
            if let Some(trigger) = captures.wanted(transition, &sample) {
                captures.decide(trigger, &sample, Bytes::ZERO).unwrap();
                at.push((trigger, sample.used.unwrap().get() >> 20));
            }
        }
    }
    assert_eq!(at.len(), 3, "{at:?}");
    assert_eq!(at[0], (Trigger::Level(Level::Elevated), 200));
    assert!(at[1].0 == Trigger::Peak && (220..=230).contains(&at[1].1), "{at:?}");
}

#[test]
fn another_process_s_memory_is_not_captured_unless_somebody_asks() {
    let mut others = sample(10, 800);
    others.process.anon = Some(Bytes::mib(10));
    let mut captures = Captures::default();
    let level = Trigger::Level(Level::Elevated);
    assert_eq!(captures.decide(level, &others, Bytes::ZERO), Err(Refusal::OtherProcess));
    assert_eq!(captures.decide(Trigger::Request, &others, Bytes::ZERO), Ok(()));
}

#[test]
fn a_capture_needs_room_for_itself_and_twice_its_dump() {
    let decide = |mib, dump| Captures::default().decide(Trigger::Request, &sample(10, mib), Bytes::mib(dump));
    assert_eq!(decide(996, 0), Ok(()));
    assert_eq!(decide(997, 0), Err(Refusal::Headroom));
    assert_eq!(decide(992, 2), Ok(()));
    assert_eq!(decide(993, 2), Err(Refusal::Headroom));
    let unlimited = Sample { limit: None, ..sample(10, 999) };
    assert_eq!(Captures::default().decide(Trigger::Request, &unlimited, Bytes::mib(100)), Ok(()));
}

#[test]
fn a_process_that_stands_still_is_left_alone() {
    let stalled = |millis_a_second: u64| {
        let mut captures = Captures::default();
        let mut now = Sample::default();
        for second in 0..30 {
            now = sample(second, 800);
            let full = Some(Duration::from_millis(second * millis_a_second));
            now.cgroup = now.cgroup.map(|cgroup| Cgroup { pressure: Pressure { some: None, full }, ..cgroup });
            captures.observe(&now);
        }
        captures.decide(Trigger::Level(Level::Elevated), &now, Bytes::ZERO)
    };
    assert_eq!(stalled(200), Ok(()));
    assert_eq!(stalled(210), Err(Refusal::Stall));
}

#[test]
fn two_captures_are_two_seconds_apart() {
    let mut captures = Captures::default();
    let mut decide = |second| captures.decide(Trigger::Request, &sample(second, 100), Bytes::ZERO);
    assert_eq!([decide(10), decide(11), decide(12)], [Ok(()), Err(Refusal::Busy), Ok(())]);
    assert_eq!(captures.decide(Trigger::Exit, &sample(12, 100), Bytes::ZERO), Ok(()), "there is no later");
}

#[test]
fn an_hour_has_four_and_a_day_has_twenty() {
    let mut captures = Captures::default();
    let mut taken = Vec::new();
    for minute in 0..3 * 24 * 60 {
        let sample = sample(minute * 60, 800);
        match captures.decide(Trigger::Peak, &sample, Bytes::ZERO) {
            Ok(()) => taken.push(minute),
            refused => assert_eq!(refused, Err(Refusal::Budget)),
        }
    }
    assert_eq!(taken[..5], [0, 1, 2, 3, 60]);
    assert_eq!(taken[20], 24 * 60, "the twenty-first");
    assert_eq!(taken.len(), 60);
}

#[test]
fn a_crash_loop_has_one_budget() {
    let mut earlier = Captures::default();
    for second in [100, 200, 300] {
        earlier.decide(Trigger::Peak, &sample(second, 800), Bytes::ZERO).unwrap();
    }
    let mut captures = Captures::default();
    // The next run begins a minute after the last capture.
    earlier.counted(SinceStart::from_secs(360)).for_each(|age| captures.remember(age));
    let mut decide = |second| captures.decide(Trigger::Peak, &sample(second, 800), Bytes::ZERO);
    assert_eq!([decide(1), decide(10)], [Ok(()), Err(Refusal::Budget)]);
    assert_eq!(decide(3_600 - 260), Ok(()), "an hour after the first of them");
}

#[test]
fn a_capture_that_two_remember_counts_once() {
    let mut captures = Captures::default();
    for age in [60, 61, 59, 90] {
        captures.remember(Duration::from_secs(age));
    }
    assert_eq!(captures.counted(SinceStart::from_secs(0)).count(), 2);
}

#[test]
fn a_level_whose_capture_was_refused_is_tried_again_until_it_is_left() {
    let mut captures = Captures::default();
    let level = Trigger::Level(Level::High);
    assert_eq!(captures.decide(level, &sample(10, 999), Bytes::ZERO), Err(Refusal::Headroom));
    let mut wanted = |second, level, mib| captures.wanted_still(&sample(second, mib), level);
    assert_eq!([wanted(11, Level::High, 999), wanted(12, Level::Critical, 999)], [None, Some(level)]);
    assert_eq!(wanted(12, Level::High, 998), None, "what was to be seen is gone");
    assert_eq!(captures.decide(level, &sample(12, 900), Bytes::ZERO), Ok(()));
    assert_eq!(captures.wanted_still(&sample(20, 999), Level::High), None, "it is taken");
    assert_eq!(captures.decide(level, &sample(30, 999), Bytes::ZERO), Err(Refusal::Headroom));
    let mut wanted = |second, level| captures.wanted_still(&sample(second, 999), level);
    assert_eq!([wanted(40, Level::Elevated), wanted(41, Level::High)], [None; 2], "it was left");
}

#[test]
fn a_level_that_was_put_off_costs_nothing_and_is_tried_again() {
    let mut captures = Captures::default();
    let level = Trigger::Level(Level::High);
    assert_eq!(captures.put_off(level, &sample(10, 900)), Refusal::Busy);
    assert_eq!(captures.counted(SinceStart::from_secs(10)).count(), 0);
    assert_eq!(captures.wanted_still(&sample(12, 900), Level::High), Some(level));
}

#[test]
fn what_is_asked_for_keeps_no_level_from_being_captured() {
    let mut captures = Captures::default();
    assert_eq!(captures.decide(Trigger::Request, &sample(10, 800), Bytes::ZERO), Ok(()));
    assert_eq!(captures.decide(Trigger::Level(Level::Elevated), &sample(10, 800), Bytes::ZERO), Ok(()));
    assert_eq!(captures.decide(Trigger::Request, &sample(11, 800), Bytes::ZERO), Err(Refusal::Busy));
}

#[test]
fn what_is_asked_for_takes_nothing_from_the_budget() {
    let mut captures = Captures::default();
    for second in 0..100 {
        captures.decide(Trigger::Request, &sample(second * 2, 100), Bytes::ZERO).unwrap();
    }
    assert_eq!(captures.decide(Trigger::Level(Level::High), &sample(300, 900), Bytes::ZERO), Ok(()));
    assert_eq!(captures.counted(SinceStart::from_secs(300)).count(), 1);
}

#[test]
fn the_calm_is_captured_at_the_start_when_the_program_is_warm_and_once_a_day() {
    let mut captures = Captures::default();
    let mut at = Vec::new();
    for minute in 0..2_000 {
        let sample = sample(minute * 60, 100);
        if captures.wants_calm(sample.at) {
            captures.decide_calm(&sample, Bytes::ZERO).unwrap();
            at.push(minute);
        }
    }
    assert_eq!(at, [0, 30, 30 + 24 * 60]);
}

proptest! {
    #[test]
    fn no_run_has_more_captures_than_its_budget(
        steps in prop::collection::vec((1_u64..4_000, 0_u64..1_000), 1..60),
        carried in prop::collection::vec(0_u64..200_000, 0..30),
    ) {
        let (mut judge, mut captures) = (Judge::new(Rules::default()), Captures::default());
        carried.iter().for_each(|age| captures.remember(Duration::from_secs(*age)));
        let mut taken: Vec<i64> = captures.counted(SinceStart::default()).map(|age| -(age.as_secs() as i64)).collect();
        taken.sort_unstable();
        let (before, mut second) = (taken.len(), 0);
        for (pause, mib) in steps {
            for _ in 0..3 {
                second += pause;
                let sample = sample(second, mib);
                for transition in judge.judge(&sample).iter() {
                    let wanted = captures.wanted(transition, &sample);
                    if wanted.is_some_and(|trigger| captures.decide(trigger, &sample, Bytes::ZERO).is_ok()) {
                        taken.push(second as i64);
                    }
                }
            }
        }
        for (index, at) in taken.iter().enumerate().skip(before) {
            let within = |time: i64| taken[..index].iter().filter(|then| at - **then < time).count();
            prop_assert!(within(3_600) < Captures::MOST_AN_HOUR);
            prop_assert!(within(86_400) < Captures::MOST_A_DAY);
        }
    }
}
