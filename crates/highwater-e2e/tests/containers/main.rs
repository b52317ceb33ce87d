//! The agent in every kind of container, under the real kernel: what it says at its start, what it tells, what is absent.
//!
//! They run on this machine, under the cgroups that it has, and in the guest of `make guest`, under each kind of tree. The
//! agent prints what it would send, since a guest has room for no collector.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::path::Path;

use highwater_e2e::cgroup::{Cgroup, Version};
use highwater_e2e::process::{Process, Program};
use highwater_e2e::{MIB, binary, console, wait};

mod files;
mod killed;
mod limits;
mod moved;
mod pages;
mod time;

const BEGUN: &str = "highwater.memory.episode.begun";
const ENDED: &str = "highwater.memory.episode.ended";
const NO_LIMIT: &str = ": limit none (HIGHWATER_LIMIT sets one; levels in percent are off), ";

/// Levels are entered and left soon, but not by a blip.
const SOON: &[(&str, &str)] = &[
    ("HIGHWATER_HOLD_ELEVATED", "200ms"),
    ("HIGHWATER_HOLD_HIGH", "200ms"),
    ("HIGHWATER_HOLD_CRITICAL", "0s"),
    ("HIGHWATER_HOLD_LEAVE", "500ms"),
];

/// A program with the agent, which takes and drops memory as it is told.
struct Subject(Process);

impl Subject {
    /// In `cgroup`, or where this test is.
    #[track_caller]
    fn start(cgroup: Option<&Cgroup>) -> Self {
        Self::of(Program::within(cgroup, &binary::example("driven")))
    }

    /// In `cgroup`, after `script` prepared its surroundings in a mount namespace of its own. There `$1` is the cgroup's
    /// directory, `$2` where its hierarchy is mounted and `$$` the process id that the program will have.
    #[track_caller]
    fn prepared(cgroup: &Cgroup, namespaces: &[&str], script: &str) -> Self {
        // The name of the shell comes before its first argument.
        let script = format!("set -e; program=$0; {script}\nexec \"$program\"");
        let program = Program::within(Some(cgroup), Path::new("/usr/bin/unshare"))
            .arg("--mount")
            .args(namespaces.iter().copied());
        let program = program.args(["--", "/bin/sh", "-c", &script]).arg(binary::example("driven"));
        Self::of(program.arg(cgroup.path()).arg(cgroup.mount_point()))
    }

    #[track_caller]
    fn of(program: Program) -> Self {
        let process = program.variables(SOON).variables(console::VARIABLES).with_input().start();
        let subject = Self(process);
        subject.wait_for_word("highwater: ");
        subject
    }

    fn tell(&mut self, order: &str) {
        self.0.tell(order);
    }

    #[track_caller]
    fn wait_for_word(&self, word: &str) {
        wait::until_ok(&format!("it says {word:?}"), || {
            if self.0.error().contains(word) { Ok(()) } else { Err(console::said(&self.0)) }
        });
    }

    #[track_caller]
    fn assert_says_nothing_but_its_start(&self) {
        let said = console::said(&self.0);
        // The second is of every program with the system's allocator.
        let start = |line: &str| line.contains(": limit ") || line.contains("jemalloc is linked");
        let more = |line: &&str| *line != "ready" && !line.starts_with("resource of ") && !start(line);
        let more: Vec<_> = said.lines().filter(more).collect();
        assert!(more.is_empty(), "{said}");
    }

    #[track_caller]
    fn wait_for_limit(&self, bytes: u64) {
        console::wait_for_metric(&self.0, "highwater.memory.limit", |limit| limit == bytes as f64);
    }

    /// Waits until the next metrics are printed, and asserts that none of them has one of these names.
    #[track_caller]
    fn assert_absent(&self, names: &[&str]) {
        console::wait_for_exports(&self.0, 3);
        let metrics = console::metrics(&self.0);
        for name in names {
            assert_eq!(console::metric(&self.0, name), None, "{metrics}");
        }
    }

    /// Ends its input, upon which it ends well.
    #[track_caller]
    fn end(mut self) {
        self.0.close_input();
        self.0.wait_for_success();
    }
}

/// Whether the tree of the cgroup's hierarchy is v2; else says so.
fn is_v2(test: &str, cgroup: &Cgroup) -> bool {
    let v2 = cgroup.version() == Version::V2;
    if !v2 {
        highwater_e2e::not_shown(test, "memory is on cgroup v1; `make guest` has a machine with v2");
    }
    v2
}
