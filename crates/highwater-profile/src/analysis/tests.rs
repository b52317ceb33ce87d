use std::io::Cursor;

use proptest::prelude::*;

use super::*;
use crate::open::NoFiles;

fn of(dump: &str) -> Analysis<Cursor<&str>> {
    Analysis::of(Cursor::new(dump), &mut NoFiles).unwrap()
}

/// A dump with one stack a line: calls and bytes, each in one object that is always sampled.
fn dump(stacks: &[(&[u64], u64)]) -> String {
    let mut text = "heap_v2/1\n  t*: 0: 0 [0: 0]\n".to_owned();
    for (calls, bytes) in stacks {
        let calls: String = calls.iter().map(|call| format!(" {call:#x}")).collect();
        text += &format!("@{calls}\n  t*: 1: {bytes} [0: 0]\n");
    }
    text + "\nMAPPED_LIBRARIES:\n1000-9000 r-xp 00000000 08:01 7 /usr/bin/service\n"
}

/// Names that are given, in place of those of a file.
fn named(stack: &[&str]) -> (Named, Vec<u64>) {
    let addresses: Vec<u64> = (1..=stack.len() as u64).collect();
    let mut names = Names::default();
    let numbers = stack.iter().map(|name| names.add(name.as_bytes(), |name| kind(name, "service"))).collect();
    (Named { addresses: addresses.clone(), numbers, names, mappings: Vec::new() }, addresses)
}

#[test]
fn the_site_of_a_stack_is_the_first_of_the_programs_own() {
    for (stack, site) in [
        (
            &[
                "prof_backtrace_impl",
                "_rjem_malloc",
                "__rust_alloc",
                "alloc::vec::Vec<T>::push",
                "service::hold",
                "service::main",
                "main",
            ][..],
            4,
        ),
        (&["_rjem_malloc", "<service::A as core::clone::Clone>::clone", "service::main"], 1),
        // In a library without names.
        (&["_rjem_malloc", "", "service::main"], 1),
        (&["malloc", "alloc::vec::Vec<T>::push", "", "service::main"], 2),
        // Nothing of the program: what the runtime holds.
        (&["_rjem_malloc", "alloc::sync::Arc<T>::new", "std::rt::lang_start", "main", "__libc_start_main"], 2),
        // A program in C.
        (&["malloc", "main", "__libc_start_main", "_start"], 1),
        // Nothing but the allocator.
        (&["_rjem_malloc", "_start"], 1),
        // Functions of the allocator with names of their own, and a wrapper of the program's around it.
        (
            &[
                "te_event_trigger",
                "_rjem_malloc",
                "<service::A as core::alloc::GlobalAlloc>::alloc",
                "__rust_alloc",
                "service::hold",
            ],
            4,
        ),
        // No names at all: some frames above those that are shared.
        (&["", "", "", "", "", "", "", ""], 6),
        (&["", ""], 1),
        (&["", "", "", "", "", "", "", "__libc_start_main", "_start"], 6),
    ] {
        let (named, calls) = named(stack);
        assert_eq!(named.site(&calls, 2), Some(site), "{stack:?}");
    }
}

#[test]
fn without_names_there_are_sums_by_address_and_the_rest() {
    let dump = dump(&[(&[0x2001, 0x3001], 600), (&[0x2001, 0x3001, 0x4001], 300), (&[0x2001, 0x20_0001], 100)]);
    let analysis = of(&dump);
    assert_eq!((analysis.bytes(), analysis.objects(), analysis.stacks(), analysis.period()), (1000, 3, 3, 1));
    let sites = analysis.sites(9, None);
    let seen: Vec<_> = sites.iter().map(|site| (site.module.as_deref(), site.bytes, site.grown)).collect();
    assert_eq!(seen, [(Some("service"), 600, None), (Some("service"), 300, None), (None, 100, None)]);
    assert_eq!(analysis.sites(1, None).len(), 1);
    assert_eq!((analysis.rest(), analysis.skipped()), ((0, 0), 0));
    assert_eq!(analysis.mappings().len(), 1);
}

#[test]
fn an_empty_dump_has_no_sites() {
    let mut analysis = of("heap_v2/512\n");
    assert_eq!((analysis.bytes(), analysis.sites(3, None)), (0, Vec::new()));
    assert!(analysis.write_pprof(Vec::new(), SystemTime::UNIX_EPOCH).unwrap() > 0);
}

#[test]
fn what_grew_since_the_baseline_comes_first() {
    let (a, b, c): (&[u64], &[u64], &[u64]) = (&[0x2001], &[0x3001], &[0x4001]);
    let baseline = of(&dump(&[(a, 5000), (b, 100)])).baseline();
    let after = dump(&[(a, 5100), (b, 900), (c, 50)]);
    let analysis = of(&after);
    let grown: Vec<_> = analysis.grown(9, &baseline).iter().map(|site| (site.bytes, site.grown)).collect();
    assert_eq!(grown, [(900, Some(800)), (5100, Some(100)), (50, Some(50))]);
    assert_eq!(analysis.grown(9, &analysis.baseline()), Vec::new());
    let largest = analysis.sites(1, Some(&baseline));
    assert_eq!((largest[0].bytes, largest[0].grown), (5100, Some(100)));
}

#[test]
fn addresses_beyond_the_bound_are_in_the_rest() {
    // In stacks of 32, so that there are few sites.
    let mut text = "heap_v2/1\n".to_owned();
    for stack in 0..MOST_ADDRESSES as u64 / 32 + 5 {
        let calls: String = (0..32).map(|frame| format!(" {:#x}", 2 + stack * 64 + frame * 2)).collect();
        text += &format!("@{calls}\n  t*: 1: 10 [0: 0]\n");
    }
    let analysis = of(&text);
    assert_eq!(analysis.bytes(), 10 * (MOST_ADDRESSES as u64 / 32 + 5));
    assert_eq!(analysis.rest(), (50, 5));
}

#[test]
fn of_too_many_sites_the_large_ones_are_kept() {
    let mut text = "heap_v2/1\n".to_owned();
    let sites = MOST_SITES as u64 * 3;
    for call in 1..=sites {
        text += &format!("@ {:#x}\n  t*: 1: {} [0: 0]\n", call * 16, if call % 100 == 0 { 1 << 20 } else { 10 });
    }
    let analysis = of(&text);
    let largest = analysis.sites(usize::MAX, None);
    assert!(largest.len() <= MOST_SITES);
    assert_eq!(largest.iter().filter(|site| site.bytes == 1 << 20).count() as u64, sites / 100);
    assert_eq!(largest.iter().map(|site| site.bytes).sum::<u64>() + analysis.rest().0, analysis.bytes());
}

proptest! {
    #[test]
    fn sites_and_rest_are_all_there_is(stacks in prop::collection::vec((prop::collection::vec(0x1000..0x1040_u64, 1..12), 1..1_u64 << 40), 0..40)) {
        let stacks: Vec<_> = stacks.iter().map(|(calls, bytes)| (calls.as_slice(), *bytes)).collect();
        let text = dump(&stacks);
        let mut analysis = of(&text);
        let sites = analysis.sites(usize::MAX, None);
        prop_assert_eq!(sites.iter().map(|site| site.bytes).sum::<u64>() + analysis.rest().0, analysis.bytes());
        let mut sum = (0, 0);
        analysis.for_each_stack(&mut |_, objects, bytes| sum = (sum.0 + objects, sum.1 + bytes)).unwrap();
        prop_assert_eq!(sum, (analysis.objects(), analysis.bytes()));
    }
}
