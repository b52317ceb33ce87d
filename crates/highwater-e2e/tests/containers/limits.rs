//! Which limit binds, and what becomes of it while the agent runs.

use super::*;

#[test]
fn without_a_limit_the_process_is_reported_and_nothing_in_percent() {
    let test = "without_a_limit_the_process_is_reported_and_nothing_in_percent";
    let Some(cgroup) = Cgroup::unlimited(test) else { return };
    let mut subject = Subject::start(Some(&cgroup));
    subject.wait_for_word(NO_LIMIT);
    subject.tell("take 64");
    console::wait_for_metric(&subject.0, "highwater.memory.used", |used| used > 64.0 * MIB as f64);
    subject.assert_absent(&["highwater.memory.limit", "highwater.memory.utilization", "highwater.memory.available"]);
    subject.assert_says_nothing_but_its_start();
    subject.end();
}

#[test]
fn a_kernel_that_counts_no_memory_is_no_finding() {
    let test = "a_kernel_that_counts_no_memory_is_no_finding";
    let cgroups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    if cgroups.lines().any(|line| line.contains("memory") || line.starts_with("0::")) {
        highwater_e2e::not_shown(test, "this kernel has memory cgroups; `make guest` boots one without");
        return;
    }
    let mut subject = Subject::start(None);
    subject.wait_for_word(NO_LIMIT);
    subject.tell("take 64");
    console::wait_for_metric(&subject.0, "highwater.memory.used", |used| used > 64.0 * MIB as f64);
    let cgroup = ["highwater.memory.limit", "container.memory.usage", "highwater.cgroup.memory.usage"];
    subject.assert_absent(&cgroup);
    subject.assert_absent(&["highwater.cgroup.oom_kills", "highwater.pressure.some.time"]);
    subject.assert_says_nothing_but_its_start();
    subject.end();
}

#[test]
fn siblings_that_eat_the_limit_above_are_told_as_other_processes() {
    let test = "siblings_that_eat_the_limit_above_are_told_as_other_processes";
    let Some(parent) = Cgroup::limited(test, 192 * MIB) else { return };
    let (own, theirs) = (parent.child("own"), parent.child("theirs"));
    own.resize(128 * MIB);
    let mut subject = Subject::start(Some(&own));
    subject.wait_for_word(": limit 128MiB (cgroup), ");
    let sibling = Program::within(Some(&theirs), &binary::example("driven")).with_input();
    let mut sibling = sibling.variable("HIGHWATER_DISABLED", "true").start();
    sibling.tell("take 170");
    let begun = console::wait_for_event(&subject.0, BEGUN);
    assert_eq!(begun.attribute("highwater.cause"), "other_process");
    assert_eq!(begun.number("highwater.memory.limit"), 192.0 * MIB as f64);
    subject.wait_for_word("; other processes of the cgroup hold most of it");
    sibling.tell("drop");
    let ended = console::wait_for_event(&subject.0, ENDED);
    assert_eq!(
        (ended.attribute("highwater.cause"), ended.attribute("highwater.ended_by")),
        ("other_process", "recovered")
    );
    subject.wait_for_limit(128 * MIB);
    subject.tell("status");
    subject.end();
    sibling.close_input();
    sibling.wait_for_success();
    drop((own, theirs));
}

#[test]
fn memory_high_binds_under_a_name_of_its_own() {
    let test = "memory_high_binds_under_a_name_of_its_own";
    let Some(cgroup) = Cgroup::limited(test, 256 * MIB) else { return };
    if !is_v2(test, &cgroup) {
        return;
    }
    cgroup.slow_down_from(128 * MIB);
    let mut subject = Subject::start(Some(&cgroup));
    subject.wait_for_word(": limit 128MiB (cgroup_high), ");
    // Above it the kernel only slows down: nobody is killed, and what is used exceeds the limit.
    subject.tell("take 140");
    let used = |used: f64| used > 136.0 * MIB as f64;
    console::wait_for_metric(&subject.0, "highwater.memory.used", used);
    console::wait_for_metric(&subject.0, "highwater.memory.utilization", |share| share > 1.0);
    let begun = console::wait_for_event(&subject.0, BEGUN);
    assert_eq!(begun.attribute("highwater.limit.source"), "cgroup_high");
    console::wait_for_metric(&subject.0, "highwater.memory.level", |level| level == 3.0);
    subject.tell("drop");
    let ended = console::wait_for_event(&subject.0, ENDED);
    assert!(ended.number("highwater.peak.utilization") > 1.0, "{ended:?}");
    subject.end();
}

#[test]
fn a_limit_that_falls_and_rises_is_told_as_that_and_not_as_growth() {
    let test = "a_limit_that_falls_and_rises_is_told_as_that_and_not_as_growth";
    let Some(cgroup) = Cgroup::limited(test, 256 * MIB) else { return };
    let mut subject = Subject::start(Some(&cgroup));
    subject.wait_for_word(": limit 256MiB (cgroup), ");
    subject.tell("take 100");
    console::wait_for_metric(&subject.0, "highwater.memory.used", |used| used > 100.0 * MIB as f64);
    cgroup.resize(128 * MIB);
    let begun = console::wait_for_event(&subject.0, BEGUN);
    assert_eq!(begun.attribute("highwater.reason"), "limit_changed");
    assert_eq!(begun.number("highwater.memory.limit"), 128.0 * MIB as f64);
    cgroup.resize(256 * MIB);
    let ended = console::wait_for_event(&subject.0, ENDED);
    assert_eq!(ended.attribute("highwater.ended_by"), "limit_changed");
    assert_eq!(console::events(&subject.0).len(), 2, "{}", console::said(&subject.0));
    subject.end();
}

#[test]
fn what_is_swapped_out_is_the_processs_own_and_never_more_than_the_limit_is_used() {
    let test = "what_is_swapped_out_is_the_processs_own_and_never_more_than_the_limit_is_used";
    if !highwater_e2e::guest::is_here(test) {
        return;
    }
    let Some(cgroup) = Cgroup::limited(test, 64 * MIB) else { return };
    highwater_e2e::guest::set_swap(true);
    cgroup.set_swap(None);
    let mut subject = Subject::start(Some(&cgroup));
    subject.wait_for_word(": limit 64MiB (cgroup), ");
    subject.tell("take 80");
    // The event comes at the limit; then the kernel swaps in place of killing.
    console::wait_for_event(&subject.0, BEGUN);
    let swapped = "highwater.process.memory.usage";
    wait::until_ok("memory is swapped out", || {
        let metrics = console::metrics(&subject.0);
        let line = metrics.lines().find(|line| line.contains(swapped) && line.contains("swap"));
        let bytes = line.and_then(|line| line.split(' ').nth(2)?.parse::<u64>().ok());
        if bytes.is_some_and(|bytes| bytes > 16 * MIB) { Ok(()) } else { Err(metrics) }
    });
    let used = console::metric(&subject.0, "highwater.memory.used").unwrap();
    assert!(used <= 64.0 * MIB as f64, "{used}");
    console::wait_for_metric(&subject.0, "highwater.cgroup.oom_kills", |kills| kills == 0.0);
    subject.tell("drop");
    let ended = console::wait_for_event(&subject.0, ENDED);
    assert!(ended.number("highwater.peak.utilization") <= 1.0, "{ended:?}");
    subject.end();
    drop(cgroup);
    highwater_e2e::guest::set_swap(false);
}

#[test]
fn a_limit_twenty_directories_above_binds() {
    let test = "a_limit_twenty_directories_above_binds";
    let Some(top) = Cgroup::limited(test, 128 * MIB) else { return };
    let mut chain = vec![top];
    for depth in 0..20 {
        let child = chain[chain.len() - 1].child(&depth.to_string());
        chain.push(child);
    }
    let mut subject = Subject::start(chain.last());
    subject.wait_for_word(": limit 128MiB (cgroup), ");
    subject.tell("take 110");
    assert_eq!(console::wait_for_event(&subject.0, BEGUN).number("highwater.memory.limit"), 128.0 * MIB as f64);
    subject.end();
    // From the bottom up: only empty directories can be removed.
    while chain.pop().is_some() {}
}

#[test]
fn a_place_that_is_nested_too_deep_is_said() {
    let test = "a_place_that_is_nested_too_deep_is_said";
    let Some(top) = Cgroup::limited(test, 128 * MIB) else { return };
    let v1 = top.version() == Version::V1;
    let mut chain = vec![top];
    for depth in 0..40 {
        let child = chain[chain.len() - 1].child(&depth.to_string());
        chain.push(child);
    }
    let mut subject = Subject::start(chain.last());
    if v1 {
        subject.wait_for_word(": limit 128MiB (cgroup), ");
    } else {
        let why = "cgroup: it is nested more than 32 deep, and limits above that are not looked for";
        subject.wait_for_word(&format!(": limit unknown (cgroup: {why}), "));
    }
    subject.tell("take 64");
    console::wait_for_metric(&subject.0, "highwater.memory.used", |used| used > 64.0 * MIB as f64);
    subject.end();
    while chain.pop().is_some() {}
}
