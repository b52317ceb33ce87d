use std::time::Duration;

use highwater::model::recording::Row;
use highwater::model::{Judge, Rules};
use proptest::prelude::*;

use super::*;

/// The picture of rows of `(seconds, used, limit)`.
fn picture(name: &str, rows: impl IntoIterator<Item = (u64, Option<u64>, Option<u64>)>) -> String {
    let mut rules = Rules::default();
    (rules.holds.elevated, rules.holds.leave) = (Duration::ZERO, Duration::ZERO);
    let (mut judge, mut plot, mut summary) = (Judge::new(rules), Plot::new(rules.levels), Summary::default());
    for (seconds, used, limit) in rows {
        let mut row = Row::default();
        (row.seconds, row.used, row.limit, row.rss) = (SinceStart::from_secs(seconds), used, limit, used);
        let sample = row.sample();
        for transition in judge.judge(&sample).iter() {
            let event = Event::judged(*transition, sample);
            summary.event(&event);
            plot.event(&event, transition.at);
        }
        summary.sample(&sample, judge.level());
        plot.sample(&sample);
    }
    let drawn = plot.draw(name, &summary);
    let document = roxmltree::Document::parse(&drawn).unwrap_or_else(|error| panic!("{error}: {drawn}"));
    for number in document.descendants().flat_map(|node| node.attributes()).filter(|a| a.name().len() <= 2) {
        assert!(!number.value().contains("NaN") && !number.value().contains("inf"), "{number:?}");
    }
    drawn
}

fn day(second: u64) -> (u64, Option<u64>, Option<u64>) {
    let used = if second == 43_200 { 950 } else { 400 + second % 97 };
    (second, Some(used), Some(1000))
}

#[test]
fn a_day_of_seconds_is_less_than_200_kb_and_shows_its_spike() {
    let drawn = picture("day.csv", (0..86_400).map(day));
    assert!(drawn.len() < 200_000, "{}", drawn.len());
    for shown in [
        "23h 59m 59s of memory, 1 episode, at most 950B, 95 % of 1000B used",
        "Episode 1, up to critical, from 43200 s to 43201 s.",
        ">limit 1000B<",
        ">elevated 75%<",
        ">critical<",
        ">12:00<",
    ] {
        assert!(drawn.contains(shown), "{shown} in {drawn}");
    }
}

#[test]
fn a_name_stays_text() {
    let drawn = picture("<script>&\u{1b}\"", [day(0), day(1)]);
    assert!(drawn.contains("&lt;script&gt;&amp;\u{fffd}&quot;") && !drawn.contains("<script"), "{drawn}");
}

#[test]
fn without_rows_there_is_a_picture_all_the_same() {
    picture("empty.csv", []);
    picture("one.csv", [(5, None, None)]);
    picture("one.csv", [(5, Some(0), Some(0))]);
}

#[test]
fn a_process_that_flaps_for_ever_has_a_picture_of_bounded_size() {
    let flapping = (0..50_000).map(|second| (second, Some(if second % 2 == 0 { 800 } else { 100 }), Some(1000)));
    let drawn = picture("flapping.csv", flapping);
    assert!(drawn.len() < 400_000, "{}", drawn.len());
}

proptest! {
    #[test]
    fn every_trace_has_a_picture(
        rows in prop::collection::vec((0_u64..1 << 40, prop::option::of(any::<u64>()), prop::option::of(any::<u64>())), 0..50),
    ) {
        let mut rows = rows;
        rows.sort_unstable();
        picture("any.csv", rows);
    }
}

#[test]
fn growth_is_marked() {
    // A leak of two hours, sampled every ten seconds, from a third of the limit on.
    let leak = (0..720).map(|row| (row * 10, Some(300 + row), Some(1000)));
    let drawn = picture("leak.csv", leak);
    assert!(drawn.contains(">growth<"), "{drawn}");
}
