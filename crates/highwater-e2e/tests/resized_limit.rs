//! A limit that is changed while the demo runs: readings on demand follow it, as the watch thread does.
#![allow(clippy::unwrap_used, reason = "test code, outside of test functions")]

use highwater_e2e::cgroup::Cgroup;
use highwater_e2e::demo::Demo;
use highwater_e2e::wait;

const MIB: u64 = 1 << 20;

#[test]
fn the_status_follows_a_limit_that_is_changed_in_place() {
    let test = "the_status_follows_a_limit_that_is_changed_in_place";
    let Some(cgroup) = Cgroup::limited(test, 256 * MIB) else { return };
    let demo = Demo::start(Some(&cgroup), &[("OTEL_SDK_DISABLED", "true")]);
    assert_eq!(demo.status()["limit"], 256 * MIB);
    cgroup.resize(192 * MIB);
    wait::until("the status has the new limit", || (demo.status()["limit"] == 192 * MIB).then_some(()));
    assert_eq!(demo.status()["limitSource"], "cgroup");
}
