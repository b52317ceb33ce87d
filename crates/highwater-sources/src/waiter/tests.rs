use std::thread;

use super::*;

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(5);

#[test]
fn time_passes() {
    let (mut waiter, _stop) = waiter();
    assert_eq!(waiter.wait(SHORT), Woken::Time);
}

#[test]
fn a_wait_ends_at_once_with_its_stop() {
    let (mut waiter, stop) = waiter();
    let waits = thread::spawn(move || {
        loop {
            match waiter.wait(LONG) {
                Woken::Stop => return true,
                Woken::Kernel => return false,
                Woken::Time => {}
            }
        }
    });
    drop(stop);
    assert!(waits.join().unwrap());
}

#[test]
fn a_stop_that_is_gone_ends_every_wait() {
    let (mut waiter, stop) = waiter();
    drop(stop);
    assert_eq!([LONG; 3].map(|time| waiter.wait(time)), [Woken::Stop; 3]);
}

#[test]
fn without_a_bell_the_channel_is_waited_for() {
    let (mut waiter, mut stop) = waiter();
    (waiter.ears, stop.bell) = (None, None);
    waiter.listen_to(&Signs::default());
    assert_eq!(waiter.wait(SHORT), Woken::Time);
    let waits = thread::spawn(move || waiter.wait(LONG));
    drop(stop);
    assert_eq!(waits.join().unwrap(), Woken::Stop);
}

#[test]
fn what_cannot_be_opened_is_not_listened_to() {
    let (mut waiter, _stop) = waiter();
    let nowhere = Some(PathBuf::from("/nowhere"));
    waiter.listen_to(&Signs { events: nowhere.clone(), pressure: nowhere });
    assert_eq!(waiter.wait(SHORT), Woken::Time);
}
