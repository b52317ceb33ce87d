//! Time that is not as it seems: a process that is frozen, a clock that steps, a machine that slept.

use std::time::Duration;

use highwater_e2e::guest;
use highwater_e2e::wait::Stopwatch;

use super::*;

/// A subject in an open episode.
fn in_episode(cgroup: &Cgroup) -> Subject {
    let mut subject = Subject::start(Some(cgroup));
    subject.tell("take 80");
    console::wait_for_event(&subject.0, BEGUN);
    subject
}

/// Ends the episode; returns its begun and its ended event's date, and its span's beginning and end, in milliseconds.
fn dates(subject: &mut Subject) -> [i64; 4] {
    subject.tell("drop");
    let ended = console::wait_for_event(&subject.0, ENDED);
    let root = wait::until("the span is told", || {
        console::spans(&subject.0)
            .into_iter()
            .find(|span| span.name() == "memory episode" && span.attribute("parent").is_empty())
    });
    let begun = console::wait_for_event(&subject.0, BEGUN);
    let duration = ended.number("highwater.duration");
    let span = root.moments();
    assert!((duration * 1e3 - (span[1] - span[0]) as f64).abs() <= 2.0, "a span is as long as its episode: {root:?}");
    [begun.moments()[0], ended.moments()[0], span[0], span[1]]
}

#[test]
fn a_process_that_is_frozen_tells_nothing_that_did_not_happen() {
    let test = "a_process_that_is_frozen_tells_nothing_that_did_not_happen";
    let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
    let quiet = Subject::start(None);
    let mut raised = in_episode(&cgroup);
    for subject in [&quiet, &raised] {
        subject.0.signal("STOP");
    }
    // Longer than each hold.
    let clock = Stopwatch::start();
    wait::until("time passes", || (clock.elapsed() > Duration::from_secs(3)).then_some(()));
    let frozen = clock.elapsed().as_millis() as i64;
    for subject in [&quiet, &raised] {
        subject.0.signal("CONT");
        console::wait_for_exports(&subject.0, 3);
    }
    assert!(console::events(&quiet.0).is_empty(), "{}", console::said(&quiet.0));
    let [begun, ended, from, to] = dates(&mut raised);
    assert!(to - from >= frozen && ended - begun >= frozen, "it was raised all the time");
    assert_eq!(console::events(&raised.0).iter().filter(|event| event.name() == BEGUN).count(), 1);
    quiet.end();
    raised.end();
}

#[test]
fn a_clock_that_steps_moves_dates_and_no_duration() {
    let test = "a_clock_that_steps_moves_dates_and_no_duration";
    if !guest::is_here(test) {
        return;
    }
    for hours in [2, -2] {
        let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
        let clock = Stopwatch::start();
        let mut subject = in_episode(&cgroup);
        guest::step_clock(hours * 3600);
        let [begun, ended, from, to] = dates(&mut subject);
        let lived = clock.elapsed().as_millis() as i64;
        assert!((0..=lived).contains(&(to - from)), "a span of {} ms in {lived} ms", to - from);
        let step = hours * 3_600_000;
        assert!((step - 2_000..=step + lived).contains(&(ended - begun)), "events {} ms apart", ended - begun);
        subject.end();
    }
}

#[test]
fn a_machine_that_slept_wakes_in_the_same_episode() {
    let test = "a_machine_that_slept_wakes_in_the_same_episode";
    if !guest::is_here(test) {
        return;
    }
    let Some(cgroup) = Cgroup::limited(test, 96 * MIB) else { return };
    let quiet = Subject::start(None);
    let mut subject = in_episode(&cgroup);
    let clock = Stopwatch::start();
    guest::sleep_machine(5);
    for subject in [&quiet, &subject] {
        console::wait_for_exports(&subject.0, 3);
    }
    assert!(console::events(&quiet.0).is_empty(), "{}", console::said(&quiet.0));
    assert_eq!(console::events(&subject.0).iter().filter(|event| event.name() == ENDED).count(), 0);
    let [begun, ended, from, to] = dates(&mut subject);
    // Monotonic time stands still meanwhile, that of this test too.
    let lived = clock.elapsed().as_millis() as i64;
    assert!(
        ended - begun >= 4_000 && (0..=lived + 10_000).contains(&(to - from)),
        "{begun} {ended} {from} {to} {lived}"
    );
    quiet.end();
    subject.end();
}
