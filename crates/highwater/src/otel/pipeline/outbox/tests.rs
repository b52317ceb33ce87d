use proptest::prelude::*;

use super::*;

const HEARTBEAT: Priority = Priority::Low;

fn parcel(signal: Signal, priority: Priority, told: f64) -> Parcel {
    let body = Body { bytes: told.to_string().into_bytes().into(), encoding: None };
    Parcel { signal, priority, told: at(told), body, receipt: None, is_kept: false }
}

fn log(told: f64) -> Parcel {
    parcel(Signal::Logs, Priority::Normal, told)
}

fn at(seconds: f64) -> SinceStart {
    SinceStart::new(Duration::from_secs_f64(seconds))
}

fn seconds(parcel: Option<&Parcel>) -> Option<f64> {
    parcel.map(|parcel| parcel.told.elapsed().as_secs_f64())
}

#[test]
fn what_is_told_first_is_sent_first_and_critical_before_all() {
    let mut outbox = Outbox::default();
    for (priority, told) in [(Priority::Normal, 1.0), (HEARTBEAT, 2.0), (Priority::Normal, 3.0), (Priority::High, 4.0)]
    {
        outbox.put(parcel(Signal::Logs, priority, told));
    }
    let sent: Vec<_> = std::iter::from_fn(|| seconds(outbox.take_due(at(4.0)).as_ref())).collect();
    assert_eq!(sent, [4.0, 1.0, 3.0, 2.0]);
    assert_eq!(outbox.rest(at(4.0)), None);
}

#[test]
fn what_waits_ten_minutes_is_given_up_and_not_a_moment_earlier() {
    let mut outbox = Outbox::default();
    outbox.put(log(0.0));
    outbox.put(log(30.0));
    assert!(outbox.take_expired(at(599.9)).is_none());
    assert_eq!(seconds(outbox.take_expired(at(600.0)).as_ref()), Some(0.0));
    assert!(outbox.take_expired(at(600.0)).is_none());
    assert_eq!(seconds(outbox.take_due(at(600.0)).as_ref()), Some(30.0));
}

#[test]
fn an_event_told_while_the_collector_is_away_is_sent_when_it_is_back() {
    let mut outbox = Outbox::default();
    outbox.put(log(0.0));
    // Nine minutes of refused connections, tried as often as the outbox wants to.
    let (mut now, mut tries) = (at(0.0), 0);
    while now < at(540.0) {
        if let Some(parcel) = outbox.take_due(now) {
            outbox.failed(parcel, now, None, 1.0);
            tries += 1;
        }
        assert!(outbox.take_expired(now).is_none());
        now = now.after(outbox.rest(now).unwrap());
    }
    assert!((55..=65).contains(&tries), "{tries}");
    assert_eq!(seconds(outbox.take_due(now).as_ref()), Some(0.0));
}

#[test]
fn where_there_is_no_room_the_oldest_heartbeat_gives_way_then_the_oldest() {
    let mut outbox = Outbox::default();
    outbox.put(log(0.0));
    outbox.put(parcel(Signal::Logs, HEARTBEAT, 1.0));
    outbox.put(parcel(Signal::Logs, HEARTBEAT, 2.0));
    outbox.put(parcel(Signal::Logs, Priority::High, 3.0));
    for more in 4..CAPACITY {
        assert!(outbox.put(log(more as f64)).is_none());
    }
    let lost: Vec<_> = (0..4).map(|_| seconds(outbox.put(log(1000.0)).as_ref()).unwrap()).collect();
    assert_eq!(lost, [1.0, 2.0, 0.0, 4.0]);
}

#[test]
fn a_way_that_fails_rests_longer_each_time_and_the_other_goes_on() {
    let mut outbox = Outbox::default();
    outbox.put(log(0.0));
    let mut rests = Vec::new();
    let mut now = at(0.0);
    for _ in 0..7 {
        let parcel = outbox.take_due(now).unwrap();
        outbox.failed(parcel, now, None, 1.0);
        rests.push(outbox.rest(now).unwrap().as_secs_f64());
        now = now.after(outbox.rest(now).unwrap());
    }
    assert_eq!(rests, [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]);

    let parcel = outbox.take_due(now).unwrap();
    outbox.failed(parcel, now, None, 0.0);
    assert_eq!(outbox.rest(now), Some(Duration::from_secs(5)));
    outbox.put(super::tests::parcel(Signal::Traces, Priority::Normal, 100.0));
    assert_eq!(outbox.rest(now), Some(Duration::ZERO));
    assert_eq!(outbox.take_due(now).map(|parcel| parcel.signal), Some(Signal::Traces));
    assert!(outbox.take_due(now).is_none());
}

#[test]
fn a_critical_event_does_not_wait_for_the_rest_after_a_failure() {
    let mut outbox = Outbox::default();
    outbox.put(log(0.0));
    let parcel = outbox.take_due(at(0.0)).unwrap();
    outbox.failed(parcel, at(0.0), None, 1.0);
    assert!(outbox.take_due(at(0.1)).is_none());
    outbox.put(super::tests::parcel(Signal::Logs, Priority::High, 0.1));
    assert_eq!(seconds(outbox.take_due(at(0.1)).as_ref()), Some(0.1));
}

#[test]
fn the_rest_that_a_collector_asks_for_is_kept_even_by_what_is_critical() {
    let mut outbox = Outbox::default();
    outbox.put(log(0.0));
    let first = outbox.take_due(at(0.0)).unwrap();
    outbox.failed(first, at(0.0), Some(Duration::from_secs(30)), 1.0);
    outbox.put(parcel(Signal::Logs, Priority::High, 1.0));
    assert!(outbox.is_asked_to_rest(Signal::Logs, at(29.9)));
    assert!(outbox.take_due(at(29.9)).is_none());
    assert_eq!(outbox.rest(at(10.0)), Some(Duration::from_secs(20)));
    assert_eq!(seconds(outbox.take_due(at(30.0)).as_ref()), Some(1.0));

    // However long it asks for, the way opens again.
    outbox.failed(log(31.0), at(31.0), Some(Duration::MAX), 1.0);
    assert!(outbox.is_asked_to_rest(Signal::Logs, at(630.9)) && !outbox.is_asked_to_rest(Signal::Logs, at(631.0)));
}

#[test]
fn what_failed_goes_back_to_its_place() {
    let mut outbox = Outbox::default();
    for told in 0..3 {
        outbox.put(log(f64::from(told)));
    }
    let first = outbox.take_due(at(3.0)).unwrap();
    outbox.failed(first, at(3.0), None, 1.0);
    let order: Vec<_> = outbox.take_all().iter().map(|parcel| seconds(Some(parcel)).unwrap()).collect();
    assert_eq!(order, [0.0, 1.0, 2.0]);
}

#[test]
fn what_tells_of_a_run_that_is_over_waits_as_long_as_the_collector_is_away() {
    let mut outbox = Outbox::default();
    outbox.put(Parcel { is_kept: true, ..log(0.0) });
    outbox.put(log(1.0));
    for hour in 1..24 {
        let now = at(f64::from(hour) * 3600.0);
        let expired = std::iter::from_fn(|| outbox.take_expired(now)).count();
        assert_eq!(expired, usize::from(hour == 1), "what is told beside it expires");
        let due = outbox.take_due(now).unwrap();
        outbox.failed(due, now, None, 1.0);
        assert!(outbox.rest(now).unwrap() <= LONGEST_REST, "it is tried again soon");
    }
    assert_eq!(seconds(outbox.take_due(at(24.0 * 3600.0)).as_ref()), Some(0.0));
}

#[test]
fn of_profiles_one_waits_and_goes_last() {
    let mut outbox = Outbox::default();
    let profile = |told| parcel(Signal::Profiles, Priority::Low, told);
    assert!(outbox.put(profile(1.0)).is_none());
    outbox.put(log(2.0));
    assert_eq!(seconds(outbox.put(profile(3.0)).as_ref()), Some(1.0));
    let sent: Vec<_> = std::iter::from_fn(|| seconds(outbox.take_due(at(4.0)).as_ref())).collect();
    assert_eq!(sent, [2.0, 3.0]);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Told(Signal, Priority, bool),
    /// Whatever is due is sent, with this result.
    Arrives,
    Fails(Option<u64>),
    /// Refused for good.
    Refused,
    Passes(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let signal = prop_oneof![Just(Signal::Logs), Just(Signal::Traces), Just(Signal::Profiles)];
    let priority = prop_oneof![Just(Priority::Low), Just(Priority::Normal), Just(Priority::High)];
    prop_oneof![
        6 => (signal, priority, proptest::bool::weighted(0.1)).prop_map(|(signal, priority, is_kept)| Step::Told(signal, priority, is_kept)),
        1 => Just(Step::Arrives),
        2 => proptest::option::weighted(0.3, 0..100_000_u64).prop_map(Step::Fails),
        1 => Just(Step::Refused),
        2 => (0..200_u64).prop_map(Step::Passes),
    ]
}

proptest! {
    /// Whatever happens: each parcel arrives, is refused, is given up or waits, and is only one of these; never do more
    /// wait than there is room for, none waits too long, and what waits is never without a time to ask again.
    #[test]
    fn every_parcel_is_accounted_for(steps in proptest::collection::vec(step(), 0..600)) {
        let mut outbox = Outbox::default();
        let (mut now, mut told, mut gone) = (SinceStart::default(), 0_usize, 0_usize);
        for step in steps {
            while outbox.take_expired(now).is_some() {
                gone += 1;
            }
            match step {
                Step::Told(signal, priority, is_kept) => {
                    told += 1;
                    let body = Body { bytes: Vec::new().into(), encoding: None };
                    let parcel = Parcel { signal, priority, told: now, body, receipt: None, is_kept };
                    gone += usize::from(outbox.put(parcel).is_some());
                }
                Step::Arrives | Step::Refused => {
                    if let Some(parcel) = outbox.take_due(now) {
                        outbox.succeeded(parcel.signal);
                        gone += 1;
                    }
                }
                Step::Fails(asked) => {
                    if let Some(parcel) = outbox.take_due(now) {
                        outbox.failed(parcel, now, asked.map(Duration::from_secs), 0.5);
                    }
                }
                Step::Passes(time) => now = now.after(Duration::from_secs(time)),
            }
            let waiting = outbox.waiting.len();
            prop_assert_eq!(told, gone + waiting);
            prop_assert!(waiting <= CAPACITY);
            prop_assert!(outbox.waiting.iter().filter(|parcel| parcel.signal == Signal::Profiles).count() <= 1);
            prop_assert!(outbox.waiting.iter().is_sorted_by_key(|parcel| parcel.told));
            prop_assert_eq!(outbox.rest(now).is_some(), waiting > 0);
            prop_assert!(outbox.rest(now).is_none_or(|rest| rest <= AGE));
        }
        prop_assert_eq!(outbox.take_all().len(), told - gone);
    }
}
