use std::sync::OnceLock;
use std::thread;

use highwater::Agent;

use super::*;

/// A pressure that is always normal: levels are arguments here.
fn pressure() -> Pressure {
    static AGENT: OnceLock<Agent> = OnceLock::new();
    AGENT.get_or_init(|| Agent::builder().set("HIGHWATER_DISABLED", "true").start().unwrap()).pressure()
}

/// How many of a hundred requests of `/` are turned away at each level.
fn of_a_hundred(shed: &LoadShed) -> [usize; 3] {
    Level::RAISED.map(|level| (0..100).filter(|_| shed.0.turns_away(level, "/")).count())
}

#[test]
fn by_default_every_second_is_turned_away_at_high_and_all_at_critical() {
    let shed = LoadShed::new(pressure());
    assert_eq!(of_a_hundred(&shed), [0, 50, 100]);
    let turns: Vec<_> = (0..6).map(|_| shed.0.turns_away(Level::High, "/")).collect();
    assert_eq!(turns, [false, true, false, true, false, true]);
}

#[test]
fn a_share_holds_from_its_level_up_to_the_next_that_has_one() {
    let shed = LoadShed::new(pressure()).from_level(Level::Elevated, Share::percent(10));
    assert_eq!(of_a_hundred(&shed), [10, 50, 100]);
    let shed = shed.from_level(Level::High, Share::NONE).from_level(Level::Normal, Share::ALL);
    assert_eq!(of_a_hundred(&shed), [10, 0, 100]);
    let mut only_elevated = LoadShed::new(pressure());
    Arc::make_mut(&mut only_elevated.0).shares = [Some(Share::percent(7)), None, None];
    assert_eq!(of_a_hundred(&only_elevated), [7, 7, 7]);
}

#[test]
fn of_any_hundred_in_a_row_each_share_is_exact_and_as_even_as_can_be() {
    for percent in 1..100_u8 {
        let turn = Turn::default();
        let turns: Vec<_> = (0..1_000).map(|_| turn.turns_away(Share::percent(percent))).collect();
        for hundred in turns.windows(100) {
            assert_eq!(hundred.iter().filter(|away| **away).count(), usize::from(percent));
        }
        let shed: Vec<_> = turns.iter().enumerate().filter(|(_, away)| **away).map(|(index, _)| index).collect();
        let gaps = shed.windows(2).map(|pair| pair[1] - pair[0]);
        let (least, most) = (gaps.clone().min().unwrap(), gaps.max().unwrap());
        assert!(most - least <= 1, "{percent} %: gaps from {least} to {most}");
    }
}

#[test]
fn threads_and_clones_shed_one_share_together() {
    let shed = LoadShed::new(pressure()).from_level(Level::High, Share::percent(25));
    let count = |shed: LoadShed| (0..1_000).filter(|_| shed.0.turns_away(Level::High, "/")).count();
    let threads = [(); 4].map(|()| {
        thread::spawn({
            let shed = shed.clone();
            move || count(shed)
        })
    });
    let away: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(away, 1_000);
}

#[test]
fn an_exempt_path_is_admitted_at_any_level_and_takes_no_turn() {
    let shed = LoadShed::new(pressure()).exempt("/status").exempt_below("/admin/");
    let away = |path: &str| shed.0.turns_away(Level::Critical, path);
    for admitted in ["/status", "/admin/", "/admin/heap"] {
        assert!(!away(admitted), "{admitted}");
    }
    for refused in ["/", "", "/status/", "/Status", "/statuses", "/admin", "/administrator", "//status"] {
        assert!(away(refused), "{refused}");
    }
    let turns = [(); 4].map(|()| {
        assert!(!shed.0.turns_away(Level::High, "/status"));
        shed.0.turns_away(Level::High, "/")
    });
    assert_eq!(turns, [false, true, false, true]);
}

#[test]
fn at_normal_nothing_is_turned_away() {
    let shed = LoadShed::new(pressure()).from_level(Level::Elevated, Share::ALL);
    assert_eq!(shed.admit("/"), Ok(()));
}

#[test]
fn retry_after_is_in_whole_seconds_rounded_up() {
    let seconds = |time| Refused { level: Level::High, retry_after: time }.retry_after_seconds();
    assert_eq!([0, 1, 999, 1_000, 1_001].map(|ms| seconds(Duration::from_millis(ms))), [0, 1, 1, 1, 2]);
    assert_eq!(seconds(Duration::MAX), u64::MAX);
    let refused = Refused { level: Level::Critical, retry_after: Duration::from_secs(30) };
    assert_eq!(refused.to_string(), "turned away at level critical: come back in 30 s");
}
