use std::time::Duration;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{Allocator, Cgroup, LimitSource, Process};

const LIMIT: u64 = 1000;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// As far apart as two samples are here.
const STEP: u64 = 10;

fn limit(bytes: u64) -> Option<Limit> {
    Some(Limit { bytes: Bytes::new(bytes), source: LimitSource::Cgroup, scope: 1 })
}

/// A detector that takes what `used` says of each moment until `end`, and tells when and what it found.
fn told(end: u64, used: impl Fn(u64) -> u64) -> Vec<(u64, Growth)> {
    told_of(end, |seconds| Sample { used: Some(Bytes::new(used(seconds))), limit: limit(LIMIT), ..Sample::default() })
}

fn told_of(end: u64, sample: impl Fn(u64) -> Sample) -> Vec<(u64, Growth)> {
    let mut detector = Detector::new(&Windows::default());
    (0..end)
        .step_by(STEP as usize)
        .filter_map(|seconds| {
            let sample = Sample { at: SinceStart::from_secs(seconds), ..sample(seconds) };
            Some((seconds, detector.observe(&sample, sample.used?, Duration::from_secs(15 * MINUTE))?))
        })
        .collect()
}

fn paces(told: &[(u64, Growth)]) -> Vec<Pace> {
    told.iter().map(|(_, growth)| growth.pace).collect()
}

/// From 300 to the limit in so many seconds.
fn leak(over: u64) -> impl Fn(u64) -> u64 {
    move |seconds| 300 + 700 * seconds / over
}

#[test]
fn each_window_tells_the_leaks_of_its_length_once_and_in_time() {
    for (hours, pace) in [(1, Pace::Ramp), (2, Pace::Fast), (6, Pace::Slow), (24, Pace::Slow)] {
        let told = told(hours * HOUR, leak(hours * HOUR));
        assert_eq!(paces(&told), [pace], "{hours} h");
        let used = leak(hours * HOUR)(told[0].0);
        assert!(used < 900, "{hours} h: told at {used}");
    }
}

#[test]
fn growth_goes_on_from_when_it_is_told_until_it_is_given_back() {
    let mut detector = Detector::new(&Windows::default());
    let mut observe = |seconds: u64, used: u64| {
        let at = SinceStart::from_secs(seconds);
        let sample = Sample { at, used: Some(Bytes::new(used)), limit: limit(LIMIT), ..Sample::default() };
        let told = detector.observe(&sample, Bytes::new(used), Duration::from_secs(15 * MINUTE)).is_some();
        (told, detector.goes_on(), detector.warm_up_left(at).as_secs())
    };
    let mut told_at = None;
    for seconds in (0..2 * HOUR).step_by(STEP as usize) {
        let (told, goes_on, warm_up) = observe(seconds, leak(2 * HOUR)(seconds));
        told_at = told_at.or(told.then_some(seconds));
        assert_eq!(goes_on, told_at.is_some(), "at {seconds} s");
        assert_eq!(warm_up, (30 * MINUTE).saturating_sub(seconds));
    }
    assert!(told_at.is_some());
    let goes_on = (2 * HOUR..3 * HOUR).step_by(STEP as usize).map(|seconds| observe(seconds, 300).1).last();
    assert_eq!(goes_on, Some(false), "it was given back");
}

#[test]
fn slope_span_and_forecast_are_those_of_the_leak() {
    let told = told(12 * HOUR, leak(12 * HOUR));
    let [(at, growth)] = told[..] else { panic!("told {} times", told.len()) };
    let slope = 700.0 / (12 * HOUR) as f64;
    assert!((growth.slope / slope - 1.0).abs() < 0.05, "{growth:?}");
    assert!(growth.span > Duration::from_secs(2 * HOUR) && growth.span <= Duration::from_secs(6 * HOUR), "{growth:?}");
    let left = Duration::from_secs(12 * HOUR - at);
    let forecast = growth.time_to_limit.unwrap();
    assert!((forecast.earliest..=forecast.latest).contains(&left), "{left:?} in {forecast:?}");
}

#[test]
fn what_does_not_grow_on_is_not_told() {
    let sawtooth = |seconds: u64| 300 + 450 * (seconds % (2 * HOUR)) / (2 * HOUR);
    let step = |seconds: u64| if seconds < 5 * HOUR { 300 } else { 850 };
    let two_steps = |seconds: u64| 300 + 275 * (seconds / (3 * HOUR)).min(2);
    let warm_up = |seconds: u64| 800 - (700.0 * (-(seconds as f64) / 5400.0).exp()) as u64;
    let burst = |seconds: u64| if seconds / HOUR == 5 { 300 + 550 * (seconds % HOUR) / HOUR } else { 300 };
    assert_eq!(told(24 * HOUR, |_| 880), []);
    assert_eq!(told(24 * HOUR, sawtooth), []);
    assert_eq!(told(24 * HOUR, step), []);
    assert_eq!(told(24 * HOUR, two_steps), []);
    assert_eq!(told(24 * HOUR, warm_up), []);
    assert_eq!(told(6 * HOUR - 30 * MINUTE, burst), []);
}

#[test]
fn what_was_held_before_is_not_news() {
    let plateau = |seconds: u64| match seconds / HOUR {
        2..4 => 840,
        0..8 => 300,
        _ => leak(6 * HOUR)(seconds - 8 * HOUR).min(840),
    };
    assert_eq!(told(24 * HOUR, plateau), []);
}

#[test]
fn a_rise_of_less_than_six_points_is_noise_also_near_the_limit() {
    let near = |by: u64| told(7 * HOUR, move |seconds| 920 + by * seconds / (7 * HOUR));
    assert_eq!(near(55), []);
    assert_eq!(paces(&near(75)), [Pace::Slow]);
}

#[test]
fn most_of_the_rise_must_be_new() {
    let after = |height: u64| {
        told(14 * HOUR, move |seconds| match seconds / HOUR {
            2..4 => height,
            0..8 => 300,
            _ => leak(6 * HOUR)(seconds - 8 * HOUR),
        })[0]
            .0
    };
    assert_eq!(after(400), after(300), "more than half of it is new");
    assert!(after(650) > after(300), "less is");
}

#[test]
fn growth_is_looked_for_from_72_percent_of_the_limit() {
    let until = |height: u64| told(12 * HOUR, move |seconds| leak(12 * HOUR)(seconds).min(height));
    assert_eq!(until(719), []);
    assert_eq!(paces(&until(720)), [Pace::Slow]);
}

#[test]
fn once_more_as_much_and_a_seventh_must_reach_the_limit() {
    // From 500, a rise of 267 leaves room for 233.
    let until = |height: u64| {
        told(8 * HOUR, move |seconds| 500 + (300 * seconds.saturating_sub(HOUR) / (6 * HOUR)).min(height - 500))
    };
    assert_eq!(until(760), []);
    assert_eq!(paces(&until(775)), [Pace::Slow]);
}

#[test]
fn a_burst_of_hours_ago_takes_no_room() {
    // Over within a slice, which leaves no trace in the floor.
    let burst = |seconds: u64| seconds / MINUTE == 130;
    let told = told(8 * HOUR, |seconds| if burst(seconds) { 950 } else { 300 + 100 * seconds / (6 * HOUR) });
    assert_eq!(told, []);
}

#[test]
fn growth_of_which_a_third_comes_at_once_is_a_step() {
    // 125 in three hours, 170 at once and 205 in three hours more: never far from the line.
    let used = |by: u64| {
        move |seconds: u64| match seconds.saturating_sub(HOUR) {
            early @ ..10_800 => 300 + (125 + 170 - by) * early / (3 * HOUR),
            late => 595 + 205 * (late - 3 * HOUR) / (3 * HOUR),
        }
    };
    assert_eq!(told(7 * HOUR, used(170)), []);
    assert_eq!(paces(&told(7 * HOUR, used(100))), [Pace::Slow]);
}

#[test]
fn growth_that_begins_late_is_told_over_the_span_in_which_it_grows() {
    let told = told(15 * HOUR, |seconds| 300 + 160 * seconds.saturating_sub(12 * HOUR) / HOUR);
    let [(_, growth)] = told[..] else { panic!("told {} times", told.len()) };
    assert_eq!(growth.pace, Pace::Slow);
    assert!(growth.span < Duration::from_secs(4 * HOUR), "{growth:?}");
}

/// What became of a rise from 1000 to 1400 over twelve slices of a second, told `seconds` ago; use is what `used` says of
/// each slice.
fn became(seconds: u64, used: impl Fn(u64) -> u64) -> Since {
    let second = Duration::from_secs;
    let mut window = Window::new(Pace::Ramp, second(SLICES as u64), second(96));
    for at in 0..=SLICES as u64 {
        window.observe(SinceStart::from_secs(at), Bytes::new(used(at)), Parts::of(&Sample::default()), true);
    }
    let rise = Rise { from: Bytes::new(1000), to: Bytes::new(1400), span: second(12), cause: Cause::Unknown };
    window.follow(&rise, second(seconds))
}

#[test]
fn growth_is_given_back_once_less_than_half_of_it_is_held() {
    assert_eq!(became(1, |_| 1200), Since::GoesOn);
    assert_eq!(became(1, |_| 1199), Since::GivenBack);
}

#[test]
fn growth_stops_where_a_span_as_long_brings_less_than_a_quarter_of_it() {
    let more = |by: u64| move |at: u64| if at < 23 { 1400 } else { 1400 + by };
    assert_eq!(became(12, more(99)), Since::Stopped);
    assert_eq!(became(12, more(100)), Since::GoesOn);
    assert_eq!(became(11, more(0)), Since::GoesOn, "the span is not over");
}

#[test]
fn growth_that_went_away_and_comes_back_is_told_again() {
    let paused = |seconds: u64| match seconds / HOUR {
        0..8 => 1300 + 2700 * seconds / (8 * HOUR),
        8..20 => 4000,
        _ => 4000 + 5000 * (seconds - 20 * HOUR) / (8 * HOUR),
    };
    let resized = |seconds: u64| Sample {
        used: Some(Bytes::new(paused(seconds))),
        limit: limit(if seconds < 14 * HOUR { 5000 } else { 10_000 }),
        ..Sample::default()
    };
    let told = told_of(28 * HOUR, resized);
    let hours: Vec<u64> = told.iter().map(|(at, _)| at / HOUR).collect();
    assert!(matches!(hours[..], [0..8, 20..28]), "{hours:?}");
}

#[test]
fn growth_that_goes_on_after_a_long_pause_is_told_again() {
    // Told at 750, and on to 830; flat for 30 h; and on again.
    let paused = |seconds: u64| match seconds / HOUR {
        0..10 => 300 + 530 * seconds / (10 * HOUR),
        10..40 => 830,
        _ => 830 + 160 * (seconds - 40 * HOUR) / (4 * HOUR),
    };
    let hours: Vec<u64> = told(44 * HOUR, paused).iter().map(|(at, _)| at / HOUR).collect();
    assert!(matches!(hours[..], [0..10, 40..44]), "{hours:?}");
}

#[test]
fn growth_that_was_given_back_is_told_again_as_early_as_the_first_time() {
    let again = |seconds: u64| 300 + 550 * (seconds % (8 * HOUR)) / (8 * HOUR);
    let told = told(16 * HOUR, again);
    let used: Vec<u64> = told.iter().map(|(at, _)| again(*at)).collect();
    assert!(matches!(used[..], [700..800, 700..800]), "{used:?}");
}

#[test]
fn a_height_of_long_ago_is_news_again() {
    let plateau = |seconds: u64| match seconds / HOUR {
        2..4 => 840,
        0..36 => 300,
        _ => leak(6 * HOUR)(seconds - 36 * HOUR),
    };
    let told = told(42 * HOUR, plateau);
    assert!(told.len() == 1 && plateau(told[0].0) < 800, "{told:?}");
}

#[test]
fn samples_that_are_rarer_than_slices_still_tell() {
    let mut detector = Detector::new(&Windows::default());
    let found = (0..120).find_map(|minute| {
        let used = Bytes::new(leak(2 * HOUR)(minute * MINUTE));
        let at = SinceStart::from_secs(minute * MINUTE);
        let sample = Sample { at, used: Some(used), limit: limit(LIMIT), ..Sample::default() };
        detector.observe(&sample, used, Duration::ZERO).map(|growth| (growth.pace, used.get()))
    });
    // Slices of the shortest window last 50 s: every sixth is empty.
    assert!(matches!(found, Some((Pace::Fast | Pace::Ramp, ..900))), "{found:?}");
}

#[test]
fn what_is_over_when_it_is_judged_is_not_told() {
    let told_at = told(12 * HOUR, leak(12 * HOUR))[0].0;
    assert_eq!(told(12 * HOUR, |seconds| if seconds < told_at { leak(12 * HOUR)(seconds) } else { 300 }), []);
}

#[test]
fn growth_that_holds_for_fewer_slices_than_are_asked_is_not_told() {
    // Three slices of the fast window are seven and a half minutes; a leak of two hours passes 72 % and stops. The slow
    // window does not count as new what was held before.
    let until = |height: u64| {
        told(4 * HOUR, move |seconds| match seconds / HOUR {
            0..2 => 500,
            _ => leak(2 * HOUR)(seconds - 2 * HOUR).min(height),
        })
    };
    assert_eq!(until(721), [], "two slices");
    assert_eq!(paces(&until(735)), [Pace::Fast], "three");
}

#[test]
fn growth_that_comes_back_too_soon_is_not_told() {
    let seconds = Duration::from_secs;
    let windows = Windows { slow: seconds(120), fast: seconds(48), ramp: seconds(24), warm_up: Duration::ZERO };
    let mut detector = Detector::new(&windows);
    let told: Vec<u64> = (0..3600)
        .filter(|at| {
            // A leak of a hundred seconds, given back each time.
            let used = Bytes::new(300 + 6 * (at % 100));
            let at = SinceStart::from_secs(*at);
            let sample = Sample { at, used: Some(used), limit: limit(LIMIT), ..Sample::default() };
            detector.observe(&sample, used, seconds(900)).is_some()
        })
        .collect();
    assert!(told.len() == 4 && told.is_sorted_by(|one, other| other - one >= 900), "{told:?}");
}

#[test]
fn a_forecast_reaches_no_further_ahead_than_its_window_allows() {
    let forecast = |rate: u64, hours: u64| {
        let mut judge = crate::Judge::new(crate::Rules::default());
        for minute in 0..hours * 60 {
            let used = Some(Bytes::new(100_000 + rate * minute));
            let limit = limit(1_000_000);
            judge.judge(&Sample { at: SinceStart::from_secs(minute * MINUTE), used, limit, ..Sample::default() });
        }
        judge.time_to_limit().map(|forecast| forecast.likely.as_secs() / HOUR)
    };
    assert_eq!(forecast(2_000, 2), Some(5), "more than the fast window reaches, and the slow one knows enough");
    assert_eq!(forecast(5_000, 1), None, "an hour and a half of the fast window, less than it knows");
    assert_eq!(forecast(600, 8), Some(17), "within four times the slow window");
    assert_eq!(forecast(400, 8), None, "beyond");
}

#[test]
fn a_small_process_without_a_limit_and_a_limit_of_nothing_are_no_alarm() {
    let small = |limit: Option<Limit>| {
        told_of(12 * HOUR, move |seconds| Sample {
            used: Some(Bytes::new(Bytes::mib(2).get() + (seconds << 20) / (4 * HOUR))),
            limit,
            ..Sample::default()
        })
    };
    assert_eq!((small(None), small(limit(0))), (Vec::new(), Vec::new()));
}

#[test]
fn a_sample_without_use_leaves_no_slope_and_no_forecast() {
    let mut judge = crate::Judge::new(crate::Rules::default());
    for minute in 0..180 {
        let used = Some(Bytes::new(leak(6 * HOUR)(minute * MINUTE)));
        judge.judge(&Sample {
            at: SinceStart::from_secs(minute * MINUTE),
            used,
            limit: limit(LIMIT),
            ..Sample::default()
        });
    }
    assert!(judge.slope().is_some() && judge.time_to_limit().is_some());
    judge.judge(&Sample { at: SinceStart::from_secs(3 * HOUR), limit: limit(LIMIT), ..Sample::default() });
    assert_eq!((judge.slope(), judge.time_to_limit()), (None, None));
}

#[test]
fn a_warm_up_is_not_judged() {
    let told = told(HOUR, |seconds| 100 + 850 * seconds.min(30 * MINUTE) / (30 * MINUTE));
    assert_eq!(told, []);
}

#[test]
fn samples_that_are_missing_unevenly_apart_or_an_hour_late_change_nothing() {
    let leaking = leak(12 * HOUR);
    let asleep = |seconds: u64| (4 * HOUR..5 * HOUR).contains(&seconds);
    let sparse = |seconds: u64| !(seconds / STEP).is_multiple_of(7) && (seconds / STEP) % 60 < 31;
    let sample = |seconds: u64| Sample {
        used: (sparse(seconds) && !asleep(seconds)).then(|| Bytes::new(leaking(seconds))),
        limit: limit(LIMIT),
        ..Sample::default()
    };
    let told = told_of(12 * HOUR, sample);
    assert_eq!(paces(&told), [Pace::Slow]);
    assert!(leaking(told[0].0) < 850, "{told:?}");
}

#[test]
fn a_larger_limit_gives_more_time_and_a_smaller_one_less() {
    let under = |after: u64| {
        let sample = move |seconds: u64| Sample {
            used: Some(Bytes::new(leak(12 * HOUR)(seconds))),
            limit: limit(if seconds < 3 * HOUR { LIMIT } else { after }),
            ..Sample::default()
        };
        told_of(12 * HOUR, sample).first().map(|(at, _)| *at)
    };
    let (smaller, same, larger) = (under(850).unwrap(), under(LIMIT).unwrap(), under(2 * LIMIT));
    assert!(smaller < same, "{smaller} {same}");
    assert_eq!(larger, None);
}

/// Use that leaks, under the limit of one of two cgroups; the other's use is another one.
fn bound_in_turn(second: impl Fn(u64) -> bool) -> Vec<(u64, Growth)> {
    told_of(16 * HOUR, |seconds| {
        let leaked = leak(16 * HOUR)(seconds);
        let (scope, used) = if second(seconds) { (2, leaked / 2 + 400) } else { (1, leaked) };
        let limit = limit(LIMIT).map(|limit| Limit { scope, ..limit });
        Sample { used: Some(Bytes::new(used)), limit, ..Sample::default() }
    })
}

#[test]
fn another_scope_that_stays_begins_anew() {
    let always = bound_in_turn(|_| false)[0].0;
    let moved = bound_in_turn(|seconds| seconds > always - HOUR);
    assert!(moved.iter().all(|(at, _)| *at > always + HOUR), "{moved:?}");
}

#[test]
fn a_scope_is_left_once_another_has_bound_for_so_long() {
    let mut scope = Scope::default();
    let mut follow = |at: u64, scope_now: u64| {
        let limit = limit(LIMIT).map(|limit| Limit { scope: scope_now, ..limit });
        let sample = Sample { at: SinceStart::from_secs(at), limit, ..Sample::default() };
        scope.follow(&sample, Duration::from_secs(60))
    };
    assert!(follow(0, 1) == Followed::Yes);
    assert!(follow(59, 2) == Followed::No);
    assert!(follow(60, 2) == Followed::Anew);
    assert!(follow(61, 2) == Followed::Yes);
}

#[test]
fn two_scopes_that_bind_in_turn_do_not_hide_growth() {
    let always = bound_in_turn(|_| false);
    assert_eq!(paces(&always), [Pace::Slow]);
    let in_turn = bound_in_turn(|seconds| !(seconds / STEP).is_multiple_of(2));
    assert_eq!(paces(&in_turn), [Pace::Slow]);
    assert!(in_turn[0].0 <= always[0].0 + HOUR, "{in_turn:?}");
}

#[test]
fn without_a_limit_growth_by_half_is_told_without_a_time() {
    let leaking =
        |seconds: u64| Sample { used: Some(Bytes::kib((300 << 10) + (seconds << 10) / 60)), ..Sample::default() };
    let told = told_of(24 * HOUR, leaking);
    assert_eq!(paces(&told), [Pace::Slow]);
    assert_eq!(told[0].1.time_to_limit, None);
}

#[test]
fn the_part_that_grows_is_named_whatever_the_others_do() {
    let busy = |seconds: u64| 200 * (seconds % (20 * MINUTE)) / (20 * MINUTE);
    let leaked = |seconds: u64| 600 * seconds / (12 * HOUR);
    let with = |heap: u64, region: u64, own: u64, all: u64| Sample {
        used: Some(Bytes::new(all)),
        limit: limit(LIMIT),
        allocator: Some(Allocator { allocated: Bytes::new(heap), resident: Bytes::new(heap), ..Allocator::default() }),
        process: Process { anon: Some(Bytes::new(own)), ..Process::default() },
        cgroup: Some(Cgroup { anon: Some(Bytes::new(all)), ..Cgroup::default() }),
        external: Bytes::new(region),
        ..Sample::default()
    };
    let cause = |sample: &dyn Fn(u64) -> Sample| told_of(12 * HOUR, sample)[0].1.cause;
    let base = 200;
    assert_eq!(
        cause(&|t| with(base + leaked(t), busy(t), base + leaked(t) + busy(t), base + leaked(t) + busy(t))),
        Cause::Heap
    );
    assert_eq!(
        cause(&|t| with(base + busy(t), leaked(t), base + leaked(t) + busy(t), base + leaked(t) + busy(t))),
        Cause::External
    );
    assert_eq!(
        cause(&|t| with(base + busy(t), 0, base + leaked(t) + busy(t), base + leaked(t) + busy(t))),
        Cause::Unattributed
    );
    assert_eq!(cause(&|t| with(base + busy(t), 0, base + busy(t), base + leaked(t) + busy(t))), Cause::OtherProcess);
}

#[test]
fn windows_of_minutes_tell_a_leak_of_minutes() {
    let minutes = |minutes| Duration::from_secs(minutes * MINUTE);
    let windows = Windows { slow: minutes(12), fast: minutes(4), ramp: minutes(1), warm_up: minutes(1) };
    let mut detector = Detector::new(&windows);
    let found = (0..1200).find_map(|seconds| {
        let used = Bytes::new(leak(1200)(seconds));
        let sample =
            Sample { at: SinceStart::from_secs(seconds), used: Some(used), limit: limit(LIMIT), ..Sample::default() };
        detector.observe(&sample, used, minutes(1)).map(|_| used)
    });
    assert!(found.is_some_and(|used| used < Bytes::new(850)), "{found:?}");
}

#[test]
fn the_state_is_small() {
    // Three windows of 24 slices, each with the least of eight parts.
    assert!(size_of::<crate::Judge>() <= 16 << 10, "{}", size_of::<crate::Judge>());
}

proptest! {
    #[test]
    fn growth_is_told_at_most_once_in_so_long(
        steps in prop::collection::vec(
            (1u64..900, prop::option::weighted(0.9, 0u64..2000), 500u64..2000, prop_oneof![30 => Just(1), 1 => Just(2)]),
            1..500,
        ),
    ) {
        let windows = Windows { slow: Duration::from_secs(3600), fast: Duration::from_secs(300), ramp: Duration::from_secs(30), warm_up: Duration::ZERO };
        let (mut detector, mut at, mut last) = (Detector::new(&windows), 0, None::<u64>);
        for (gap, used, bytes, scope) in steps {
            at += gap;
            let Some(used) = used.map(Bytes::new) else { continue };
            let limit = limit(bytes).map(|limit| Limit { scope, ..limit });
            let sample = Sample { at: SinceStart::from_secs(at), used: Some(used), limit, ..Sample::default() };
            if let Some(growth) = detector.observe(&sample, used, Duration::from_secs(900)) {
                prop_assert!(last.is_none_or(|last| at - last >= 900));
                prop_assert!(growth.slope.is_finite() && growth.slope > 0.0);
                last = Some(at);
            }
            let _ = detector.slope();
            if let Some(forecast) = detector.forecast(sample.limit.unwrap()) {
                prop_assert!(forecast.earliest <= forecast.likely && forecast.likely <= forecast.latest);
            }
        }
    }

    #[test]
    fn a_process_that_only_shrinks_never_grows(drops in prop::collection::vec(0u64..3, 100..2000)) {
        let mut detector = Detector::new(&Windows::default());
        let mut used = 100_000_u64;
        for (index, drop) in drops.into_iter().enumerate() {
            used -= drop;
            let sample = Sample {
                at: SinceStart::from_secs(index as u64 * 60), used: Some(Bytes::new(used)), limit: limit(100_000), ..Sample::default()
            };
            prop_assert_eq!(detector.observe(&sample, Bytes::new(used), Duration::ZERO), None);
        }
    }
}
