use std::fs;
use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use highwater_model::{Bytes, Process};
use highwater_sources::platform;
use proptest::prelude::*;

use super::*;
use crate::finished::Finished;

fn run() -> Run {
    let name = ("service.name".to_owned(), Value::Text("cart/1".to_owned()));
    Run { id: crate::identity::uuid(), config: "test".to_owned(), resource: vec![name] }
}

fn sample(clock: Clock) -> Sample {
    let process = Process { rss: Some(Bytes::mib(50)), ..Process::default() };
    Sample { at: clock.now(), used: Some(Bytes::mib(40)), process, ..Sample::default() }
}

fn entry(clock: Clock) -> Entry {
    Entry::of(&sample(clock), Level::Normal, None, None)
}

/// The box of a run that ended in an episode, whose root span was not known yet.
#[cfg(feature = "otlp")]
pub(crate) fn left_within_an_episode(run: &str) -> BlackBox {
    BlackBox::parse(&bytes_within_an_episode(run)).unwrap()
}

/// Its bytes.
#[cfg(feature = "otlp")]
pub(super) fn bytes_within_an_episode(run: &str) -> Vec<u8> {
    let (run, now) = (run.to_owned(), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(7)));
    let episode = LastEpisode { trace: Some([7; 16]), began: now, ..LastEpisode::default() };
    let state = format::State { sequence: 1, at: now, episode: Some(episode), ..format::State::default() };
    let mut bytes = vec![0; format::SIZE as usize];
    let at = |place: format::Place| place.at as usize..place.at as usize + place.size;
    format::Header { run, began: now, ..format::Header::default() }.encode(&mut bytes[at(format::HEADER)]);
    state.encode(&mut bytes[at(format::STATE[0])]);
    bytes
}

fn recorder(path: &Path, finished: &Finished) -> (Recorder, Clock) {
    let clock = Clock::start();
    let around = Surroundings::of(&Sample::default());
    (Recorder::spawn(path, run(), around, clock, finished.wait_for()).unwrap(), clock)
}

#[test]
fn sites_and_captures_outlive_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.box");
    let (mut captures, site) = (Vec::new(), Site { function: Some("cart::add".to_owned()), ..Site::default() });
    for round in 0..3_u64 {
        let finished = Finished::default();
        let (mut recorder, clock) = recorder(&path, &finished);
        let found = recorder.found(|_, text| panic!("{text}"));
        assert!(found.is_empty(), "it was shut down");
        assert_eq!(recorder.captures(), captures, "no start fills the budget again");
        let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000 + round);
        recorder.note_capture(at);
        recorder.note_sites(std::slice::from_ref(&site));
        captures.push(at);
        recorder.record(entry(clock), |_, text| panic!("{text}"));
        recorder.close();
        assert!(finished.wait(Duration::from_secs(60)));
        let left = BlackBox::read(&path).unwrap();
        assert!(left.is_closed() && left.sites() == [site.clone()]);
        assert_eq!(left.captures().collect::<Vec<_>>(), captures);
    }
}

#[test]
fn a_run_that_was_not_closed_is_found_with_its_last_samples_and_removed_once_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("");
    let finished = Finished::default();
    let (mut recorder, clock) = recorder(&path, &finished);
    recorder.found(|_, text| panic!("{text}"));
    for _ in 0..3 {
        recorder.record(entry(clock), |_, text| panic!("{text}"));
    }
    drop(recorder);
    assert!(finished.wait(Duration::from_secs(60)));
    let finished = Finished::default();
    let (mut recorder, _) = self::recorder(&path, &finished);
    let found = recorder.found(|_, text| panic!("{text}"));
    let [run] = &found[..] else { panic!("{found:?}") };
    assert_eq!(run.verdict().as_str(), "killed");
    assert_eq!(run.black_box().samples().iter().map(|sample| sample.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(run.black_box().samples().last().unwrap().used, Some(Bytes::mib(40)));
    let count = || fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(count(), 2);
    run.receipt().deliver();
    recorder.close();
    assert!(finished.wait(Duration::from_secs(60)));
    assert_eq!(count(), 1);
    let name = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().file_name();
    assert!(name.to_string_lossy().starts_with("cart_1-"), "{name:?}");
}

proptest! {
    /// What the fuzz target looks for, without a compiler of its own: a real box, spoilt anywhere and sealed again.
    #[test]
    fn a_box_that_is_spoilt_anywhere_is_read_or_refused_and_can_be_told(
        spoilt in proptest::collection::vec((0_usize..77_824, any::<u8>()), 0..40), length in 0_usize..77_825,
        sealed in any::<bool>(),
    ) {
        static REAL: OnceLock<Vec<u8>> = OnceLock::new();
        let mut bytes = REAL.get_or_init(real).clone();
        for (at, byte) in spoilt {
            bytes[at] = byte;
            // Where what is read first lies, more often.
            bytes[12 + at % 400] ^= byte & 1;
        }
        bytes.truncate(length);
        if sealed {
            seal_all(&mut bytes);
        }
        if let Ok(left) = BlackBox::parse(&bytes) {
            let event = crate::event::Event::of_previous(SystemTime::UNIX_EPOCH, Arc::new(PreviousRun::judged(left)));
            event.attributes(&mut |_, _| ());
            prop_assert!(!event.to_string().is_empty());
        }
    }
}

#[test]
fn sites_and_captures_are_kept_until_they_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("later").join("memory.box");
    let ((words, _heard), clock) = (sync_channel(WORDS), Clock::start());
    let around = Surroundings::of(&Sample::default());
    let mut writer = writer::Writer::new(path.clone(), false, run(), around, clock, words);
    let site = Site { function: Some("cart::add".to_owned()), ..Site::default() };
    let (sites, captured) = (Some(Arc::from([site.clone()])), Some(SystemTime::UNIX_EPOCH));
    writer.take(Entry { sites, captured, ..entry(clock) });
    fs::create_dir(path.parent().unwrap()).unwrap();
    let has_both = |left: &BlackBox| left.sites() == [site.clone()] && left.captures().count() == 1;
    let end = clock.now().after(Duration::from_secs(60));
    // It is tried again after a pause.
    while !path.exists() && clock.now() < end {
        thread::park_timeout(Duration::from_millis(50));
        writer.take(entry(clock));
    }
    assert!(has_both(&BlackBox::read(&path).unwrap()));
    // A box that begins anew has them too.
    fs::remove_file(&path).unwrap();
    while !path.exists() && clock.now() < end {
        thread::park_timeout(Duration::from_millis(50));
        writer.take(entry(clock));
    }
    assert!(has_both(&BlackBox::read(&path).unwrap()));
}

#[test]
fn the_root_span_of_an_episode_is_asked_for_so_often_and_no_more_however_long_the_episode_is() {
    let mut patience = Patience::default();
    assert!(!patience.asks(), "there is no episode");
    for episode in 1..=3 {
        let asked = (0..1000).filter(|_| {
            patience.see(Some(episode));
            patience.asks()
        });
        assert_eq!(asked.count(), 50);
    }
    patience.see(None);
    assert!(!patience.asks());
}

#[test]
fn a_run_that_ended_in_order_panicked_only_where_its_main_thread_did_so_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.box");
    let finished = Finished::default();
    let (mut recorder, clock) = recorder(&path, &finished);
    recorder.record(entry(clock), |_, text| panic!("{text}"));
    recorder.close();
    assert!(finished.wait(Duration::from_secs(60)));
    let end = BlackBox::read(&path).unwrap().samples().last().unwrap().at.unwrap();
    for (before, in_main, told) in [
        (Duration::ZERO, true, "the previous run panicked (likely) at main.rs:7"),
        (Duration::ZERO, false, "the previous run was shut down (certain)"),
        (Duration::from_secs(60), true, "the previous run was shut down (certain)"),
    ] {
        let mut block = [0; format::PANIC.size];
        format::encode_panic(end - before, "main.rs", 7, in_main, &mut block);
        let file = fs::File::options().write(true).open(&path).unwrap();
        platform::write_at(&file, &block, format::PANIC.at).unwrap();
        let run = PreviousRun::judged(BlackBox::read(&path).unwrap()).to_string();
        assert!(run.starts_with(told), "{run}");
    }
}

#[test]
fn what_is_found_at_the_start_has_one_deadline_and_what_comes_later_is_known_once() {
    let clock = Clock::start();
    let (words, heard) = sync_channel(WORDS);
    let mut recorder = Recorder {
        entries: Some(sync_channel(QUEUE).0),
        thread: thread::current(),
        words: heard,
        closing: Arc::default(),
        sites: None,
        captured: None,
        captures: Vec::new(),
        late: Vec::new(),
        clock,
        lags: false,
    };
    let at = |second| SystemTime::UNIX_EPOCH + Duration::from_secs(second);
    let slow = words.clone();
    let talks = thread::spawn(move || {
        while slow.send(Word::Captures(vec![at(1)])).is_ok() && clock.now().elapsed() < 4 * FIRST {
            thread::park_timeout(FIRST / 4);
        }
    });
    assert!(recorder.found(|_, text| panic!("{text}")).is_empty());
    assert!(clock.now().elapsed() < 3 * FIRST, "it waits for each word");
    assert_eq!(recorder.captures(), [at(1)]);
    assert!(recorder.new_captures().is_empty(), "known at the start");
    words.send(Word::Captures(vec![at(1), at(2)])).unwrap();
    recorder.record(entry(clock), |_, text| panic!("{text}"));
    assert_eq!((recorder.new_captures(), recorder.new_captures()), (vec![at(2)], Vec::new()));
    assert_eq!(recorder.captures(), [at(1), at(2)]);
    talks.join().unwrap();
}

/// A box with samples, sites and captures.
fn real() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("memory.box");
    let finished = Finished::default();
    let (mut recorder, clock) = recorder(&path, &finished);
    recorder.note_sites(&[Site { function: Some("cart::add".to_owned()), ..Site::default() }]);
    recorder.note_capture(SystemTime::UNIX_EPOCH);
    (0..20).for_each(|_| drop(recorder.record(entry(clock), |_, text| panic!("{text}"))));
    drop(recorder);
    assert!(finished.wait(Duration::from_secs(60)));
    fs::read(path).unwrap()
}

/// `cargo test --release -p highwater --lib black_box::tests::costs -- --ignored --nocapture`.
#[test]
#[ignore = "it measures: make bench"]
fn costs() {
    const SAMPLES: usize = 10_000;
    let folder = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let stop = AtomicBool::new(false);
    let written = AtomicU64::new(0);
    let clock = Clock::start();
    let measure = |name: &str, with_box: bool| {
        let finished = Finished::default();
        let (mut recorder, clock) = recorder(&folder.path().join("memory.box"), &finished);
        recorder.found(|_, _| ());
        let mut took: Vec<_> = (0..SAMPLES)
            .map(|_| {
                thread::park_timeout(Duration::from_millis(1));
                let sample = sample(clock);
                let before = clock.now();
                if with_box {
                    let entry = Entry::of(&sample, Level::Normal, None, None);
                    recorder.record(entry, |_, text| panic!("{text}"));
                }
                let took = clock.now().since(before);
                // A thousand a second would not fit between two looks.
                recorder.thread.unpark();
                took
            })
            .collect();
        recorder.close();
        assert!(finished.wait(Duration::from_secs(60)));
        took.sort();
        let of = |share: f64| took[((SAMPLES - 1) as f64 * share) as usize];
        let mean = took.iter().sum::<Duration>() / SAMPLES as u32;
        println!(
            "{name}: mean {mean:?}, p50 {:?}, p99 {:?}, p99.9 {:?}, most {:?}",
            of(0.5),
            of(0.99),
            of(0.999),
            of(1.0)
        );
    };
    measure("without a box", false);
    measure("the watch thread hands a sample over", true);
    thread::scope(|scope| {
        scope.spawn(|| {
            let (path, block) = (folder.path().join("ballast"), vec![7_u8; 4 << 20]);
            while !stop.load(Ordering::Relaxed) {
                let mut file = fs::File::create(&path).unwrap();
                for _ in 0..64 {
                    file.write_all(&block).unwrap();
                    written.fetch_add(4, std::sync::atomic::Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
                file.sync_all().unwrap();
            }
        });
        let before = clock.now();
        measure("beside a writer of as much as the disk takes, without a box", false);
        measure("beside the same, with a box", true);
        let seconds = clock.now().since(before).as_secs_f64();
        stop.store(true, Ordering::Relaxed);
        println!("the writer wrote {:.0} MiB/s", written.load(Ordering::Relaxed) as f64 / seconds);
    });
    let (words, _heard) = sync_channel(WORDS);
    let around = Surroundings::of(&Sample::default());
    let mut writer = writer::Writer::new(folder.path().join("own.box"), false, run(), around, clock, words);
    let before = clock.now();
    (0..SAMPLES).for_each(|_| writer.take(entry(clock)));
    println!("the box's thread writes one in {:?}", clock.now().since(before) / SAMPLES as u32);
}
