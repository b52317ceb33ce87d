//! Heap profiles of a program that jemalloc samples: what is told of them, and what is written.

#![allow(clippy::panic, reason = "test code, outside of test functions")]
#![allow(clippy::arithmetic_side_effects, reason = "an overflow in a test fails the test")]

use std::hint::black_box;
use std::io::Read;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use highwater::{Agent, Bytes, Capture, CaptureError, Event, Level, Refusal, Trigger, What};

highwater::jemalloc!();

const PATIENCE: Duration = Duration::from_secs(60);

#[inline(never)]
fn hoard(mib: usize) -> Vec<Vec<u8>> {
    (0..mib).map(|_| black_box(vec![1_u8; 1 << 20])).collect()
}

fn next_capture(events: &Receiver<Event>) -> (Event, Capture) {
    loop {
        let Ok(event) = events.recv_timeout(PATIENCE) else { panic!("nothing is captured") };
        if let What::CaptureWritten(capture) = event.what() {
            let capture = Capture::clone(capture);
            return (event, capture);
        }
    }
}

/// As soon as two seconds lie between this and the last one.
fn capture_now(agent: &Agent) -> Arc<Capture> {
    loop {
        match agent.capture(PATIENCE) {
            Ok(capture) => return capture,
            Err(CaptureError::Refused { reason: Refusal::Busy, .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// One test: there is one agent in a process.
#[test]
fn an_episode_a_request_and_the_end_are_captured_each_with_the_place_that_holds_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let profiles = folder.path().join("profiles");
    let (tell, events) = channel();
    let of_calm = hoard(32);
    let agent = Agent::builder()
        .set("OTEL_SDK_DISABLED", "true")
        .limit(Bytes::mib(256))
        .hold(Level::Elevated, Duration::ZERO)
        .profile_folder(&profiles)
        .profile_at_exit(true)
        .on_event(move |event| drop(tell.send(event.clone())))
        .start()
        .unwrap();

    // Until there is something to compare with, which is captured in the calm and told nobody.
    loop {
        let asked = capture_now(&agent);
        assert_eq!(next_capture(&events).1.trigger, Trigger::Request);
        if asked.sites[0].grown.is_some() {
            break;
        }
    }
    let files = || std::fs::read_dir(&profiles).unwrap().count();
    let asked_in_calm = files();

    let held = hoard(173);
    let (event, capture) = next_capture(&events);
    assert!(matches!(capture.trigger, Trigger::Level(_)), "{capture:?}");
    let first = &capture.sites[0];
    assert!(
        first.function.as_ref().unwrap().ends_with("captures::hoard")
            || first.function.as_ref().unwrap().contains("hoard"),
        "{capture:?}"
    );
    assert!(first.bytes > Bytes::mib(100), "{capture:?}");
    // What it held in the calm already has not grown.
    let grown = first.grown.unwrap().unsigned_abs();
    assert!(grown > 100 << 20 && grown < first.bytes.get(), "{capture:?}");
    assert!(first.module.as_ref().unwrap().starts_with("captures-"), "{capture:?}");
    assert!(event.episode_id().is_some() && event.name() == "highwater.capture.written");
    assert!(event.to_string().contains("hoard"), "{event}");

    let file = capture.file.as_ref().unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(name.contains(&event.episode_id().unwrap().to_string()) && name.ends_with(".pb.gz"), "{name}");
    let mut start = [0; 2];
    std::fs::File::open(file).unwrap().read_exact(&mut start).unwrap();
    assert_eq!(start, [0x1f, 0x8b], "gzip");

    let asked = capture_now(&agent);
    assert_eq!(asked.trigger, Trigger::Request);
    assert!(asked.sites[0].bytes > Bytes::mib(100));

    // A disk that cannot be written to costs the file, not what is known.
    std::fs::rename(&profiles, folder.path().join("kept")).unwrap();
    std::fs::write(&profiles, "no folder").unwrap();
    let unwritten = capture_now(&agent);
    assert!(unwritten.file.is_none() && unwritten.sites[0].bytes > Bytes::mib(100), "{unwritten:?}");
    let refused = events.iter().find_map(|event| match event.what() {
        What::CaptureRefused(refused) => Some(refused.reason),
        _ => None,
    });
    assert_eq!(refused, Some(Refusal::Disk));
    std::fs::remove_file(&profiles).unwrap();
    std::fs::rename(folder.path().join("kept"), &profiles).unwrap();

    drop((of_calm, held));
    // Also while others are asked for, which would be in its way: from when one of them was taken.
    let ask = |agent: Agent| loop {
        match agent.capture(PATIENCE) {
            Err(CaptureError::Refused { reason: Refusal::Busy, .. }) => std::thread::yield_now(),
            Err(CaptureError::Ended) => return 0,
            Ok(_) => return 1,
            Err(error) => panic!("{error}"),
        }
    };
    let asking = [(); 3].map(|()| {
        let agent = agent.clone();
        std::thread::spawn(move || ask(agent))
    });
    assert_eq!(next_capture(&events).1.trigger, Trigger::Request);
    assert!(agent.shutdown(PATIENCE));
    let more: usize = asking.into_iter().map(|asking| asking.join().unwrap()).sum();
    let last = events.try_iter().filter_map(|event| match event.what() {
        What::CaptureWritten(capture) => Some(Capture::clone(capture)),
        _ => None,
    });
    let last = last.last().unwrap();
    assert_eq!(last.trigger, Trigger::Exit);
    assert!(last.bytes < Bytes::mib(50), "{last:?}");
    assert!(matches!(agent.capture(PATIENCE), Err(CaptureError::Ended)));
    assert_eq!(files() - asked_in_calm, 3 + more, "nothing is left unfinished");
}
