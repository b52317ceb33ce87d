use std::net::{TcpListener, TcpStream};

use super::super::{Waiter, Woken, waiter};
use super::*;

const SHORT: Duration = Duration::from_millis(5);

/// A file that is always ready by POLLPRI: a connection with an urgent byte that nobody reads.
fn always_ready() -> (File, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let sender = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (receiver, _) = listener.accept().unwrap();
    // SAFETY: send(2) reads one byte, which is there, of a socket that is open.
    let sent = unsafe { libc::send(sender.as_raw_fd(), (&raw const *b"!").cast(), 1, libc::MSG_OOB) };
    assert_eq!(sent, 1);
    let file = File::from(OwnedFd::from(receiver));
    assert_eq!(poll([None, Some(&file)], Duration::from_secs(60)).unwrap(), [0, libc::POLLPRI]);
    (file, sender)
}

fn pressure(waiter: &mut Waiter) -> &mut Option<File> {
    &mut waiter.ears.as_mut().unwrap().pressure.file
}

#[test]
fn a_file_that_is_always_ready_is_heard_more_and_more_rarely() {
    let (mut waiter, _stop) = waiter();
    let (file, _sender) = always_ready();
    *pressure(&mut waiter) = Some(file);
    let heard = (0..100).filter(|_| waiter.wait(SHORT) == Woken::Kernel).count();
    // After rests of 5, 10, 20 ... 320 ms, of the 500 that are waited for.
    assert_eq!(heard, 7);
    *pressure(&mut waiter) = None;
    while !waiter.left.is_zero() {
        waiter.wait(SHORT);
    }
    assert_eq!((waiter.wait(SHORT), waiter.rest), (Woken::Time, Waiter::REST), "silent once");
}

#[test]
fn a_rest_is_at_most_a_second() {
    let (mut waiter, _stop) = waiter();
    let (file, _sender) = always_ready();
    *pressure(&mut waiter) = Some(file);
    for _ in 0..20 {
        waiter.left = Duration::ZERO;
        assert_eq!(waiter.wait(SHORT), Woken::Kernel);
    }
    assert_eq!((waiter.left, waiter.rest), (Waiter::LONGEST_REST, Waiter::LONGEST_REST));
}

#[test]
fn a_file_in_error_is_closed() {
    let (mut waiter, _stop) = waiter();
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let broken = File::from(OwnedFd::from(writer));
    *pressure(&mut waiter) = Some(broken.try_clone().unwrap());
    waiter.ears.as_mut().unwrap().events.file = Some(broken);
    assert_eq!(waiter.wait(SHORT), Woken::Time);
    let ears = waiter.ears.as_ref().unwrap();
    assert!(ears.pressure.file.is_none() && ears.events.file.is_none(), "{ears:?}");
}

#[test]
fn a_bell_that_was_rung_is_silent_again_once_it_was_heard() {
    let (mut waiter, stop) = waiter();
    // As by a child that was forked: the channel is still there.
    stop.bell.as_ref().unwrap().ring();
    assert_eq!(waiter.listen(Duration::from_secs(60)), Heard::Bell);
    assert_eq!(waiter.listen(SHORT), Heard::Nothing);
}

#[test]
fn another_path_is_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    std::fs::write(&one, "low 0\n").unwrap();
    let mut ear = Ear::default();
    ear.follow(Some(&one), open_events);
    assert!(ear.file.is_some());
    ear.follow(Some(&other), open_events);
    assert!(ear.file.is_none(), "the old one is closed although the new one is not there");
    std::fs::write(&other, "low 0\n").unwrap();
    ear.follow(Some(&other), open_events);
    assert!(ear.file.is_some(), "tried again");
    ear.follow(None, open_events);
    assert!(ear.file.is_none());
}

#[test]
fn a_trigger_is_asked_for_in_the_words_of_the_kernel() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.pressure");
    assert!(open_pressure(&path).is_none());
    std::fs::write(&path, "").unwrap();
    assert!(open_pressure(&path).is_some());
    assert_eq!(std::fs::read(&path).unwrap(), b"some 200000 2000000\0");
}
