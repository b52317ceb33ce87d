//! Where the kernel makes huge pages of everything: what the README says of it.

use highwater_e2e::demo::Demo;
use highwater_e2e::guest;

use super::*;

#[test]
fn where_all_pages_are_huge_two_settings_of_jemalloc_keep_an_idle_service_small() {
    let test = "where_all_pages_are_huge_two_settings_of_jemalloc_keep_an_idle_service_small";
    if !guest::is_here(test) {
        return;
    }
    guest::set_huge_pages("always");
    let anon = |settings: &str| {
        let demo = Demo::start(None, &[("OTEL_SDK_DISABLED", "true"), ("_RJEM_MALLOC_CONF", settings)]);
        let anon = || {
            let status = std::fs::read_to_string(format!("/proc/{}/status", demo.process().id())).unwrap();
            let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
            line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
        };
        wait::until("it has reported", || demo.process().output().contains("Memory Metrics").then_some(()));
        let idle = anon();
        demo.allocate_until_used(idle + 64 * MIB);
        demo.get("/release");
        // jemalloc gives freed pages back within 10 s.
        let back = wait::until_ok("the memory is given back", || {
            let now = anon();
            if now < idle + 16 * MIB { Ok(now) } else { Err(now) }
        });
        println!("{settings:?}: {} KiB idle, {} KiB after a release", idle >> 10, back >> 10);
        idle
    };
    // Each arena has a block of bookkeeping that becomes a huge page, whatever `thp` says.
    let (huge, small) = (anon(""), anon("narenas:1,thp:never"));
    guest::set_huge_pages("madvise");
    assert!(small < 12 * MIB, "{small}");
    assert!(huge > small + 16 * MIB, "what the README says of huge pages is no longer so: {huge}");
}
