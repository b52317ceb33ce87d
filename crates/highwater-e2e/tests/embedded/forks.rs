//! After a fork: what a child inherits never hangs and never lies, and each process tells of itself alone.

use std::collections::{BTreeMap, BTreeSet};

use highwater_e2e::peers::Lone;
use highwater_e2e::process::Program;
use highwater_e2e::{MIB, binary, wait};

#[test]
fn what_a_forked_child_inherits_never_hangs_at_whatever_moment_it_was_forked() {
    let program = Program::at(&binary::example("forking")).arg("hurried").variables(&[
        ("OTEL_SDK_DISABLED", "true"),
        // A raised level is the parent's, and so is what it does about it.
        ("HIGHWATER_LIMIT", "1MiB"),
        ("HIGHWATER_PURGE", "high"),
        // Its page is the parent's, too.
        ("HIGHWATER_PAGE", "127.0.0.1:0"),
    ]);
    let mut program = program.start();
    program.wait_for_success();
    assert_eq!(program.output(), "40 children ended well\n");
}

#[test]
fn forked_workers_and_their_parent_each_tell_of_themselves_once() {
    let mut collector = Lone::started();
    let program = Program::at(&binary::example("forking")).arg("workers").with_input();
    let mut program = program
        .variables(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.http()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "200"),
            // Each is over it from its first sample on.
            ("HIGHWATER_LIMIT", "1MiB"),
            ("HIGHWATER_HOLD_ELEVATED", "0s"),
        ])
        .start();

    // The resident memory of each process, as last told, by its instance.
    let told = |collector: &Lone| -> BTreeMap<(i64, String), f64> {
        let points = collector.points().into_iter().filter(|point| point.metric() == "process.memory.usage");
        points
            .map(|point| ((point.resource("process.pid").as_i64().unwrap(), point.instance()), point.value()))
            .collect()
    };
    let parent = i64::from(program.id());
    let resident = wait::until_ok("all three tell of themselves", || {
        let (told, output) = (told(&collector), program.output());
        let held = |mib: u64| {
            let worker = output.lines().find_map(|line| line.strip_suffix(&format!(" holds {mib} MiB")))?;
            let id: i64 = worker.strip_prefix("worker ")?.parse().ok()?;
            Some(*told.iter().find(|((process, _), _)| *process == id)?.1 as u64)
        };
        let own = told.iter().find(|((process, _), _)| *process == parent).map(|(_, bytes)| *bytes as u64);
        let resident = own.zip(held(16)).zip(held(48));
        // Each number must be the process's own, once it holds all that it takes.
        resident
            .filter(|((own, small), large)| *small > 16 * MIB && *large > own + 40 * MIB && *large > small + 28 * MIB)
            .ok_or_else(|| format!("{told:?}"))
    });
    assert!(resident.0.0 < 16 * MIB, "the parent's numbers are its own: {resident:?}");

    program.close_input();
    program.wait_for_success();
    // It has written all then.
    collector.stop();
    let told: BTreeSet<_> = told(&collector).into_keys().collect();
    let instances: BTreeSet<_> = told.iter().map(|(_, instance)| instance).collect();
    assert_eq!((told.len(), instances.len()), (3, 3), "one instance a process: {told:?}");
    let records = collector.records();
    let unique: BTreeSet<_> = records.iter().map(|record| record.attribute("log.record.uid").to_string()).collect();
    assert_eq!(unique.len(), records.len(), "nothing is sent twice: {records:?}");
    for event in ["highwater.memory.episode.begun", "highwater.memory.episode.ended"] {
        let of: Vec<_> =
            records.iter().filter(|record| record.name() == event).map(|record| record.instance()).collect();
        assert_eq!((of.len(), of.iter().collect::<BTreeSet<_>>().len()), (3, 3), "{event} of {of:?}");
    }
}
