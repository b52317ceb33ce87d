//! What happens too often and is counted instead of told.

use super::*;

/// A process that is at 96 % for `up` seconds and at 10 % for `down`, `times` over.
fn flaps(times: usize, up: u64, down: u64) -> Vec<(u64, u64)> {
    std::iter::repeat_n([(up, 960), (down, 100)], times).flatten().collect()
}

/// What is told of shapes one after the other, heartbeats left out.
fn told(judge: &mut Judge, shapes: &[&[(u64, u64)]]) -> Vec<String> {
    run(judge, &shapes.concat()).into_iter().filter(|line| !line.ends_with("heartbeat")).collect()
}

#[test]
fn the_sixth_episode_of_an_hour_flaps_and_counts_instead_of_telling() {
    let mut judge = judge();
    let told = told(&mut judge, &[&flaps(10, 60, 340), &[(4_000, 100)]]);
    assert_eq!(told.len(), 5 * 3 + 2, "{told:#?}");
    assert_eq!(told[15], "2000 begun critical since 2000 flapping");
    assert_eq!(told[16], "7200 ended critical after 1660 s peak 960 recovered");
    assert_eq!((judge.counts().episodes, judge.counts().entries), (6, [0, 0, 10]));
}

#[test]
fn five_episodes_in_an_hour_do_not_flap() {
    // The sixth begins an hour after the first.
    let told = told(&mut judge(), &[&flaps(12, 60, 660)]);
    assert!(!told.iter().any(|line| line.contains("flapping")), "{told:#?}");
    assert_eq!(told.len(), 12 * 3);
}

#[test]
fn what_flaps_is_over_an_hour_after_the_last_entry_and_heard_again() {
    let mut judge = judge();
    told(&mut judge, &[&flaps(6, 60, 340)]);
    assert_eq!((judge.level(), judge.episode().map(|episode| episode.number)), (Level::Normal, Some(6)));
    assert!(!judge.is_alert(), "no line is near");
    let mut second = 6 * 400;
    let mut told = Vec::new();
    while second < 7_000 {
        told.extend(judge.judge(&sample(second, if second < 6_000 { 100 } else { 960 })).iter().map(line));
        second += 1;
    }
    assert_eq!(
        told,
        [
            "2900 still normal after 900 s peak 960 heartbeat",
            "3800 still normal after 1800 s peak 960 heartbeat",
            "4700 still normal after 2700 s peak 960 heartbeat",
            "5600 ended critical after 60 s peak 960 recovered",
            "6000 begun critical since 6000 held",
            "6900 still critical after 900 s peak 960 heartbeat",
        ]
    );
}

#[test]
fn a_level_higher_than_any_that_was_told_is_told_while_it_flaps() {
    let elevated: Vec<_> = std::iter::repeat_n([(60, 770), (240, 100)], 6).flatten().collect();
    let mut judge = judge();
    let told = told(&mut judge, &[&elevated, &[(10, 960), (300, 100), (10, 960)]]);
    assert_eq!(
        told[10..],
        ["1530 begun elevated since 1500 flapping", "1800 elevated -> critical since 1800 held"],
        "{told:#?}"
    );
    let episode = judge.episode().unwrap();
    assert_eq!((episode.merged, episode.level), (1, Level::Critical));
}

#[test]
fn the_sixth_entry_of_a_level_inside_an_episode_flaps_too() {
    let mut judge = judge();
    let hovers: Vec<_> = std::iter::repeat_n([(10, 960), (60, 870)], 10).flatten().collect();
    let told = told(&mut judge, &[&hovers]);
    assert_eq!(told[0], "0 begun critical since 0 held");
    assert_eq!(told[1], "40 critical -> high since 10 recovered");
    assert_eq!(told[10..], ["350 high -> critical since 350 flapping"], "{told:#?}");
    assert_eq!((judge.level(), judge.episode().unwrap().level), (Level::High, Level::Critical));
    assert_eq!((judge.episode().unwrap().merged, judge.counts().entries), (4, [0, 0, 10]));
}

#[test]
fn an_hour_without_an_entry_inside_an_episode_tells_the_level_again() {
    let mut judge = judge();
    let hovers: Vec<_> = std::iter::repeat_n([(10, 960), (60, 870)], 7).flatten().collect();
    let told = told(&mut judge, &[&hovers, &[(4_000, 870)]]);
    assert_eq!(
        told[10..],
        [
            "350 high -> critical since 350 flapping",
            "3600 ended critical after 3600 s peak 960 split",
            "3600 begun high since 3600 split",
        ],
        "the split tells the level that the gates have"
    );
    let mut judge = Judge::new(Rules { split: Duration::MAX, ..Rules::default() });
    let told = super::flapping::told(&mut judge, &[&hovers, &[(4_000, 870), (10, 960)]]);
    assert_eq!(
        told[11..],
        ["4020 critical -> high since 430 recovered", "4490 high -> critical since 4490 held"],
        "once the hour is over, what changes is told"
    );
}

#[test]
fn the_times_at_the_levels_are_true_while_it_flaps() {
    let mut judge = judge();
    told(&mut judge, &[&flaps(8, 60, 340)]);
    let ended = judge.shut_down(SinceStart::from_secs(3_200)).unwrap();
    let Change::Ended(episode, stay) = ended.change else { unreachable!() };
    // Of the sixth, seventh and eighth a minute each; from the sixth crossing to the last return to normal.
    assert_eq!(episode.time_at.map(|time| time.as_secs()), [0, 0, 3 * 60]);
    assert_eq!((episode.duration().as_secs(), episode.merged), (860, 2));
    assert_eq!((stay.level, stay.from, stay.to), (Level::Critical, episode.began, episode.until));
}

#[test]
fn what_flaps_is_split_where_it_is_raised() {
    let mut judge = judge();
    // Each 400 s a minute of critical; the sixth episode begins at 2000 s and is an hour old in the dip after 5200 s.
    let told = told(&mut judge, &[&flaps(16, 60, 340)]);
    assert_eq!(
        told[15..],
        [
            "2000 begun critical since 2000 flapping",
            "5600 ended critical after 3600 s peak 960 split",
            "5600 begun critical since 5600 split",
        ]
    );
    assert_eq!((judge.counts().episodes, judge.counts().entries), (6, [0, 0, 16]));
    let episode = judge.episode().unwrap();
    assert_eq!((episode.number, episode.previous, episode.merged), (7, Some(6), 1));
}

#[test]
fn a_limit_that_changes_back_and_forth_flaps_too() {
    let resized = |second, bytes| Sample { limit: limit(bytes), ..sample(second, 800) };
    let mut judge = judge();
    let mut told = Vec::new();
    for second in 0..300 {
        let bytes = if second % 20 < 10 { 2000 } else { 900 };
        told.extend(judge.judge(&resized(second, bytes)).iter().map(line));
        let level = if second % 20 < 10 { Level::Normal } else { Level::High };
        assert_eq!(judge.level(), level, "the level follows at once");
    }
    assert_eq!(told.len(), 5 * 2 + 1);
    assert_eq!(told[10], "110 begun high since 110 flapping");
}
