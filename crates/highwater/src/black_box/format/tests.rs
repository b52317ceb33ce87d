use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn header() -> Header {
    let text = |text: &str| Value::Text(text.to_owned());
    Header {
        run: "0d0d0d0d-0000-4000-8000-000000000000".to_owned(),
        agent_version: "0.1.0".to_owned(),
        boot_id: "boot".to_owned(),
        machine: Some(9),
        pid: 7,
        started: Some(at(10)),
        began: Some(at(11)),
        config: "limit 512MiB".to_owned(),
        resource: vec![("service.name".to_owned(), text("cart")), ("process.pid".to_owned(), Value::Int(7))],
    }
}

pub(crate) fn state(sequence: u64) -> State {
    let mut captures = Captures::default();
    (0..25).for_each(|second| captures.push(at(second)));
    State {
        sequence,
        at: Some(at(100)),
        level: Level::High,
        limit: Some(Limit { bytes: Bytes::mib(512), source: LimitSource::Cgroup, scope: 9 }),
        cgroup: 9,
        slope: Some(1.5),
        episode: Some(LastEpisode {
            trace: Some([7; 16]),
            root: Some([8; 8]),
            number: 2,
            began: Some(at(50)),
            level: Level::High,
            cause: Cause::Heap,
            peak: Bytes::mib(500),
            peak_utilization: Some(0.97),
            time_at: [1, 2, 3].map(Duration::from_secs),
            merged: 4,
        }),
        captures,
        ..State::default()
    }
}

#[test]
fn what_is_written_is_read() {
    let mut block = [0; 4096];
    header().encode(&mut block);
    assert_eq!(Header::decode(&block), Some(header()));
    let mut block = [0; 1024];
    state(3).encode(&mut block);
    assert_eq!(State::decode(&block), Some(state(3)));
    assert_eq!(state(3).captures.iter().collect::<Vec<_>>(), (5..25).map(at).collect::<Vec<_>>(), "the latest twenty");
    let moment = Moment {
        number: 5,
        at: Some(at(3)),
        elapsed: Duration::from_millis(1500),
        level: Level::Critical,
        used: Some(Bytes::mib(3)),
        external: Some(Bytes::ZERO),
        oom_kills: Some(2),
        ..Moment::default()
    };
    let mut block = [0; SAMPLE];
    moment.encode(&mut block);
    assert_eq!(Moment::decode(&block), Some(moment));
    let mut block = [0; PANIC.size];
    encode_panic(at(4), &"long/".repeat(100), 12, true, &mut block);
    let panic = decode_panic(&block).unwrap();
    assert!(panic.in_main && panic.at == Some(at(4)) && panic.place.ends_with("long/:12"), "{panic:?}");
}

#[test]
fn sites_are_cut_to_fit() {
    let site = |number: u64| Site {
        function: Some("f".repeat(1000)),
        module: Some("m".to_owned()),
        bytes: Bytes::mib(number),
        objects: number,
        grown: Some(-3),
        ..Site::default()
    };
    let sites: Vec<_> = (0..30).map(site).collect();
    let mut block = [0; 4096];
    encode_sites(9, &sites, &mut block);
    let (sequence, read) = decode_sites(&block).unwrap();
    assert_eq!((sequence, read.len()), (9, MOST_SITES));
    let last = read.last().unwrap();
    assert_eq!((last.objects, last.grown, last.function.as_ref().unwrap().len()), (9, Some(-3), 240));
}

#[test]
fn a_resource_too_large_keeps_what_comes_first() {
    let mut long = header();
    long.resource.extend((0..100).map(|at| (format!("key.{at}"), Value::Text("x".repeat(200)))));
    let mut block = [0; 4096];
    long.encode(&mut block);
    let read = Header::decode(&block).unwrap();
    assert!(read.resource.len() > 10 && long.resource.starts_with(&read.resource), "{}", read.resource.len());
}

#[test]
fn the_parts_of_the_file_do_not_overlap() {
    let rings = RINGS.iter().flat_map(|ring| (0..ring.slots).map(|slot| ring.place(slot)));
    let mut places: Vec<_> = [HEADER, PANIC, EXIT].into_iter().chain(STATE).chain(SITES).chain(rings).collect();
    places.sort_by_key(|place| place.at);
    for pair in places.windows(2) {
        assert!(pair[0].at + pair[0].size as u64 <= pair[1].at, "{pair:?}");
    }
    let last = places.last().unwrap();
    assert!(last.at + last.size as u64 <= SIZE);
    assert!(
        places.iter().all(|place| place.at / 4096 == (place.at + place.size as u64 - 1) / 4096),
        "in one page each"
    );
}

#[test]
fn the_checksum_is_the_standard_s() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

proptest! {
    #[test]
    fn of_a_write_that_is_cut_anywhere_the_older_state_is_left(cut in 0_usize..1024) {
        let (mut old, mut new) = ([0; 1024], [0; 1024]);
        state(3).encode(&mut old);
        let mut next = state(5);
        next.level = Level::Critical;
        next.captures.push(at(99));
        next.encode(&mut new);
        // Over the one two before it; the one between has its own place.
        let mut torn = old;
        torn[..cut].copy_from_slice(&new[..cut]);
        let read = State::decode(&torn);
        prop_assert!(read.is_none() || read == Some(state(3)) || read == Some(next));
    }

    #[test]
    fn whatever_the_bytes_are_nothing_fails(bytes in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let mut sealed = bytes.clone();
        seal(&mut sealed, |put| put.bytes(&bytes));
        for block in [&bytes, &sealed] {
            let _ = (Header::decode(block), State::decode(block), Moment::decode(block));
            let _ = (decode_sites(block), decode_panic(block), decode_exit(block));
        }
    }
}
