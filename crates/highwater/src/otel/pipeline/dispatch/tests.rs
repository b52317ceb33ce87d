use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use super::super::outbox::CAPACITY;
use super::super::wire::{Body, Wire};
use super::*;
use crate::black_box::Receipt;
use crate::event::Priority;
use crate::finished::Finished;
use crate::outlet::Queue;
use crate::shared::Shared;
use crate::signal::Signal;

/// Gives the answers of a script, then takes everything.
#[derive(Debug, Default)]
struct Scripted {
    answers: Mutex<VecDeque<Answer>>,
    sent: Arc<Mutex<Vec<(String, Duration)>>>,
}

impl Wire for Scripted {
    fn send(&self, body: &Body, at_most: Duration) -> Answer {
        let text = String::from_utf8_lossy(&body.bytes).into_owned();
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push((text, at_most));
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(Answer::Taken)
    }
}

struct Scene {
    dispatch: Dispatch,
    shared: Arc<Shared>,
    sent: Arc<Mutex<Vec<(String, Duration)>>>,
}

impl Scene {
    /// Logs get these answers, traces are taken.
    fn of(answers: impl IntoIterator<Item = Answer>) -> Self {
        let (shared, finished) = (Shared::new(), Finished::default());
        let words = Queue::spawn("words", Vec::new(), finished.wait_for()).unwrap();
        let sent = Arc::default();
        let courier = |signal, answers| {
            let wire = Box::new(Scripted { answers: Mutex::new(answers), sent: Arc::clone(&sent) });
            let (url, shared, words) = (String::new(), Arc::clone(&shared), words.clone());
            Arc::new(Courier { signal, url, timeout: Duration::from_secs(10), wire, shared, words })
        };
        let couriers = Signals {
            metrics: courier(Signal::Metrics, VecDeque::new()),
            logs: courier(Signal::Logs, answers.into_iter().collect()),
            traces: courier(Signal::Traces, VecDeque::new()),
            profiles: courier(Signal::Profiles, VecDeque::new()),
        };
        let dispatch = Dispatch::new(couriers, shared.clock);
        Self { dispatch, shared, sent }
    }

    fn put(&mut self, signal: Signal, text: &str) {
        let body = Body { bytes: text.as_bytes().to_vec().into(), encoding: None };
        let told = self.shared.clock.now();
        self.dispatch.put(Parcel { signal, priority: Priority::Normal, told, body, receipt: None, is_kept: false });
    }

    /// Returns where it is said what became of it.
    fn put_with_receipt(&mut self) -> Arc<Receipt> {
        let (receipt, told) = (Arc::<Receipt>::default(), self.shared.clock.now());
        let body = Body { bytes: b"record".to_vec().into(), encoding: None };
        receipt.expect(1);
        let (signal, priority) = (Signal::Logs, Priority::Normal);
        self.dispatch.put(Parcel { signal, priority, told, body, receipt: Some(Arc::clone(&receipt)), is_kept: true });
        receipt
    }

    fn sent(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|(text, _)| text.clone()).collect()
    }

    fn counts(&self, signal: Signal) -> (u64, u64) {
        (self.shared.delivery.failures(signal), self.shared.delivery.dropped(signal))
    }
}

fn later(after: Option<u64>) -> Answer {
    Answer::Later { after: after.map(Duration::from_secs), why: "busy".to_owned() }
}

#[test]
fn what_arrives_is_gone_and_what_is_refused_is_counted() {
    let refused = Answer::Refused { why: "400".to_owned() };
    let partly = Answer::TakenInPart { rejected: 1, why: "too old".to_owned() };
    let mut scene = Scene::of([Answer::Taken, refused, partly]);
    for text in ["taken", "refused", "partly"] {
        scene.put(Signal::Logs, text);
        assert_eq!(scene.dispatch.work(), None);
    }
    assert_eq!(scene.sent(), ["taken", "refused", "partly"]);
    assert_eq!(scene.counts(Signal::Logs), (2, 2));
}

#[test]
fn only_what_the_collector_has_taken_has_arrived() {
    let refused = || Answer::Refused { why: "404".to_owned() };
    let partly = || Answer::TakenInPart { rejected: 1, why: "too old".to_owned() };
    for (answer, arrives) in [(Answer::Taken, true), (refused(), false), (partly(), false)] {
        let mut scene = Scene::of([answer.clone(), answer]);
        let sent = scene.put_with_receipt();
        assert_eq!(scene.dispatch.work(), None);
        let sent_at_the_end = scene.put_with_receipt();
        scene.dispatch.finish();
        for receipt in [sent, sent_at_the_end] {
            assert_eq!((receipt.is_delivered(), receipt.is_awaited()), (arrives, false));
        }
    }
}

#[test]
fn one_piece_of_work_sends_one_parcel() {
    let mut scene = Scene::of([]);
    scene.put(Signal::Logs, "one");
    scene.put(Signal::Logs, "two");
    assert_eq!(scene.dispatch.work(), Some(Duration::ZERO));
    assert_eq!(scene.sent(), ["one"]);
}

#[test]
fn what_fails_is_counted_as_failed_and_kept_while_the_other_signal_goes_on() {
    let mut scene = Scene::of([later(Some(60))]);
    scene.put(Signal::Logs, "record");
    assert!(scene.dispatch.work().is_some_and(|rest| rest > Duration::from_secs(50)));
    scene.put(Signal::Traces, "span");
    assert!(scene.dispatch.work().is_some_and(|rest| rest > Duration::from_secs(50)));
    assert_eq!(scene.sent(), ["record", "span"]);
    assert_eq!(scene.counts(Signal::Logs), (1, 0));
    assert_eq!(scene.counts(Signal::Traces), (0, 0));
}

#[test]
fn what_there_is_no_room_for_is_counted() {
    let mut scene = Scene::of([]);
    for _ in 0..CAPACITY + 3 {
        scene.put(Signal::Logs, "record");
    }
    assert_eq!(scene.counts(Signal::Logs), (0, 3));
}

#[test]
fn the_end_tries_all_that_rests_once_and_gives_up_what_fails() {
    let mut scene = Scene::of([later(None), Answer::Taken, later(None)]);
    scene.put(Signal::Logs, "first");
    assert!(scene.dispatch.work().is_some());
    for text in ["second", "third"] {
        scene.put(Signal::Logs, text);
    }
    scene.put(Signal::Traces, "span");
    scene.dispatch.finish();
    // The first arrives, the second fails, and with it the way of logs is closed.
    assert_eq!(scene.sent(), ["first", "first", "second", "span"]);
    assert_eq!(scene.counts(Signal::Logs), (2, 2));
    assert_eq!(scene.counts(Signal::Traces), (0, 0));
    assert!(scene.sent.lock().unwrap().iter().skip(1).all(|(_, at_most)| *at_most <= END), "within the time there is");
}

#[test]
fn the_end_leaves_a_collector_alone_that_has_asked_for_it() {
    let mut scene = Scene::of([later(Some(60))]);
    scene.put(Signal::Logs, "record");
    assert!(scene.dispatch.work().is_some());
    scene.dispatch.finish();
    assert_eq!(scene.sent(), ["record"]);
    assert_eq!(scene.counts(Signal::Logs), (1, 1));
}

#[test]
fn a_profile_keeps_an_event_waiting_for_three_seconds_at_most_and_the_next_takes_its_place() {
    let mut scene = Scene::of([]);
    scene.put(Signal::Profiles, "profile");
    scene.put(Signal::Profiles, "next");
    scene.put(Signal::Logs, "record");
    scene.dispatch.finish();
    let sent = scene.sent.lock().unwrap();
    assert!(sent.iter().any(|(text, at_most)| text == "next" && *at_most <= PROFILE), "{sent:?}");
    assert_eq!(sent.len(), 2);
    assert_eq!(scene.counts(Signal::Profiles), (0, 1));
}
