//! Climbs that skip holds.

use super::*;

/// Judges `(milliseconds, used)` in turn.
fn judged(judge: &mut Judge, samples: &[(u64, u64)]) -> Vec<String> {
    let at = |millis| SinceStart::new(Duration::from_millis(millis));
    let told = samples.iter().flat_map(|(millis, used)| {
        judge.judge(&Sample { at: at(*millis), ..sample(0, *used) }).iter().copied().collect::<Vec<_>>()
    });
    told.map(|transition| line(&transition)).collect()
}

#[test]
fn a_climb_that_would_reach_the_next_level_within_the_hold_enters_at_once() {
    // From 760 at 4 a second high is 22 s away, less than elevated's hold of 30 s.
    let climb = [(0, 752), (1_000, 756), (2_000, 760)];
    assert_eq!(judged(&mut judge(), &climb), ["2 begun elevated since 0 steep"]);
    // At 2 a second it is 46 s away.
    assert_eq!(judged(&mut judge(), &[(0, 754), (1_000, 756), (2_000, 758)]), [""; 0]);
}

#[test]
fn each_level_is_measured_by_its_own_hold_and_the_next_line() {
    // From 870 at 8 a second critical is 10 s away: as long as high's hold. At 7 a second only elevated is entered.
    let climb = |rise: u64| [(0, 870 - 2 * rise), (1_000, 870 - rise), (2_000, 870)];
    assert_eq!(judged(&mut judge(), &climb(8)), ["2 begun high since 0 steep"]);
    assert_eq!(judged(&mut judge(), &climb(7)), ["2 begun elevated since 0 steep"]);
}

#[test]
fn one_jump_that_stays_is_a_step_and_waits_for_the_hold() {
    let stays = [(0, 100), (1_000, 760), (2_000, 760), (3_000, 761), (30_000, 761), (31_000, 761)];
    assert_eq!(judged(&mut judge(), &stays), ["31 begun elevated since 1 held"]);
}

#[test]
fn a_climb_over_several_lines_enters_those_whose_next_is_near() {
    // At 60 a second critical is 0.7 s away from 910.
    let climb = [(0, 790), (1_000, 850), (2_000, 910), (3_000, 970)];
    assert_eq!(judged(&mut judge(), &climb), ["2 begun high since 1 steep", "3 high -> critical since 3 held"]);
}

#[test]
fn of_the_highest_level_the_next_line_is_the_limit() {
    let mut rules = Rules::default();
    rules.holds.critical = Duration::from_secs(5);
    let mut judge = Judge::new(rules);
    let climb = [(0, 940), (1_000, 950), (2_000, 960)];
    assert_eq!(judged(&mut judge, &climb), ["2 begun critical since 1 steep"]);
}

#[test]
fn with_steep_off_a_climb_waits_for_the_hold() {
    let mut judge = Judge::new(Rules { steep: false, ..Rules::default() });
    assert_eq!(judged(&mut judge, &[(0, 770), (1_000, 800), (2_000, 840)]), [""; 0]);
}

#[test]
fn another_limit_that_comes_to_bind_is_no_climb() {
    let other = |second, used| Sample {
        limit: Some(Limit { bytes: Bytes::new(LIMIT), source: LimitSource::Cgroup, scope: 8 }),
        ..sample(second, used)
    };
    let mut judge = judge();
    assert_eq!(judge.judge(&sample(0, 700)).iter().count(), 0);
    assert_eq!(judge.judge(&sample(1, 740)).iter().count(), 0);
    assert_eq!(judge.judge(&other(2, 780)).iter().count(), 0, "the use of another directory");
    assert_eq!(judge.judge(&other(3, 820)).iter().count(), 0, "one rise so far");
    assert_eq!(judge.judge(&other(4, 840)).iter().count(), 1);
}

#[test]
fn what_crept_above_two_lines_waits_for_its_holds() {
    let mut judge = judge();
    let told = [860, 861, 862, 863]
        .into_iter()
        .enumerate()
        .flat_map(|(second, used)| judge.judge(&sample(second as u64, used)).iter().copied().collect::<Vec<_>>());
    assert_eq!(told.count(), 0, "critical is far away at this rate");
}
