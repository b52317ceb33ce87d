//! Readings of fixture trees: the awkward places in which a process can find itself.
#![cfg(unix)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use highwater_model::{Bytes, Limit, LimitSource, SinceStart};
use highwater_sources::{Availability, Options, Regions, Source, Sources, container_id, process_start_time};

use self::tree::{MIB, OWN, Tree, availability, glance, reason, sample};

mod glances;
mod limits;
mod tree;
mod trouble;

const NONE: u64 = 0x7FFF_FFFF_FFFF_F000;

const fn mib(n: u64) -> Option<Bytes> {
    Some(Bytes::mib(n))
}

#[test]
fn a_process_without_cgroup_uses_what_is_its_own() {
    let tree = Tree::new();
    tree.write("proc/self/cgroup", "");
    tree.write("proc/self/mountinfo", "");
    let mut sources = tree.open();
    let sample = sample(&mut sources);
    assert_eq!((sample.used, sample.limit, sample.cgroup), (Some(OWN), None, None));
    assert_eq!((sample.process.rss, sample.process.address_space), (mib(130), Some(Bytes::new(100_000 * 4096))));
    assert_eq!((sample.process.anon, sample.process.file), (mib(100), mib(20)));
    assert_eq!((sample.process.shmem, sample.process.swap, sample.process.peak), (mib(10), mib(5), mib(200)));
    assert_eq!(
        (sample.process.threads, sample.process.minor_faults, sample.process.major_faults),
        (Some(4), Some(500), Some(20))
    );
    assert_eq!(availability(&sources, Source::Proc), Availability::Available);
    assert_eq!(availability(&sources, Source::Cgroup), Availability::Absent);
    assert_eq!(availability(&sources, Source::Pressure), Availability::Absent);
}

#[test]
fn a_v2_cgroup_is_read_whole() {
    let tree = Tree::v2("/service");
    tree.v2_directory("service", &(512 * MIB).to_string(), 200);
    let mut sources = tree.open();
    let sample = sample(&mut sources);
    let scope = tree.id("sys/fs/cgroup/service");
    assert_eq!(sample.used, mib(140));
    assert_eq!(sample.limit, Some(Limit { bytes: Bytes::mib(512), source: LimitSource::Cgroup, scope }));
    let cgroup = sample.cgroup.unwrap();
    assert_eq!((cgroup.id, cgroup.limited), (scope, true));
    assert_eq!((cgroup.usage, cgroup.anon, cgroup.shmem), (mib(200), mib(40), mib(3)));
    assert_eq!((cgroup.file_active, cgroup.file_inactive), (mib(30), mib(20)));
    assert_eq!((cgroup.kernel, cgroup.slab_reclaimable, cgroup.sock), (mib(2), mib(10), mib(1)));
    assert_eq!((cgroup.events.low, cgroup.events.high, cgroup.events.max), (Some(1), Some(2), Some(3)));
    assert_eq!((cgroup.events.oom, cgroup.events.oom_kills), (Some(4), Some(5)));
    assert_eq!(cgroup.pressure.some, Some(Duration::from_secs(1)));
    assert_eq!(cgroup.pressure.full, Some(Duration::from_millis(2)));
    assert_eq!(availability(&sources, Source::Cgroup), Availability::Available);
    assert_eq!(availability(&sources, Source::Pressure), Availability::Available);
}

#[test]
fn a_v1_cgroup_is_read_whole() {
    let tree = Tree::v1("/service", "/");
    tree.v1_directory("", NONE, NONE, 4000);
    tree.v1_directory("service", 512 * MIB, 512 * MIB, 200);
    let mut sources = tree.open();
    let sample = sample(&mut sources);
    let scope = tree.id("sys/fs/cgroup/memory/service");
    assert_eq!(sample.used, mib(150));
    assert_eq!(sample.limit, Some(Limit { bytes: Bytes::mib(512), source: LimitSource::Cgroup, scope }));
    let cgroup = sample.cgroup.unwrap();
    assert_eq!((cgroup.id, cgroup.limited, cgroup.usage), (scope, true, mib(200)));
    assert_eq!((cgroup.anon, cgroup.shmem, cgroup.kernel), (mib(40), mib(3), mib(2)));
    assert_eq!((cgroup.slab_reclaimable, cgroup.sock), (None, None));
    assert_eq!((cgroup.events.max, cgroup.events.oom, cgroup.events.oom_kills), (Some(6), None, Some(1)));
    assert_eq!(cgroup.pressure.some, None);
    assert_eq!(availability(&sources, Source::Pressure), Availability::Absent);
}

#[test]
fn a_hybrid_has_its_memory_from_v1_and_its_pressure_from_the_unified_hierarchy() {
    let tree = Tree::v1("/service", "/");
    tree.append("proc/self/cgroup", "0::/slice\n");
    tree.append("proc/self/mountinfo", "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    tree.v1_directory("service", 512 * MIB, 512 * MIB, 200);
    tree.write("sys/fs/cgroup/unified/slice/cgroup.events", "populated 1\n");
    tree.write("sys/fs/cgroup/unified/slice/memory.pressure", "some avg10=0.00 total=5\nfull avg10=0.00 total=4\n");
    let mut sources = tree.open();
    let sample = sample(&mut sources);
    assert_eq!(sample.used, mib(150));
    assert_eq!(sample.cgroup.unwrap().pressure.some, Some(Duration::from_micros(5)));
    assert_eq!(availability(&sources, Source::Pressure), Availability::Available);
}

#[test]
fn the_pressure_of_the_whole_machine_is_nobodys() {
    let tree = Tree::v1("/service", "/");
    tree.append("proc/self/cgroup", "0::/\n");
    tree.append("proc/self/mountinfo", "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    tree.v1_directory("service", 512 * MIB, 512 * MIB, 200);
    tree.write("sys/fs/cgroup/unified/memory.pressure", "some avg10=0.00 total=5\nfull avg10=0.00 total=4\n");
    let mut sources = tree.open();
    assert_eq!(sample(&mut sources).cgroup.unwrap().pressure.some, None);
    assert_eq!(availability(&sources, Source::Pressure), Availability::Absent);
}

#[test]
fn kills_in_v1_directories_below_the_binding_one_count() {
    let tree = Tree::v1("/pod/app/worker", "/");
    tree.v1_directory("", NONE, NONE, 4000);
    tree.v1_directory("pod", 512 * MIB, 512 * MIB, 300);
    tree.v1_directory("pod/app", NONE, 512 * MIB, 200);
    tree.v1_directory("pod/app/worker", NONE, 512 * MIB, 100);
    tree.write("sys/fs/cgroup/memory/pod/app/worker/memory.oom_control", "under_oom 0\noom_kill 10\n");
    let cgroup = sample(&mut tree.open()).cgroup.unwrap();
    assert_eq!(cgroup.id, tree.id("sys/fs/cgroup/memory/pod"));
    assert_eq!(cgroup.events.oom_kills, Some(12));
}

#[test]
fn regions_are_in_each_sample() {
    let tree = Tree::new();
    let regions = Arc::new(Regions::new());
    let mut sources =
        Sources::open(Options { root: tree.path().to_path_buf(), ..Options::default() }, Arc::clone(&regions));
    regions.region("staging").set(Bytes::mib(7));
    assert_eq!(sample(&mut sources).external, Bytes::mib(7));
}

#[test]
fn the_process_says_when_it_started_and_where() {
    let tree = Tree::new();
    tree.write("proc/stat", "cpu  1 2 3\nbtime 1700000000\n");
    let id = "ab".repeat(32);
    tree.write("proc/self/cgroup", &format!("0::/docker/{id}\n"));
    // 12,345 ticks of 10 ms.
    let expected = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_123_450);
    assert_eq!(process_start_time(tree.path()), Some(expected));
    assert_eq!(container_id(tree.path()), Some(id));

    let empty = Tree::new();
    assert_eq!(process_start_time(empty.path()), None);
    assert_eq!(container_id(empty.path()), None);
}
