use std::string::{String, ToString};
use std::time::Duration;
use std::vec::Vec;

use super::*;
use crate::{Cgroup, Levels, LimitSource, Threshold};

mod flapping;
mod properties;
mod steep;
mod told_again;

const LIMIT: u64 = 1000;

/// A judge with the default levels and holds: 75/85/95 %, 30/10/0 s in, 60/60/30 s out.
fn judge() -> Judge {
    Judge::new(Rules::default())
}

fn limit(bytes: u64) -> Option<Limit> {
    Some(Limit { bytes: Bytes::new(bytes), source: LimitSource::Cgroup, scope: 7 })
}

fn sample(second: u64, used: u64) -> Sample {
    Sample { at: SinceStart::from_secs(second), used: Some(Bytes::new(used)), limit: limit(LIMIT), ..Sample::default() }
}

/// Judges one sample a second of each `(seconds, used)` in turn and writes down what was decided.
fn run(judge: &mut Judge, shape: &[(u64, u64)]) -> Vec<String> {
    let mut told = Vec::new();
    let mut second = 0;
    for (seconds, used) in shape {
        for _ in 0..*seconds {
            told.extend(judge.judge(&sample(second, *used)).iter().map(line));
            second += 1;
        }
    }
    told
}

fn line(transition: &Transition) -> String {
    let at = transition.at.elapsed().as_secs();
    let reason = transition.reason.as_str();
    let secs = |at: SinceStart| at.elapsed().as_secs();
    match transition.change {
        Change::Begun(episode) => std::format!("{at} begun {} since {} {reason}", episode.level, secs(episode.began)),
        Change::Changed(episode, stay) => {
            std::format!("{at} {} -> {} since {} {reason}", stay.level, episode.level, secs(stay.to))
        }
        Change::Ended(episode, stay) => std::format!(
            "{at} ended {} after {} s peak {} {reason}",
            stay.level,
            episode.duration().as_secs(),
            episode.peak.used.get(),
        ),
        Change::Again(episode) => {
            std::format!(
                "{at} still {} after {} s peak {} {reason}",
                transition.level,
                episode.duration().as_secs(),
                episode.peak.used.get()
            )
        }
        Change::OomKill(count) => std::format!("{at} killed {count}"),
        Change::Growth(_) => std::format!("{at} grows"),
    }
}

#[test]
fn a_level_is_entered_after_its_hold_and_dated_from_the_crossing() {
    assert_eq!(run(&mut judge(), &[(5, 100), (60, 760)]), ["35 begun elevated since 5 held"]);
    assert_eq!(run(&mut judge(), &[(5, 100), (20, 860)]), ["15 begun high since 5 held"]);
    assert_eq!(run(&mut judge(), &[(5, 100), (2, 960)]), ["5 begun critical since 5 held"]);
}

#[test]
fn a_burst_shorter_than_the_hold_is_silent() {
    assert_eq!(run(&mut judge(), &[(5, 100), (29, 760), (5, 100), (29, 760), (100, 100)]), [""; 0]);
}

#[test]
fn one_episode_holds_all_its_levels_and_ends_with_its_peak() {
    let shape = [(10, 100), (40, 760), (20, 900), (10, 970), (100, 100)];
    assert_eq!(
        run(&mut judge(), &shape),
        [
            "40 begun elevated since 10 held",
            "60 elevated -> high since 50 held",
            "70 high -> critical since 70 held",
            "110 critical -> high since 80 recovered",
            "140 ended high after 70 s peak 970 recovered",
        ]
    );
}

#[test]
fn the_times_at_the_levels_add_up_to_the_duration() {
    let mut judge = judge();
    let mut ended = None;
    let shape = [(10, 100), (40, 760), (20, 900), (10, 970), (50, 870), (80, 100)];
    let seconds = shape.iter().flat_map(|(seconds, used)| std::iter::repeat_n(*used, *seconds as usize));
    for (second, used) in seconds.enumerate() {
        for transition in judge.judge(&sample(second as u64, used)).iter() {
            if let Change::Ended(episode, _) = transition.change {
                ended = Some(episode);
            }
        }
    }
    let episode = ended.unwrap();
    assert_eq!(episode.time_at.iter().sum::<Duration>(), episode.duration());
    assert_eq!(episode.time_at.map(|time| time.as_secs()), [40, 70, 10]);
}

#[test]
fn leave_holds_run_side_by_side() {
    // 40 s at 96 % open all gates; from 50 % it takes the longest leave hold, 60 s, not 60 + 60 + 30.
    let told = run(&mut judge(), &[(40, 960), (200, 500)]);
    assert_eq!(told.last().unwrap(), "100 ended high after 40 s peak 960 recovered");
}

#[test]
fn between_the_leave_and_the_enter_line_the_level_stays() {
    assert_eq!(run(&mut judge(), &[(20, 860), (800, 810)]), ["10 begun high since 0 held"]);
}

#[test]
fn hovering_at_a_line_is_one_episode() {
    let mut shape = Vec::new();
    for _ in 0..10 {
        shape.extend([(40, 760), (40, 740)]);
    }
    assert_eq!(run(&mut judge(), &shape), ["30 begun elevated since 0 held"]);
}

#[test]
fn a_failed_reclaim_confirms_what_is_exceeded_at_once() {
    let with_oom = |second, used, oom| {
        let events = CgroupEvents { oom: Some(oom), ..CgroupEvents::default() };
        Sample { cgroup: Some(Cgroup { id: 7, events, ..Cgroup::default() }), ..sample(second, used) }
    };
    let mut judge = judge();
    assert_eq!(judge.judge(&with_oom(0, 100, 5)).iter().count(), 0);
    assert_eq!(judge.judge(&with_oom(1, 860, 5)).iter().count(), 0);
    let told: Vec<_> = judge.judge(&with_oom(2, 860, 6)).iter().map(line).collect();
    assert_eq!(told, ["2 begun high since 1 kernel"]);
}

#[test]
fn a_kill_is_told_with_its_count_whichever_directory_binds() {
    let with_kills = |second, id, kills| {
        let events = CgroupEvents { oom_kills: Some(kills), ..CgroupEvents::default() };
        Sample { cgroup: Some(Cgroup { id, events, ..Cgroup::default() }), ..sample(second, 100) }
    };
    let mut judge = judge();
    let mut told = |sample: Sample| judge.judge(&sample).iter().map(line).collect::<Vec<_>>();
    assert_eq!(told(with_kills(0, 7, 3)), [""; 0]);
    assert_eq!(told(with_kills(1, 7, 5)), ["1 killed 2"]);
    assert_eq!(told(with_kills(100, 8, 6)), ["100 killed 1"]);
    assert_eq!(told(with_kills(200, 8, 6)), [""; 0]);
}

#[test]
fn a_limit_that_comes_to_bind_in_the_same_directory_reclassifies_at_once() {
    let mut judge = judge();
    judge.judge(&sample(0, 800));
    let high = Limit { bytes: Bytes::new(830), source: LimitSource::CgroupHigh, scope: 7 };
    let told: Vec<_> = judge.judge(&Sample { limit: Some(high), ..sample(1, 800) }).iter().map(line).collect();
    assert_eq!(told, ["1 begun critical since 1 limit_changed"]);
}

#[test]
fn a_resized_limit_reclassifies_at_once_in_both_directions() {
    let resized = |second, bytes| Sample { limit: limit(bytes), ..sample(second, 800) };
    let mut judge = judge();
    let mut told = |sample: Sample| judge.judge(&sample).iter().map(line).collect::<Vec<_>>();
    assert_eq!(told(resized(0, 2000)), [""; 0]);
    assert_eq!(told(resized(1, 900)), ["1 begun high since 1 limit_changed"]);
    assert_eq!(told(resized(2, 2000)), ["2 ended high after 1 s peak 800 limit_changed"]);
}

#[test]
fn another_limit_that_binds_is_judged_by_the_holds() {
    let mut judge = judge();
    let other = |second| Sample {
        limit: Some(Limit { bytes: Bytes::new(900), source: LimitSource::Config, scope: 0 }),
        ..sample(second, 800)
    };
    assert_eq!(judge.judge(&sample(0, 100)).iter().count(), 0);
    assert_eq!((1..11).map(|second| judge.judge(&other(second)).iter().count()).sum::<usize>(), 0);
    let told: Vec<_> = judge.judge(&other(11)).iter().map(line).collect();
    assert_eq!(told, ["11 begun high since 1 held"]);
}

#[test]
fn a_level_that_is_switched_off_is_left() {
    let without_limit = |second| Sample { limit: None, ..sample(second, 960) };
    let mut judge = judge();
    assert_eq!(run(&mut judge, &[(5, 960)]).len(), 1);
    let told: Vec<_> = judge.judge(&without_limit(5)).iter().map(line).collect();
    assert_eq!(told, ["5 ended critical after 5 s peak 960 limit_changed"]);
}

#[test]
fn an_unknown_sample_changes_nothing() {
    let mut judge = judge();
    assert_eq!(run(&mut judge, &[(5, 960)]).len(), 1);
    let unknown = Sample { used: None, limit: None, ..sample(5, 0) };
    assert_eq!(judge.judge(&unknown).iter().count(), 0);
    assert_eq!(judge.level(), Level::Critical);
}

#[test]
fn an_open_episode_is_ended_by_shutdown_and_only_once() {
    let mut judge = judge();
    run(&mut judge, &[(5, 960)]);
    let ended = judge.shut_down(SinceStart::from_secs(9)).unwrap();
    assert_eq!(line(&ended), "9 ended critical after 9 s peak 960 shutdown");
    assert_eq!(judge.shut_down(SinceStart::from_secs(10)), None);
    assert_eq!(judge.level(), Level::Normal);
}

#[test]
fn a_second_episode_has_its_own_number_and_peak() {
    let mut judge = judge();
    run(&mut judge, &[(5, 990), (100, 100)]);
    let mut last = None;
    for second in 200..205 {
        last = judge.judge(&sample(second, 955)).iter().next().copied().or(last);
    }
    let Some(Transition { change: Change::Begun(episode), .. }) = last else { unreachable!() };
    assert_eq!((episode.number, episode.peak.used), (2, Bytes::new(955)));
}

#[test]
fn a_glance_over_a_line_is_suspected_once_and_judged_by_the_sample_only() {
    let mut judge = judge();
    let glance = |used| Glance { used: Some(Bytes::new(used)), limit: limit(LIMIT), ..Glance::default() };
    judge.judge(&sample(0, 100));
    assert!(!judge.suspects(&glance(700)));
    assert!(judge.suspects(&glance(760)));
    assert!(judge.suspects(&glance(960)));
    // The full read disagrees: it was page cache. Nothing was judged by the glance.
    assert_eq!(judge.judge(&sample(1, 100)).iter().count(), 0);
    // The full read agrees: the line is known to be exceeded and no longer a suspicion.
    judge.judge(&sample(2, 760));
    assert!(!judge.suspects(&glance(770)));
    assert!(judge.suspects(&glance(870)));
    assert!(!judge.suspects(&Glance::default()));
}

#[test]
fn amounts_are_judged_without_a_limit() {
    let levels = Levels::try_new(
        Threshold::Amount(Bytes::new(500)),
        Threshold::Amount(Bytes::new(800)),
        Threshold::Amount(Bytes::new(900)),
    )
    .unwrap();
    let mut judge = Judge::new(Rules { levels, ..Rules::default() });
    let without = |second, used| Sample { limit: None, ..sample(second, used) };
    assert_eq!((0..30).map(|s| judge.judge(&without(s, 600)).iter().count()).sum::<usize>(), 0);
    let told: Vec<_> = judge.judge(&without(30, 600)).iter().map(|t| t.change).collect();
    assert!(matches!(told[..], [Change::Begun(Episode { level: Level::Elevated, .. })]));
}

#[test]
fn the_cause_is_another_process_where_others_hold_most() {
    let mut sample = sample(0, 960);
    sample.process.anon = Some(Bytes::new(100));
    sample.cgroup = Some(Cgroup { anon: Some(Bytes::new(900)), ..Cgroup::default() });
    let causes: Vec<_> = judge().judge(&sample).iter().map(|t| t.cause.as_str().to_string()).collect();
    assert_eq!(causes, ["other_process"]);
}

#[test]
fn a_kill_has_the_cause_of_the_moment_before_it() {
    let with = |second, own, all, kills| {
        let events = CgroupEvents { oom_kills: Some(kills), ..CgroupEvents::default() };
        let cgroup = Cgroup { id: 7, anon: Some(Bytes::new(all)), events, ..Cgroup::default() };
        let process = crate::Process { anon: Some(Bytes::new(own)), ..crate::Process::default() };
        Sample { cgroup: Some(cgroup), process, ..sample(second, all) }
    };
    let mut judge = judge();
    judge.judge(&with(0, 100, 700, 0));
    let told: Vec<_> = judge.judge(&with(1, 100, 100, 1)).iter().map(|t| (t.change, t.cause)).collect();
    assert_eq!(told, [(Change::OomKill(1), Cause::OtherProcess)]);
}

#[test]
fn an_ended_episode_keeps_its_cause() {
    let with_heap = |second, used| Sample {
        allocator: Some(crate::Allocator { allocated: Bytes::new(used), ..crate::Allocator::default() }),
        ..sample(second, used)
    };
    let mut judge = judge();
    judge.judge(&with_heap(0, 100));
    let begun = judge.judge(&with_heap(1, 960));
    assert_eq!(begun.iter().map(|t| t.cause).collect::<Vec<_>>(), [Cause::Heap]);
    let ended = (2..200).find_map(|second| {
        judge.judge(&with_heap(second, 100)).iter().find(|t| matches!(t.change, Change::Ended(..))).copied()
    });
    assert_eq!((ended.unwrap().cause, ended.unwrap().level), (Cause::Heap, Level::Normal));
}

#[test]
fn a_peak_is_of_the_moment_when_it_was_reached_first() {
    let mut judge = judge();
    run(&mut judge, &[(20, 860)]);
    judge.judge(&Sample { limit: limit(1_010), ..sample(20, 860) });
    let peak = judge.episode().map(|episode| episode.peak);
    assert_eq!(peak, Some(Peak { used: Bytes::new(860), utilization: Some(0.86) }));
}

#[test]
fn a_long_episode_is_compared_with_what_was_before_it() {
    let with = |second, heap, external| Sample {
        allocator: Some(crate::Allocator { allocated: Bytes::new(heap), ..crate::Allocator::default() }),
        external: Bytes::new(external),
        ..sample(second, heap + external)
    };
    let mut judge = judge();
    judge.judge(&with(0, 100, 0));
    // For two hours elevated, most of the time below its line.
    for second in 1..7_200 {
        judge.judge(&with(second, if second < 60 { 760 } else { 720 }, 0));
    }
    let causes: Vec<_> = judge.judge(&with(7_200, 720, 240)).iter().map(|transition| transition.cause).collect();
    assert_eq!(causes, [Cause::Heap]);
}

#[test]
fn what_comes_next_matters_where_a_line_is_exceeded_or_a_level_raised() {
    let mut judge = judge();
    let mut after = |second, used| {
        judge.judge(&sample(second, used));
        (judge.is_alert(), judge.level())
    };
    assert_eq!(after(0, 740), (false, Level::Normal));
    assert_eq!(after(1, 750), (true, Level::Normal), "its hold goes on");
    assert_eq!(after(31, 750), (true, Level::Elevated));
    assert_eq!(after(32, 740), (true, Level::Elevated), "below its line");
    assert_eq!(after(33, 100), (true, Level::Elevated));
    assert_eq!(after(93, 100), (false, Level::Normal));
}

#[test]
fn a_kill_that_comes_with_the_crossing_belongs_to_the_episode() {
    let with_kills = |second, used, kills| {
        let events = CgroupEvents { oom_kills: Some(kills), ..CgroupEvents::default() };
        Sample { cgroup: Some(Cgroup { id: 7, events, ..Cgroup::default() }), ..sample(second, used) }
    };
    let mut judge = judge();
    judge.judge(&with_kills(0, 100, 0));
    let told: Vec<_> = judge.judge(&with_kills(1, 960, 1)).iter().map(|t| (line(t), t.level)).collect();
    let expected = ["1 begun critical since 1 held", "1 killed 1"].map(|text| (text.to_string(), Level::Critical));
    assert_eq!(told, expected);
}
