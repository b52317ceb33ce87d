//! A host that sets its own panic hook right after the start keeps it: the agent's was there before.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use std::{panic, thread};

use highwater::black_box::BlackBox;
use highwater::{Agent, Bytes};

#[test]
fn once_the_agent_has_started_no_thread_of_its_own_changes_the_panic_hook() {
    static HEARD: AtomicBool = AtomicBool::new(false);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.box");
    for (replaces, marks) in [(false, true), (true, false)] {
        let builder = Agent::builder().set("OTEL_SDK_DISABLED", "true").events("none").limit(Bytes::gib(64));
        let agent = builder.black_box(&path).start().unwrap();
        if replaces {
            panic::set_hook(Box::new(|_| HEARD.store(true, Relaxed)));
        }
        // The path is there before the box is open for marks.
        while agent.status().sample.is_none_or(|sample| sample.at.elapsed() < Duration::from_secs(1)) {
            thread::park_timeout(Duration::from_millis(10));
        }
        assert!(thread::spawn(|| panic!("for the hook")).join().is_err());
        assert!(agent.shutdown(Duration::from_secs(60)));
        assert_eq!(BlackBox::read(&path).unwrap().panic().is_some(), marks, "a hook that is replaced leaves no mark");
        assert_eq!(HEARD.load(Relaxed), replaces);
    }
}
