//! What is told although no level changed: peaks, heartbeats, the halves of a split, and kills.

use super::*;

fn kills(second: u64, kills: u64) -> Sample {
    let events = CgroupEvents { oom_kills: Some(kills), ..CgroupEvents::default() };
    Sample { cgroup: Some(Cgroup { id: 7, events, ..Cgroup::default() }), ..sample(second, 100) }
}

#[test]
fn a_heartbeat_comes_a_quarter_of_an_hour_after_what_was_told_last() {
    let told = run(&mut judge(), &[(1000, 860), (50, 960), (1000, 960)]);
    assert_eq!(
        told,
        [
            "10 begun high since 0 held",
            "910 still high after 910 s peak 860 heartbeat",
            "1000 high -> critical since 1000 held",
            "1900 still critical after 1900 s peak 960 heartbeat",
        ]
    );
}

#[test]
fn a_new_peak_of_five_points_is_told() {
    let told = run(&mut judge(), &[(100, 860), (100, 909), (100, 910), (100, 870)]);
    assert_eq!(told, ["10 begun high since 0 held", "200 still high after 200 s peak 910 peak"]);
}

#[test]
fn a_new_peak_waits_for_a_minute_after_what_was_told_last() {
    let told = run(&mut judge(), &[(11, 860), (30, 910), (300, 940)]);
    assert_eq!(told, ["10 begun high since 0 held", "70 still high after 70 s peak 940 peak"]);
}

#[test]
fn a_level_that_rises_tells_the_peak_too() {
    let told = run(&mut judge(), &[(40, 760), (500, 900), (100, 760)]);
    assert_eq!(told[..2], ["30 begun elevated since 0 held", "50 elevated -> high since 40 held"]);
    assert!(told[2].ends_with("recovered"), "{told:?}");
}

#[test]
fn without_a_limit_a_peak_is_measured_by_the_last_one() {
    let amounts = [500, 800, 900].map(|amount| Threshold::Amount(Bytes::new(amount)));
    let levels = Levels::try_new(amounts[0], amounts[1], amounts[2]).unwrap();
    let mut judge = Judge::new(Rules { levels, ..Rules::default() });
    let mut told = Vec::new();
    for (second, used) in [(0, 1000), (60, 1049), (120, 1050), (180, 1101), (240, 1102)] {
        told.extend(judge.judge(&Sample { limit: None, ..sample(second, used) }).iter().map(line));
    }
    assert_eq!(
        told,
        [
            "0 begun critical since 0 held",
            "120 still critical after 120 s peak 1050 peak",
            "240 still critical after 240 s peak 1102 peak",
        ]
    );
}

#[test]
fn use_that_doubles_every_second_is_told_once_a_minute() {
    let amounts = [1, 2, 3].map(|amount| Threshold::Amount(Bytes::new(amount)));
    let levels = Levels::try_new(amounts[0], amounts[1], amounts[2]).unwrap();
    let mut judge = Judge::new(Rules { levels, ..Rules::default() });
    let doubled = |second| Sample { limit: None, ..sample(second, 1 << second.min(63)) };
    let told: usize = (2..64).map(|second| judge.judge(&doubled(second)).iter().count()).sum();
    assert_eq!(told, 2);
}

#[test]
fn an_episode_of_an_hour_is_split() {
    let mut judge = judge();
    let mut told = Vec::new();
    for second in 0..9_000 {
        told.extend(judge.judge(&sample(second, if second < 100 { 930 } else { 860 })).iter().copied());
    }
    let split: Vec<_> = told.iter().filter(|transition| transition.reason == Reason::Split).collect();
    let lines: Vec<_> = split.iter().map(|transition| line(transition)).collect();
    assert_eq!(
        lines,
        [
            "3600 ended high after 3600 s peak 930 split",
            "3600 begun high since 3600 split",
            "7200 ended high after 3600 s peak 860 split",
            "7200 begun high since 7200 split",
        ]
    );
    let begun = |transition: &Transition| match transition.change {
        Change::Begun(episode) => Some((episode.number, episode.previous, episode.peak.used.get(), episode.merged)),
        _ => None,
    };
    assert_eq!(begun(split[1]), Some((2, Some(1), 860, 0)));
    assert_eq!(begun(split[3]), Some((3, Some(2), 860, 0)));
    assert!(split.iter().all(|transition| transition.level == Level::High), "the level does not change");
    assert_eq!((judge.counts().episodes, judge.counts().entries), (1, [0, 1, 0]));
    let Change::Ended(first, stay) = split[0].change else { unreachable!() };
    assert_eq!(first.time_at.map(|time| time.as_secs()), [0, 3600, 0]);
    assert_eq!((stay.from, stay.to), (SinceStart::default(), SinceStart::from_secs(3600)));
    let ended = judge.shut_down(SinceStart::from_secs(9_000)).unwrap();
    assert_eq!(line(&ended), "9000 ended high after 1800 s peak 860 shutdown");
}

#[test]
fn what_is_about_to_recover_is_not_split() {
    let told = run(&mut judge(), &[(3_590, 860), (100, 100)]);
    assert_eq!(told.last().unwrap(), "3650 ended high after 3590 s peak 860 recovered");
    assert!(!told.iter().any(|line| line.ends_with("split")), "{told:?}");
}

#[test]
fn the_second_half_of_a_split_keeps_the_cause() {
    let with_heap = |second, used| Sample {
        allocator: Some(crate::Allocator { allocated: Bytes::new(used), ..crate::Allocator::default() }),
        ..sample(second, used)
    };
    let mut judge = judge();
    judge.judge(&with_heap(0, 100));
    judge.judge(&with_heap(1, 960));
    let halves: Vec<_> = judge.judge(&with_heap(3_601, 960)).iter().map(|t| (t.reason, t.cause)).collect();
    assert_eq!(halves, [(Reason::Split, Cause::Heap); 2]);
}

#[test]
fn a_host_that_sleeps_through_the_hour_is_split_once() {
    let mut judge = judge();
    judge.judge(&sample(0, 960));
    let told: Vec<_> = judge.judge(&sample(10 * 3600, 960)).iter().map(line).collect();
    assert_eq!(told, ["36000 ended critical after 36000 s peak 960 split", "36000 begun critical since 36000 split"]);
}

#[test]
fn kills_within_a_minute_are_told_together() {
    let mut judge = judge();
    let counts = [(0, 3), (1, 5), (2, 6), (30, 6), (60, 7), (61, 8), (62, 8), (300, 8), (301, 9)];
    let told: Vec<_> = counts
        .iter()
        .flat_map(|(second, count)| judge.judge(&kills(*second, *count)).iter().map(line).collect::<Vec<_>>())
        .collect();
    assert_eq!(told, ["1 killed 2", "61 killed 3", "301 killed 1"]);
}
