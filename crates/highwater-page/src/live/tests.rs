use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn poll(live: &mut Live) -> Option<String> {
    match live.poll_next(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(message) => Some(String::from_utf8(message.expect("the feed has not ended").to_vec()).unwrap()),
        Poll::Pending => None,
    }
}

fn reader(feed: &Arc<Feed>, after: Option<u64>) -> Live {
    let mut live = feed.read(after).unwrap();
    assert_eq!(poll(&mut live).as_deref(), Some("retry: 500\n\n"));
    live
}

fn ids(live: &mut Live) -> Vec<String> {
    std::iter::from_fn(|| poll(live)).map(|message| message.lines().next().unwrap().to_owned()).collect()
}

fn publish(feed: &Feed, count: u64) {
    (0..count).for_each(|_| feed.publish("sample", Some("{}")));
}

#[test]
fn each_reader_gets_each_message_once_and_shares_its_bytes() {
    let feed = Arc::new(Feed::after(100));
    let mut readers: Vec<_> = (0..50).map(|_| reader(&feed, None)).collect();
    feed.publish("sample", Some("{\"a\":1}"));
    let messages: Vec<_> = readers
        .iter_mut()
        .map(|live| match live.poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(message)) => message,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(&messages[0][..], b"id: 101\nevent: sample\ndata: {\"a\":1}\n\n");
    assert!(messages.iter().all(|message| message.as_ptr() == messages[0].as_ptr()), "it was encoded once");
    assert!(readers.iter_mut().all(|live| poll(live).is_none()));
}

#[test]
fn a_reader_that_comes_back_reads_on_and_one_that_missed_too_much_begins_anew() {
    let feed = Arc::new(Feed::after(100));
    publish(&feed, 10);
    assert_eq!(ids(&mut reader(&feed, Some(107))), ["id: 108", "id: 109", "id: 110"]);
    assert_eq!(ids(&mut reader(&feed, Some(110))), [""; 0]);
    assert_eq!(ids(&mut reader(&feed, Some(100))).len(), 10);
    assert_eq!(feed.kept_after(), 100);
    publish(&feed, KEPT as u64);
    let reset = ["event: reset".to_owned()];
    assert_eq!(feed.kept_after(), 110);
    assert_eq!(ids(&mut reader(&feed, Some(110))).len(), KEPT);
    assert_eq!(ids(&mut reader(&feed, Some(109))), reset);
    for never in [0, 1_000, u64::MAX] {
        assert_eq!(ids(&mut reader(&feed, Some(never))), reset, "{never} is no number of this run");
    }
}

#[test]
fn a_slow_reader_is_told_to_begin_anew_and_goes_on_from_there() {
    let feed = Arc::new(Feed::default());
    let mut slow = reader(&feed, None);
    publish(&feed, 2 * KEPT as u64);
    assert_eq!(ids(&mut slow), ["event: reset"]);
    publish(&feed, 1);
    assert_eq!(ids(&mut slow), [format!("id: {}", 2 * KEPT + 1)]);
}

#[test]
fn what_nobody_wants_is_numbered_and_not_there() {
    let feed = Arc::new(Feed::default());
    publish(&feed, 3);
    feed.publish("sample", None);
    assert_eq!((feed.last(), feed.kept_after(), feed.bytes()), (4, 4, 0));
    assert_eq!(ids(&mut reader(&feed, Some(3))), ["event: reset"]);
    publish(&feed, 1);
    assert_eq!(ids(&mut reader(&feed, Some(4))), ["id: 5"]);
}

#[test]
fn the_ring_is_bounded_in_messages_and_in_bytes() {
    let feed = Feed::default();
    publish(&feed, 10 * KEPT as u64);
    assert_eq!(feed.lock().ring.len(), KEPT);
    let large = "x".repeat(KEPT_BYTES / 4);
    (0..20).for_each(|_| feed.publish("event", Some(&large)));
    assert!(feed.bytes() <= KEPT_BYTES && feed.lock().ring.len() == 3, "{}", feed.bytes());
    feed.publish("event", Some(&"x".repeat(2 * KEPT_BYTES)));
    assert_eq!((feed.bytes(), feed.lock().ring.len()), (0, 0), "what is larger than all is not kept");
}

#[test]
fn there_are_at_most_so_many_readers_and_one_that_goes_makes_room() {
    let feed = Arc::new(Feed::default());
    let mut readers: Vec<_> = (0..MOST_READERS).map(|_| feed.read(None).unwrap()).collect();
    assert!(feed.read(None).is_none());
    readers.pop();
    assert!(feed.read(None).is_some());
    drop(readers);
    assert_eq!(feed.readers(), 0);
}

#[test]
fn readers_are_woken_by_a_message_by_a_reset_and_by_the_end() {
    let feed = Arc::new(Feed::default());
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut live = reader(&feed, None);
    let mut wait = || live.poll_next(&mut Context::from_waker(&waker)).map(|message| message.map(|_| ()));
    assert!(wait().is_pending());
    publish(&feed, 1);
    assert_eq!((woken.0.load(Ordering::Relaxed), wait()), (1, Poll::Ready(Some(()))));
    assert!(wait().is_pending());
    feed.reset();
    assert_eq!((woken.0.load(Ordering::Relaxed), wait()), (2, Poll::Ready(Some(()))));
    assert!(wait().is_pending());
    feed.end();
    assert_eq!((woken.0.load(Ordering::Relaxed), wait()), (3, Poll::Ready(None)));
}

#[test]
fn a_stream_ends_after_a_while_whether_or_not_there_is_something_to_say_and_its_reader_reads_on() {
    let feed = Arc::new(Feed::after(100));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut live = reader(&feed, None);
    publish(&feed, 1);
    assert_eq!(ids(&mut live), ["id: 101"]);
    (1..LOOKS).for_each(|_| feed.look());
    assert!(live.poll_next(&mut Context::from_waker(&waker)).is_pending());
    feed.look();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    publish(&feed, 1);
    assert_eq!(live.poll_next(&mut Context::from_waker(&waker)), Poll::Ready(None));
    drop(live);
    assert_eq!(ids(&mut reader(&feed, Some(101))), ["id: 102"]);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Publish,
    PublishUnwanted,
    Reset,
    Read,
    ComeBack,
}

proptest! {
    /// Whatever happens: each message that a reader is given follows the one before, or it was told to begin anew.
    #[test]
    fn no_reader_misses_a_message_without_being_told(
        steps in proptest::collection::vec(
            prop_oneof![
                8 => Just(Step::Publish), 1 => Just(Step::PublishUnwanted), 1 => Just(Step::Reset), 4 => Just(Step::Read),
                1 => Just(Step::ComeBack)
            ],
            0..400,
        ),
    ) {
        let feed = Arc::new(Feed::after(1_000));
        let mut live = reader(&feed, None);
        let mut last = Some(1_000);
        for step in steps {
            match step {
                Step::Publish => publish(&feed, 1),
                Step::PublishUnwanted => feed.publish("sample", None),
                Step::Reset => feed.reset(),
                Step::ComeBack => live = reader(&feed, Some(last.unwrap_or(feed.last()))),
                Step::Read => {
                    for message in std::iter::from_fn(|| poll(&mut live)) {
                        let first = message.lines().next().unwrap();
                        match first.strip_prefix("id: ") {
                            Some(id) => {
                                let id: u64 = id.parse().unwrap();
                                prop_assert!(last.is_none_or(|last| last + 1 == id), "{last:?} then {id}");
                                last = Some(id);
                            }
                            None => {
                                prop_assert_eq!(first, "event: reset");
                                last = None;
                            }
                        }
                    }
                    // All that there was has been read.
                    prop_assert_eq!(last.unwrap_or(feed.last()), feed.last());
                }
            }
        }
    }
}
