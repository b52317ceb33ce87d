use std::string::ToString;

use super::*;

fn levels(elevated: &str, high: &str, critical: &str) -> Result<Levels, LevelsError> {
    Levels::try_new(elevated.parse().unwrap(), high.parse().unwrap(), critical.parse().unwrap())
}

fn enters(levels: &Levels, limit: Option<Bytes>) -> [Option<Bytes>; 3] {
    levels.lines(limit).map(|line| line.map(|line| line.enter))
}

#[test]
fn a_threshold_reads_each_of_its_forms_and_prints_it_again() {
    for text in ["85%", "87.5%", "87.25%", "6GiB", "limit-1GiB", "limit-512MiB"] {
        assert_eq!(text.parse::<Threshold>().unwrap().to_string(), text);
    }
}

#[test]
fn a_threshold_refuses_other_forms() {
    for text in [
        "",
        "%",
        "101%",
        "-5%",
        "+85%",
        "85.+5%",
        "85.123%",
        "6GiBs",
        "limit",
        "limit-",
        "limit+1GiB",
        "limit--1GiB",
        "1e3%",
        "NaNGiB",
    ] {
        assert_eq!(text.parse::<Threshold>(), Err(ParseThresholdError), "{text}");
    }
}

#[test]
fn levels_out_of_order_or_too_close_are_refused_by_name() {
    assert_eq!(
        levels("85%", "75%", "95%").unwrap_err().to_string(),
        "level elevated (85%) must lie below level high (75%)"
    );
    assert_eq!(
        levels("75%", "85%", "89.5%").unwrap_err().to_string(),
        "level high (85%) must lie at least 5 points below level critical (89.5%)"
    );
    assert_eq!(levels("1GiB", "1GiB", "2GiB").unwrap_err().fault, LevelsFault::Order);
    assert_eq!(levels("limit-1GiB", "limit-2GiB", "95%").unwrap_err().fault, LevelsFault::Order);
    assert!(levels("80%", "85%", "90%").is_ok());
}

#[test]
fn the_default_lines_lie_at_75_85_and_95_percent_and_are_left_5_points_lower() {
    let [elevated, high, critical] = Levels::default().lines(Some(Bytes::new(1000))).map(Option::unwrap);
    assert_eq!((elevated.enter, elevated.leave), (Bytes::new(750), Bytes::new(700)));
    assert_eq!((high.enter, high.leave), (Bytes::new(850), Bytes::new(800)));
    assert_eq!((critical.enter, critical.leave), (Bytes::new(950), Bytes::new(900)));
}

#[test]
fn levels_that_need_a_limit_are_off_without_one() {
    assert_eq!(enters(&Levels::default(), None), [None, None, None]);
    let mixed = levels("75%", "1GiB", "limit-1GiB").unwrap();
    assert_eq!(enters(&mixed, None), [None, Some(Bytes::gib(1)), None]);
}

#[test]
fn without_a_limit_an_amount_is_left_5_percent_of_itself_lower() {
    let [_, high, _] = levels("75%", "1000B", "95%").unwrap().lines(None);
    assert_eq!(high.unwrap().leave, Bytes::new(950));
}

#[test]
fn a_level_that_the_limit_makes_senseless_is_off() {
    let above_the_limit = levels("75%", "85%", "6GiB").unwrap();
    assert_eq!(enters(&above_the_limit, Some(Bytes::gib(4)))[2], None);
    let no_room = levels("75%", "85%", "limit-1GiB").unwrap();
    assert_eq!(enters(&no_room, Some(Bytes::mib(512)))[2], None);
    let crossed = levels("3GiB", "50%", "95%").unwrap();
    assert_eq!(
        enters(&crossed, Some(Bytes::gib(4))),
        [None, Some(Bytes::gib(2)), Some(Percent::new(95).unwrap().of(Bytes::gib(4)))]
    );
}

#[test]
fn a_level_far_below_the_limit_can_be_left() {
    let [low, ..] = levels("100MiB", "85%", "95%").unwrap().lines(Some(Bytes::gib(4)));
    assert_eq!(low.unwrap().leave, Bytes::mib(50));
}

#[test]
fn the_numbers_of_the_levels_are_those_of_the_gauge() {
    assert_eq!([Level::Normal, Level::Elevated, Level::High, Level::Critical].map(Level::number), [0, 1, 2, 3]);
}

#[test]
fn distances_from_the_limit_grow_smaller_from_level_to_level() {
    assert!(levels("limit-3GiB", "limit-2GiB", "limit-1GiB").is_ok());
    assert_eq!(levels("limit-1GiB", "limit-2GiB", "limit-3GiB").unwrap_err().fault, LevelsFault::Order);
}

#[test]
fn a_distance_as_large_as_the_limit_leaves_no_level() {
    let [elevated, ..] = enters(&levels("limit-1GiB", "limit-512MiB", "limit-1MiB").unwrap(), Some(Bytes::mib(1024)));
    assert_eq!(elevated, None);
}

#[test]
fn what_is_no_threshold_is_told_what_would_be_one() {
    let error = "a lot".parse::<Threshold>().unwrap_err().to_string();
    for form in ["85%", "6GiB", "limit-1GiB"] {
        assert!(error.contains(form), "{error}");
    }
}
