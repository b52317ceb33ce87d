use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::{Wake, Waker};
use std::thread;

use highwater_model::{Judge, LimitSource, Rules, Sample, SinceStart};

use super::*;
use crate::identity::ProcessId;

const PATIENCE: Duration = Duration::from_secs(60);

/// A board, a handle of it, and the one who notes levels.
fn board() -> (Arc<Board>, Pressure, Publisher) {
    let board = Arc::new(Board::new(ProcessId::current()));
    let (pressure, publisher) = (Pressure::of(&board), Publisher::new(&board));
    (board, pressure, publisher)
}

impl Publisher {
    fn note(&mut self, level: Level) -> bool {
        self.publish(&Snapshot { level, ..Snapshot::default() }, &Transitions::default())
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

fn poll(future: &mut Changed, count: &Arc<Count>) -> Poll<Result<Level, Ended>> {
    Pin::new(future).poll(&mut Context::from_waker(&Waker::from(Arc::clone(count))))
}

/// The simplest executor there is: a thread that does nothing before it is woken.
fn block_on(mut future: Changed) -> Result<Level, Ended> {
    struct Tell(SyncSender<()>);
    impl Wake for Tell {
        fn wake(self: Arc<Self>) {
            let _ = self.0.try_send(());
        }
    }
    let (tell, woken) = sync_channel(1);
    let waker = Waker::from(Arc::new(Tell(tell)));
    loop {
        match Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(change) => return change,
            Poll::Pending => woken.recv_timeout(PATIENCE).expect("a wake-up was lost"),
        }
    }
}

#[test]
fn the_level_is_the_one_that_was_judged_last() {
    let (_board, pressure, mut publisher) = board();
    assert_eq!(pressure.level(), Level::Normal);
    for level in [Level::High, Level::Critical, Level::Elevated, Level::Normal] {
        assert!(publisher.note(level) && !publisher.note(level), "a change is one once");
        assert_eq!(pressure.level(), level);
        let at_least = Level::RAISED.map(|other| pressure.is_at_least(other));
        assert_eq!(at_least, Level::RAISED.map(|other| level >= other));
    }
}

#[test]
fn a_reading_says_what_was_judged_and_why_the_level_is_what_it_is() {
    let (_board, pressure, mut publisher) = board();
    let mut rules = Rules::default();
    (rules.holds.elevated, rules.holds.high) = (Duration::ZERO, Duration::ZERO);
    let mut judge = Judge::new(rules);
    let mut judged = |seconds, used| {
        let limit = Limit { bytes: Bytes::mib(100), source: LimitSource::Config, scope: 1 };
        let (used, limit) = (Some(Bytes::mib(used)), Some(limit));
        let sample = Sample { at: SinceStart::from_secs(seconds), used, limit, ..Sample::default() };
        let transitions = judge.judge(&sample);
        let snapshot = Snapshot { sample, level: judge.level(), slope: Some(1024.0), ..Snapshot::default() };
        publisher.publish(&snapshot, &transitions);
        pressure.reading()
    };
    let calm = judged(1, 40);
    assert_eq!((calm.level, calm.reason, calm.used), (Level::Normal, None, Some(Bytes::mib(40))));
    let high = judged(2, 88);
    assert_eq!((high.level, high.reason), (Level::High, Some(Reason::Held)));
    assert!(high.cause.is_some());
    assert_eq!((high.growth, high.time_to_limit), (Some(1024.0), None));
    assert_eq!((high.headroom, high.limit.unwrap().source), (Some(Bytes::mib(12)), LimitSource::Config));
    let later = judged(3, 89);
    assert_eq!((later.reason, later.cause), (high.reason, high.cause), "nothing was decided anew");
    assert_eq!(later.used, Some(Bytes::mib(89)));
}

#[test]
fn a_level_that_was_reached_untold_has_no_reason_of_an_earlier_one() {
    let (_board, pressure, mut publisher) = board();
    let mut rules = Rules::default();
    (rules.holds.elevated, rules.holds.leave) = (Duration::ZERO, Duration::ZERO);
    let mut judge = Judge::new(rules);
    let mut told = 0;
    for second in 0..60 {
        let limit = Limit { bytes: Bytes::mib(100), source: LimitSource::Config, scope: 1 };
        let used = Bytes::mib(if second % 2 == 0 { 40 } else { 80 });
        let (at, used, limit) = (SinceStart::from_secs(second), Some(used), Some(limit));
        let sample = Sample { at, used, limit, ..Sample::default() };
        let transitions = judge.judge(&sample);
        let changed =
            publisher.publish(&Snapshot { sample, level: judge.level(), ..Snapshot::default() }, &transitions);
        let reading = pressure.reading();
        let transition = transitions.iter().last();
        assert_eq!((reading.level, changed), (judge.level(), second > 0));
        assert_eq!(reading.reason, transition.map(|transition| transition.reason), "second {second}");
        assert_eq!(reading.cause, transition.map(|transition| transition.cause), "second {second}");
        told += usize::from(transition.is_some());
    }
    assert_eq!(told, 11, "five episodes, and the beginning of the one that flaps");
}

#[test]
fn noting_a_level_does_not_wait_for_somebody_who_reads() {
    let (board, pressure, mut publisher) = board();
    let reader = board.reading_for_long();
    publisher.note(Level::High);
    assert_eq!(pressure.level(), Level::High);
    drop(reader);
    publisher.note(Level::High);
    assert_eq!(pressure.reading().level, Level::High);
}

#[test]
fn a_wait_is_over_at_once_where_the_level_is_another_one_already() {
    let (_board, pressure, mut publisher) = board();
    publisher.note(Level::Critical);
    assert_eq!(block_on(pressure.changed(Level::High)), Ok(Level::Critical));
    assert_eq!(pressure.wait(Level::Normal, PATIENCE), Ok(Some(Level::Critical)));
}

#[test]
fn only_those_for_whom_something_changed_are_woken_and_nobody_stays() {
    let (board, pressure, mut publisher) = board();
    let [normal, high] = [Arc::<Count>::default(), Arc::default()];
    let mut from_normal = pressure.changed(Level::Normal);
    assert_eq!(poll(&mut from_normal, &normal), Poll::Pending);
    publisher.note(Level::High);
    let mut from_high = pressure.changed(Level::High);
    assert_eq!(poll(&mut from_high, &high), Poll::Pending);
    board.wake();
    board.wake();
    assert_eq!([normal.0.load(Relaxed), high.0.load(Relaxed)], [1, 0]);
    assert_eq!(poll(&mut from_normal, &normal), Poll::Ready(Ok(Level::High)));
    assert_eq!(board.waiting(), 1);
    drop(from_high);
    assert_eq!(board.waiting(), 0);
}

#[test]
fn a_wait_is_polled_by_another_task_than_before_and_wakes_that_one() {
    let (board, pressure, mut publisher) = board();
    let [first, second] = [Arc::<Count>::default(), Arc::default()];
    let mut changed = pressure.changed(Level::Normal);
    for count in [&first, &second] {
        assert_eq!(poll(&mut changed, count), Poll::Pending);
    }
    assert_eq!(board.waiting(), 1);
    publisher.note(Level::Elevated);
    board.wake();
    assert_eq!([first.0.load(Relaxed), second.0.load(Relaxed)], [0, 1]);
}

#[test]
fn a_waker_that_panics_keeps_no_other_from_being_woken() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::panic_any("the host's fault");
        }
    }
    let (board, pressure, mut publisher) = board();
    let mut waits = [(); 3].map(|()| pressure.changed(Level::Normal));
    let count = Arc::<Count>::default();
    for (index, wait) in waits.iter_mut().enumerate() {
        let waker = if index == 1 { Waker::from(Arc::new(Panics)) } else { Waker::from(Arc::clone(&count)) };
        assert!(Pin::new(wait).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    publisher.note(Level::High);
    board.wake();
    assert_eq!(count.0.load(Relaxed), 2);
}

#[test]
fn no_wake_up_is_lost_between_those_who_wait_and_one_who_wakes() {
    const ROUNDS: usize = if cfg!(miri) { 20 } else { 2_000 };
    let (board, pressure, mut publisher) = board();
    // Each follows the levels until the end; a wake-up that is lost leaves it waiting for as long as the test has patience.
    let follow = |wait: fn(&Pressure, Level) -> Result<Level, Ended>| {
        let pressure = pressure.clone();
        thread::spawn(move || {
            let mut level = Level::Normal;
            while let Ok(next) = wait(&pressure, level) {
                assert_ne!(next, level);
                level = next;
            }
            level
        })
    };
    let waiters = [
        follow(|pressure, level| block_on(pressure.changed(level))),
        follow(|pressure, level| block_on(pressure.changed(level))),
        follow(|pressure, level| pressure.wait(level, PATIENCE).map(|next| next.expect("a wake-up was lost"))),
    ];
    for round in 0..ROUNDS {
        publisher.note(if round % 2 == 0 { Level::High } else { Level::Critical });
        board.wake();
    }
    board.end();
    board.wake();
    for waiter in waiters {
        assert_eq!(waiter.join().unwrap(), Level::Normal, "the end is heard");
    }
    assert_eq!(board.waiting(), 0);
}

#[test]
fn a_thousand_that_wait_and_a_thousand_that_gave_up_leave_nothing() {
    const MANY: usize = if cfg!(miri) { 20 } else { 1_000 };
    let (board, pressure, mut publisher) = board();
    let count = Arc::<Count>::default();
    let mut waits: Vec<_> = (0..2 * MANY).map(|_| pressure.changed(Level::Normal)).collect();
    for wait in &mut waits {
        assert!(poll(wait, &count).is_pending());
    }
    assert_eq!(board.waiting(), 2 * MANY);
    waits.truncate(MANY);
    assert_eq!(board.waiting(), MANY);
    publisher.note(Level::Elevated);
    board.wake();
    assert_eq!((count.0.load(Relaxed), board.waiting()), (MANY, 0));
}

#[test]
fn a_wait_with_a_timeout_ends_with_it() {
    let (_board, pressure, _publisher) = board();
    assert_eq!(pressure.wait(Level::Normal, Duration::from_millis(1)), Ok(None));
}

#[test]
fn after_the_end_the_level_is_normal_for_ever_and_waits_say_so() {
    let (board, pressure, mut publisher) = board();
    publisher.note(Level::Critical);
    board.end();
    assert_eq!(pressure.changed_now(Level::Critical), Poll::Ready(Ok(Level::Normal)), "that is a change still");
    assert_eq!(pressure.changed_now(Level::Normal), Poll::Ready(Err(Ended)));
    assert_eq!(pressure.wait(Level::Normal, PATIENCE), Err(Ended));
    // What is judged after that is of no account.
    publisher.note(Level::High);
    assert_eq!((pressure.level(), pressure.reading()), (Level::Normal, PressureReading::default()));
}

#[test]
fn in_a_process_that_is_not_judged_nothing_is_known_and_no_lock_is_waited_for() {
    let board = Arc::new(Board::new(ProcessId::another()));
    let (pressure, mut publisher) = (Pressure::of(&board), Publisher::new(&board));
    publisher.note(Level::Critical);
    let _held_by_the_parent = (board.reading_for_long(), board.waiting_for_long());
    assert_eq!((pressure.level(), pressure.reading()), (Level::Normal, PressureReading::default()));
    assert_eq!(pressure.changed_now(Level::Normal), Poll::Ready(Err(Ended)));
    assert_eq!(pressure.wait(Level::Normal, PATIENCE), Err(Ended));
    drop(Changed { board: Arc::clone(&board), from: Level::Normal, waiter: Some(7) });
}

#[test]
fn handles_and_waits_go_anywhere() {
    fn goes_anywhere<T: Send + Sync + Unpin + 'static>() {}
    goes_anywhere::<Pressure>();
    goes_anywhere::<Changed>();
    goes_anywhere::<ShedCounter>();
}

impl Pressure {
    fn changed_now(&self, from: Level) -> Poll<Result<Level, Ended>> {
        poll(&mut self.changed(from), &Arc::default())
    }
}
