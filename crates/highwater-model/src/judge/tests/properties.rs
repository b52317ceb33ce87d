//! What holds for any input: uneven spacing, gaps of hours, unknown values, limits that come, go and change, kernel counts.

use std::iter::repeat_n;

use proptest::prelude::*;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// One sample: how long after the one before, in milliseconds, and what it says.
#[derive(Clone, Copy, Debug)]
struct Step {
    gap: u64,
    used: Option<u64>,
    limit: Option<u64>,
    failed: bool,
    kills: u64,
}

/// From one sample to the next: as the agent polls, as a slow one does, and a host that sleeps.
fn gaps() -> impl Strategy<Value = u64> {
    prop_oneof![20 => 5u64..1_000, 20 => 1_000u64..10_000, 20 => 10_000u64..100_000, 1 => 0u64..20_000_000]
}

/// Anything at all.
fn anything() -> impl Strategy<Value = Step> {
    let used = proptest::option::weighted(0.95, prop_oneof![9 => 0u64..1200, 1 => any::<u64>()]);
    let limits = prop_oneof![20 => Just(Some(LIMIT)), 1 => (1u64..2000).prop_map(Some), 1 => Just(None)];
    (gaps(), used, limits, any::<bool>(), prop_oneof![3 => Just(0), 1 => any::<u64>()])
        .prop_map(|(gap, used, limit, failed, kills)| Step { gap, used, limit, failed, kills })
}

/// Any level at will, at once: a limit that changes under an unchanged use skips all holds.
fn any_level() -> impl Strategy<Value = Step> {
    let limits = prop_oneof![Just(2000u64), Just(1000), Just(920), Just(810)].prop_map(Some);
    (prop_oneof![1u64..2_000, 1_000u64..100_000], limits, 0u64..2).prop_map(|(gap, limit, kills)| Step {
        gap,
        used: Some(800),
        limit,
        failed: false,
        kills,
    })
}

fn shapes() -> impl Strategy<Value = Vec<Step>> {
    let of = |steps: BoxedStrategy<Step>| prop::collection::vec(steps, 1..500);
    prop_oneof![of(anything().boxed()), of(any_level().boxed())]
}

/// The default rules, or levels that need no limit.
fn any_rules() -> impl Strategy<Value = Rules> {
    let amounts = [500, 800, 900].map(|amount| Threshold::Amount(Bytes::new(amount)));
    let amounts = Levels::try_new(amounts[0], amounts[1], amounts[2]).unwrap();
    prop_oneof![Just(Levels::default()), Just(amounts)].prop_map(|levels| Rules { levels, ..Rules::default() })
}

/// Feeds a judge; returns what it told, the level after each sample, and when the last one was.
fn feed(judge: &mut Judge, shape: &[Step], lift: u64) -> (Vec<Transition>, Vec<Level>, SinceStart) {
    let (mut at, mut oom, mut oom_kills) = (SinceStart::default(), 0, 0u64);
    let (mut told, mut levels) = (Vec::new(), Vec::new());
    for step in shape {
        at = at.after(Duration::from_millis(step.gap));
        oom += u64::from(step.failed && lift == 0);
        oom_kills = oom_kills.wrapping_add(step.kills);
        let events = CgroupEvents { oom: Some(oom), oom_kills: Some(oom_kills), ..CgroupEvents::default() };
        let sample = Sample {
            at,
            used: step.used.map(|used| Bytes::new(used.saturating_add(lift))),
            limit: step.limit.and_then(limit),
            cgroup: Some(Cgroup { id: 1, events, ..Cgroup::default() }),
            ..Sample::default()
        };
        told.extend(judge.judge(&sample).iter().copied());
        levels.push(judge.level());
    }
    (told, levels, at)
}

/// The most of these within any hour.
fn most_an_hour(told: &[Transition], of: impl Fn(&Transition) -> bool) -> usize {
    let at: Vec<_> = told.iter().filter(|transition| of(transition)).map(|transition| transition.at).collect();
    let within = |first: &SinceStart| at.iter().filter(|at| *at >= first && at.since(*first) < HOUR).count();
    at.iter().map(within).max().unwrap_or_default()
}

proptest! {
    #[test]
    fn episodes_open_and_close_in_turn(rules in any_rules(), shape in shapes()) {
        let mut judge = Judge::new(rules);
        let (told, _, end) = feed(&mut judge, &shape, 0);
        let (mut open, mut number, mut split) = (None, 0, None);
        for transition in &told {
            match transition.change {
                Change::Begun(episode) => {
                    prop_assert!(open.is_none());
                    number += 1;
                    prop_assert_eq!(episode.number, number);
                    prop_assert_eq!(episode.previous, split.take().map(|(_, number)| number));
                    open = Some(episode.number);
                }
                Change::Changed(episode, _) | Change::Again(episode) => prop_assert_eq!(open, Some(episode.number)),
                Change::Ended(episode, _) => {
                    prop_assert_eq!(open.take(), Some(episode.number));
                    split = (transition.reason == Reason::Split).then_some((episode.until, episode.number));
                }
                Change::OomKill(_) | Change::Growth(_) => {}
            }
            prop_assert!(split.is_none() || open.is_none());
        }
        prop_assert!(split.is_none(), "the second half of a split begins at once");
        prop_assert_eq!(judge.episode().map(|episode| episode.number), open);
        prop_assert!(open.is_some() || judge.level() == Level::Normal);
        prop_assert_eq!(judge.shut_down(end).is_some(), open.is_some());
        prop_assert_eq!((judge.shut_down(end), judge.episode(), judge.level()), (None, None, Level::Normal));
    }

    #[test]
    fn the_stays_of_an_episode_follow_one_another_and_fill_it(rules in any_rules(), shape in shapes()) {
        let mut judge = Judge::new(rules);
        let (mut told, _, end) = feed(&mut judge, &shape, 0);
        told.extend(judge.shut_down(end));
        let (mut next, mut level, mut half) = (SinceStart::default(), Level::Normal, None);
        let mut flapped = false;
        for transition in &told {
            flapped |= transition.reason == Reason::Flapping;
            match transition.change {
                Change::Begun(episode) => {
                    prop_assert!(half.take().is_none_or(|until| until == episode.began), "halves without a gap");
                    (next, level) = (episode.began, episode.level);
                }
                Change::Changed(episode, stay) | Change::Ended(episode, stay) => {
                    prop_assert_eq!((stay.from, stay.level), (next, level));
                    prop_assert!(stay.to >= stay.from && stay.to <= transition.at);
                    prop_assert_eq!(episode.until, stay.to);
                    (next, level) = (stay.to, episode.level);
                    let raised = episode.time_at.iter().sum::<Duration>();
                    prop_assert!(raised <= episode.duration());
                    prop_assert!(raised == episode.duration() || flapped, "at normal only while it flaps");
                    half = (transition.reason == Reason::Split).then_some(episode.until);
                }
                Change::Again(episode) => {
                    prop_assert_eq!((episode.level, episode.until), (level, transition.at));
                }
                Change::OomKill(_) | Change::Growth(_) => {}
            }
        }
    }

    #[test]
    fn what_is_told_is_bounded(rules in any_rules(), shape in shapes()) {
        let (told, ..) = feed(&mut Judge::new(rules), &shape, 0);
        let split = |t: &Transition| t.reason == Reason::Split;
        let rose = |t: &Transition| match t.change {
            Change::Begun(_) => !split(t),
            Change::Changed(episode, stay) => episode.level > stay.level,
            _ => false,
        };
        let fell = |t: &Transition| matches!(t.change, Change::Changed(..) | Change::Ended(..)) && !rose(t) && !split(t);
        let again = |t: &Transition| matches!(t.change, Change::Again(_));
        let killed = |t: &Transition| matches!(t.change, Change::OomKill(_));
        let grew = |t: &Transition| matches!(t.change, Change::Growth(_));
        let most = [
            most_an_hour(&told, rose),
            most_an_hour(&told, fell),
            most_an_hour(&told, split),
            most_an_hour(&told, again),
            most_an_hour(&told, killed),
            most_an_hour(&told, grew),
        ];
        let bounds = [22, 42, 2, 60, 60, 4];
        prop_assert!(most.iter().zip(&bounds).all(|(most, bound)| most <= bound), "{most:?}");
        prop_assert_eq!(bounds.iter().sum::<usize>(), Judge::MOST_AN_HOUR);
        prop_assert!(most_an_hour(&told, |_| true) <= Judge::MOST_AN_HOUR);
    }

    #[test]
    fn all_that_is_entered_is_told_or_merged(rules in any_rules(), shape in shapes()) {
        let mut judge = Judge::new(rules);
        let (mut told, levels, end) = feed(&mut judge, &shape, 0);
        told.extend(judge.shut_down(end));
        let mut before = Level::Normal;
        let rises = levels.iter().filter(|level| **level > std::mem::replace(&mut before, **level)).count() as u64;
        let heard = told.iter().map(|transition| match transition.change {
            Change::Begun(_) => u64::from(transition.reason != Reason::Split),
            Change::Changed(episode, stay) => u64::from(episode.level > stay.level),
            Change::Ended(episode, _) => episode.merged,
            _ => 0,
        });
        prop_assert_eq!(heard.sum::<u64>(), rises);
        let counts = judge.counts();
        prop_assert_eq!(counts.entries.iter().sum::<u64>(), rises);
        let begun = |t: &&Transition| matches!(t.change, Change::Begun(_)) && t.reason != Reason::Split;
        prop_assert_eq!(counts.episodes, told.iter().filter(begun).count() as u64);
    }

    #[test]
    fn the_first_of_a_level_is_told_at_once(rules in any_rules(), shape in shapes()) {
        let mut judge = Judge::new(rules);
        let (told, levels, _) = feed(&mut judge, &shape, 0);
        let highest = levels.iter().max().copied().unwrap_or_default();
        let heard = told.iter().filter_map(|transition| match transition.change {
            Change::Begun(episode) | Change::Changed(episode, _) => Some(episode.level),
            _ => None,
        });
        prop_assert_eq!(heard.max().unwrap_or_default(), highest);
        if let Some(episode) = judge.episode() {
            prop_assert!(episode.level >= judge.level(), "no level is higher than the one that was told");
        }
    }

    #[test]
    fn raising_every_sample_never_lowers_the_level(
        shape in prop::collection::vec((0u64..40_000, 0u64..1200), 1..300),
        lift in 1u64..300,
    ) {
        let step = |(gap, used): &(u64, u64)| Step { gap: *gap, used: Some(*used), limit: Some(LIMIT), failed: false, kills: 0 };
        let shape: Vec<_> = shape.iter().map(step).collect();
        let levels = |lift| feed(&mut Judge::new(Rules { steep: false, ..Rules::default() }), &shape, lift).1;
        prop_assert!(levels(0).iter().zip(&levels(lift)).all(|(low, raised)| low <= raised));
    }

    #[test]
    fn a_climb_is_told_earlier_and_never_later(
        shape in prop::collection::vec((0u64..40_000, 0u64..1200), 1..300),
    ) {
        let step = |(gap, used): &(u64, u64)| Step { gap: *gap, used: Some(*used), limit: Some(LIMIT), failed: false, kills: 0 };
        let shape: Vec<_> = shape.iter().map(step).collect();
        let levels = |steep| feed(&mut Judge::new(Rules { steep, ..Rules::default() }), &shape, 0).1;
        prop_assert!(levels(false).iter().zip(&levels(true)).all(|(held, steep)| held <= steep));
    }

    #[test]
    fn below_all_lines_for_the_longest_hold_the_level_is_normal(
        shape in shapes(),
        gap in 100u64..10_000,
        below in 0u64..700,
    ) {
        let mut judge = judge();
        let calm = Step { gap, used: Some(below), limit: Some(LIMIT), failed: false, kills: 0 };
        let shape: Vec<_> = shape.iter().copied().chain(repeat_n(calm, 60_000_usize.div_ceil(gap as usize) + 1)).collect();
        feed(&mut judge, &shape, 0);
        prop_assert_eq!(judge.level(), Level::Normal);
    }
}
