//! Three tests a format, good, malformed and empty, and all parsers on arbitrary bytes.

use std::time::Duration;

use highwater_model::{Bytes, CgroupEvents, Pressure};
use proptest::prelude::*;

use super::membership::Membership;
use super::memory_stat::MemoryStat;
use super::stat::Stat;
use super::statm::Statm;
use super::status::Status;
use super::*;

const fn kib(n: u64) -> Option<Bytes> {
    Some(Bytes::kib(n))
}

mod numbers {
    use super::*;

    #[test]
    fn a_number_may_have_white_space_around_it() {
        assert_eq!(number(b" 42\n"), Some(42));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
    }

    #[test]
    fn what_is_not_all_digits_or_too_large_is_no_number() {
        for text in [&b"-1"[..], b"+1", b"4 2", b"0x10", b"12a", b"18446744073709551616", b"99999999999999999999999"] {
            assert_eq!(number(text), None, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn nothing_is_no_number() {
        assert_eq!(number(b""), None);
        assert_eq!(number(b" \n"), None);
    }
}

mod process {
    use super::*;

    #[test]
    fn statm_is_read_by_position() {
        assert_eq!(statm::parse(b"2534 812 700 40 0 130 0\n"), Some(Statm { size: 2534, resident: 812, shared: 700 }));
    }

    #[test]
    fn a_malformed_statm_is_not_understood() {
        assert_eq!(statm::parse(b"2534 eight 700 40\n"), None);
        assert_eq!(statm::parse(b"2534 812"), None);
    }

    #[test]
    fn an_empty_statm_is_not_understood() {
        assert_eq!(statm::parse(b""), None);
    }

    const STATUS: &[u8] = b"Name:\tVmHWM:\nUmask:\t0022\nTgid:\t7\nVmPeak:\t  10100 kB\nVmHWM:\t    2048 kB\n\
        VmRSS:\t    1800 kB\nRssAnon:\t     600 kB\nRssFile:\t    1100 kB\nRssShmem:\t     100 kB\nVmSwap:\t      12 kB\n\
        THP_enabled:\t1\nThreads:\t9\nSigQ:\t0/96371\n";

    #[test]
    fn status_gives_the_kinds_and_the_threads() {
        let expected = Status {
            anon: kib(600),
            file: kib(1100),
            shmem: kib(100),
            swap: kib(12),
            peak: kib(2048),
            threads: Some(9),
        };
        assert_eq!(status::parse(STATUS), Some(expected));
    }

    #[test]
    fn a_malformed_line_of_status_blanks_its_own_field() {
        let content = b"RssAnon:\t 600 pages\nRssFile:\t kB\nRssShmem:\t 18014398509481984 kB\nThreads:\t3\n";
        assert_eq!(status::parse(content), Some(Status { threads: Some(3), ..Status::default() }));
        assert_eq!(status::parse(b"\0\xff\nVmHWM 12 kB\n"), None);
    }

    #[test]
    fn an_empty_status_is_not_understood() {
        assert_eq!(status::parse(b""), None);
    }

    const STAT: &[u8] =
        b"77 (a) b) (c d) S 1 77 77 0 -1 4194560 5123 99 17 3 11 22 0 0 20 0 4 0 123456 1048576 812 1\n";

    #[test]
    fn stat_is_read_behind_a_name_with_blanks_and_parentheses() {
        assert_eq!(stat::parse(STAT), Some(Stat { minor_faults: 5123, major_faults: 17 }));
        assert_eq!(stat::start_ticks(STAT), Some(123_456));
        assert_eq!(stat::boot_seconds(b"cpu  1 2 3\nintr 5 0\nctxt 9\nbtime 1700000000\n"), Some(1_700_000_000));
    }

    #[test]
    fn a_malformed_stat_is_not_understood() {
        assert_eq!(stat::parse(b"77 (name S 1 77 77 0 -1 4194560 5123 99 17 3"), None);
        assert_eq!(stat::parse(b"77 (name) S 1 77 77 0 -1 4194560 many 99 17 3"), None);
        assert_eq!(stat::start_ticks(b"77 (name) S 1 77 77"), None);
        assert_eq!(stat::boot_seconds(b"btime soon\n"), None);
    }

    #[test]
    fn an_empty_stat_is_not_understood() {
        assert_eq!((stat::parse(b""), stat::start_ticks(b""), stat::boot_seconds(b"")), (None, None, None));
    }
}

mod cgroup {
    use super::*;

    #[test]
    fn a_limit_is_an_amount_or_none() {
        assert_eq!(keyed::limit(b"max\n"), Some(None));
        assert_eq!(keyed::limit(b"1048576\n"), Some(kib(1024)));
        assert_eq!(keyed::amount(b"4096\n"), kib(4));
        assert_eq!(keyed::memory_total(b"MemTotal:       16384 kB\nMemFree: 1 kB\n"), kib(16384));
    }

    #[test]
    fn a_malformed_limit_is_not_understood() {
        for content in [&b"maximum\n"[..], b"-1\n", b"1G\n", b"\xff\xff"] {
            assert_eq!(keyed::limit(content), None, "{}", content.escape_ascii());
        }
        assert_eq!(keyed::memory_total(b"MemTotal: 16384\n"), None);
    }

    #[test]
    fn an_empty_limit_is_not_understood() {
        assert_eq!((keyed::limit(b""), keyed::amount(b""), keyed::memory_total(b"")), (None, None, None));
    }

    #[test]
    fn events_are_running_counts() {
        let content = b"low 1\nhigh 2\nmax 26\noom 3\noom_kill 4\noom_group_kill 0\n";
        let expected = CgroupEvents { low: Some(1), high: Some(2), max: Some(26), oom: Some(3), oom_kills: Some(4) };
        assert_eq!(keyed::events(content), Some(expected));
        assert_eq!(keyed::oom_kills(b"oom_kill_disable 0\nunder_oom 1\noom_kill 5\n"), Some(5));
    }

    #[test]
    fn a_malformed_line_of_events_blanks_its_own_field() {
        let expected = CgroupEvents { max: Some(1), ..CgroupEvents::default() };
        assert_eq!(keyed::events(b"low\nmax 1\noom_kill one\n"), Some(expected));
        assert_eq!(keyed::oom_kills(b"oom_kill_disable 0\nunder_oom 0\n"), None, "before Linux 4.13");
    }

    #[test]
    fn empty_events_are_not_understood() {
        assert_eq!((keyed::events(b""), keyed::oom_kills(b"")), (None, None));
    }

    const V2: &[u8] = b"anon 1024\nfile 9216\nkernel 7168\nkernel_stack 512\npagetables 512\npercpu 0\nsock 3072\n\
        shmem 2048\ninactive_anon 1\nactive_anon 1\ninactive_file 4096\nactive_file 5120\nunevictable 0\n\
        slab_reclaimable 6144\nslab_unreclaimable 512\nslab 6656\npgfault 9\n";

    fn v2() -> MemoryStat {
        MemoryStat {
            anon: kib(1),
            file_active: kib(5),
            file_inactive: kib(4),
            shmem: kib(2),
            kernel: kib(1),
            slab_reclaimable: kib(6),
            sock: kib(3),
        }
    }

    #[test]
    fn the_kinds_of_memory_stat_are_disjoint() {
        assert_eq!(memory_stat::v2(V2), Some(v2()));
    }

    #[test]
    fn memory_stat_without_a_sum_of_kernel_memory_adds_its_parts() {
        let content = String::from_utf8(V2.to_vec()).unwrap().replace("kernel 7168\n", "");
        assert_eq!(
            memory_stat::v2(content.as_bytes()),
            Some(MemoryStat { kernel: kib(1).map(|_| Bytes::new(1536)), ..v2() })
        );
    }

    #[test]
    fn memory_stat_of_v1_takes_the_lines_with_the_children() {
        let content = b"cache 1\nrss 1\nshmem 1\ninactive_file 1\nactive_file 1\nhierarchical_memory_limit 8192\n\
            total_cache 9216\ntotal_rss 1024\ntotal_rss_huge 0\ntotal_shmem 2048\ntotal_inactive_file 4096\n\
            total_active_file 5120\n";
        let expected = MemoryStat {
            anon: kib(1),
            file_active: kib(5),
            file_inactive: kib(4),
            shmem: kib(2),
            ..MemoryStat::default()
        };
        assert_eq!(memory_stat::v1(content), Some(expected));
        assert_eq!(memory_stat::hierarchical_limit(content), Some(kib(8)));
    }

    #[test]
    fn a_malformed_line_of_memory_stat_blanks_its_own_field() {
        let content = b"anon 1024\nactive_file\ninactive_file -3\nshmem 2048\n";
        let expected = MemoryStat { anon: kib(1), shmem: kib(2), ..MemoryStat::default() };
        assert_eq!(memory_stat::v2(content), Some(expected));
        assert_eq!(memory_stat::v2(b"some other file\n"), None);
        assert_eq!(memory_stat::v1(b"total_rss lots\n"), None);
        assert_eq!(memory_stat::hierarchical_limit(b"total_rss 1\n"), Some(None));
    }

    #[test]
    fn an_empty_memory_stat_is_not_understood() {
        assert_eq!((memory_stat::v1(b""), memory_stat::v2(b"")), (None, None));
        assert_eq!(memory_stat::hierarchical_limit(b""), None);
    }

    #[test]
    fn pressure_is_in_microseconds() {
        let content =
            b"some avg10=0.00 avg60=1.25 avg300=0.00 total=1500\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        let (some, full) = (Duration::from_micros(1500), Duration::from_micros(7));
        assert_eq!(pressure::parse(content), Some(Pressure { some: Some(some), full: Some(full) }));
    }

    #[test]
    fn a_malformed_line_of_pressure_blanks_its_own_field() {
        let content = b"some avg10=0.00 total=\nfull avg10=0.00 total=7\n";
        assert_eq!(pressure::parse(content), Some(Pressure { some: None, full: Some(Duration::from_micros(7)) }));
        assert_eq!(pressure::parse(b"some avg10=0.00\n"), None);
    }

    #[test]
    fn an_empty_pressure_is_not_understood() {
        assert_eq!(pressure::parse(b""), None);
    }
}

mod places {
    use super::*;

    #[test]
    fn membership_names_the_memory_controller_and_the_unified_hierarchy() {
        let content = b"9:name=systemd:/\n4:cpu,memory:/a:b c\n0::/unified\n";
        let expected = Membership { memory: Some(b"/a:b c"), unified: Some(b"/unified") };
        assert_eq!(membership::parse(content), expected);
        assert_eq!(membership::parse(b"3:cpuset:/\n0::/\n"), Membership { memory: None, unified: Some(b"/") });
    }

    #[test]
    fn malformed_lines_of_membership_are_passed_over() {
        assert_eq!(
            membership::parse(b"0:\nmemory\n4:memory\n5:memoryless:/a\n6:memory:relative\n"),
            Membership::default()
        );
    }

    #[test]
    fn an_empty_membership_is_none() {
        assert_eq!(membership::parse(b""), Membership::default());
    }

    #[test]
    fn mounts_are_read_behind_any_number_of_optional_fields_and_unescaped() {
        let content =
            b"35 31 0:32 /a\\040b /sys/fs/c\\134group rw,relatime shared:9 master:1 - cgroup cgroup rw,memory\n\
            41 31 0:38 / /unified rw - cgroup2 cgroup2 rw\n";
        let mounts: Vec<_> = mountinfo::parse(content).collect();
        assert_eq!((mounts[0].root.as_slice(), mounts[0].point.as_slice()), (&b"/a b"[..], &b"/sys/fs/c\\group"[..]));
        assert!(mounts[0].is_v1_memory() && !mounts[0].is_unified());
        assert!(mounts[1].is_unified() && !mounts[1].is_v1_memory());
    }

    #[test]
    fn malformed_mounts_are_passed_over() {
        assert_eq!(mountinfo::parse(b"35 31 0:32 / /a rw cgroup cgroup rw,memory\n35 31\n\n").count(), 0);
        let mounts: Vec<_> = mountinfo::parse(b"1 1 0:1 /\\9 /\\04 rw - cgroup x rw,memoryless\n").collect();
        assert_eq!(mounts[0].root, b"/\\9");
        assert!(!mounts[0].is_v1_memory());
    }

    #[test]
    fn no_mounts_are_none() {
        assert_eq!(mountinfo::parse(b"").count(), 0);
    }

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    #[test]
    fn a_container_has_its_id_in_its_path_or_its_mounts() {
        let outer = ID.replace('0', "f");
        for path in [
            format!("0::/docker/{ID}\n"),
            format!("4:memory:/\n0::/system.slice/docker-{ID}.scope\n"),
            format!("4:memory:/docker/{outer}/kubepods/pod1/{ID}\n"),
        ] {
            assert_eq!(container::in_membership(path.as_bytes()), Some(ID), "{path}");
        }
        for root in
            [format!("/var/lib/docker/containers/{ID}/hostname"), format!("/x/overlay-containers/{ID}/userdata/y")]
        {
            let mounts = format!("1 1 0:1 {root} /etc/hostname rw - ext4 /dev/vda rw\n");
            assert_eq!(container::in_mounts(mounts.as_bytes()).as_deref(), Some(ID), "{mounts}");
        }
    }

    #[test]
    fn what_is_not_the_containers_own_id_is_none() {
        assert_eq!(container::in_membership(b"4:memory:/docker/0123456789abcdef\n0::/user.slice\n"), None);
        let sandbox = format!(
            "1 1 0:1 /var/lib/kubelet/pods/7/etc-hosts /etc/hosts rw - ext4 /dev/vda rw\n\
             1 1 0:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw - ext4 /dev/vda rw\n"
        );
        assert_eq!(container::in_mounts(sandbox.as_bytes()), None);
        let elsewhere = format!("1 1 0:1 /backup/containers/{ID}/data /data rw - ext4 /dev/vda rw\n");
        assert_eq!(container::in_mounts(elsewhere.as_bytes()), None);
    }

    #[test]
    fn nothing_has_no_container_id() {
        assert_eq!((container::in_membership(b""), container::in_mounts(b"")), (None, None));
    }
}

proptest! {
    /// Bytes that look like the files, and bytes that look like nothing.
    #[test]
    fn arbitrary_bytes_never_panic(content in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..400),
        "([a-zA-Z_]{0,20}[ :=/\\\\-]{0,3}[0-9]{0,25}[ ()k]{0,3}B?\n?){0,20}".prop_map(String::into_bytes),
    ]) {
        let _ = number(&content);
        let _ = statm::parse(&content);
        let _ = status::parse(&content);
        let _ = (stat::parse(&content), stat::start_ticks(&content), stat::boot_seconds(&content));
        let _ = (keyed::limit(&content), keyed::events(&content), keyed::oom_kills(&content));
        let _ = keyed::memory_total(&content);
        let _ = (memory_stat::v1(&content), memory_stat::v2(&content), memory_stat::hierarchical_limit(&content));
        let _ = pressure::parse(&content);
        let _ = membership::parse(&content);
        let _ = mountinfo::parse(&content).count();
        let _ = (container::in_membership(&content), container::in_mounts(&content));
    }

    #[test]
    fn each_number_is_read_as_it_was_written(value in any::<u64>()) {
        prop_assert_eq!(number(value.to_string().as_bytes()), Some(value));
    }

    /// The first part of a file never gives another number than the whole file: it gives the same or none.
    #[test]
    fn a_file_that_ends_early_at_a_line_gives_no_other_number(lines in 0_usize..20) {
        const FILE: &[u8] = b"anon 1024\nkernel 4096\nsock 3\nshmem 4\ninactive_file 5\nactive_file 6\nslab_reclaimable 7\n";
        let end = FILE.split_inclusive(|byte| *byte == b'\n').take(lines).map(<[u8]>::len).sum();
        let whole = memory_stat::v2(FILE).unwrap();
        let part = memory_stat::v2(&FILE[..end]).unwrap_or_default();
        prop_assert!(part.anon.is_none() || part.anon == whole.anon);
        prop_assert!(part.kernel.is_none() || part.kernel == whole.kernel);
        prop_assert!(part.file_active.is_none() || part.file_active == whole.file_active);
        prop_assert!(part.slab_reclaimable.is_none() || part.slab_reclaimable == whole.slab_reclaimable);
    }
}
