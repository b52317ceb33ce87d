//! Files of the kernel that are garbage, gone, hidden or not to be read.

use std::fs;

use highwater_e2e::folder::Folder;

use super::*;

#[test]
fn garbage_in_memory_stat_blanks_what_depends_on_it_until_it_can_be_read() {
    let test = "garbage_in_memory_stat_blanks_what_depends_on_it_until_it_can_be_read";
    let Some(cgroup) = Cgroup::limited(test, 128 * MIB) else { return };
    let folder = Folder::temporary();
    let file = folder.path().join("stat");
    let good = fs::read_to_string(cgroup.path().join("memory.stat")).unwrap();
    fs::write(&file, "anon twelve\n\u{0}\n").unwrap();
    let script = format!("mount --bind {} \"$1/memory.stat\"", file.display());
    let mut subject = Subject::prepared(&cgroup, &[], &script);
    subject.wait_for_word(": limit unknown (cgroup: memory.stat: its content is not understood), ");
    subject.wait_for_word("cannot read cgroup: memory.stat: its content is not understood; its numbers are absent");
    // Never the process's own use in place of the cgroup's, which would be another number under the same name.
    subject.tell("take 100");
    subject.assert_absent(&["highwater.memory.used", "highwater.memory.limit", "highwater.memory.utilization"]);
    assert!(console::metric(&subject.0, "process.memory.usage").is_some());
    // In place, since it is mounted.
    fs::write(&file, good).unwrap();
    subject.wait_for_word("cgroup can be read again");
    assert_eq!(console::wait_for_event(&subject.0, BEGUN).number("highwater.memory.limit"), 128.0 * MIB as f64);
    assert_eq!(subject.0.error().matches("cannot read").count(), 1, "{}", subject.0.error());
    subject.end();
}

#[test]
fn a_file_of_a_limited_cgroup_that_is_not_there_is_said() {
    let test = "a_file_of_a_limited_cgroup_that_is_not_there_is_said";
    let Some(cgroup) = Cgroup::limited(test, 128 * MIB) else { return };
    let folder = Folder::temporary();
    for entry in fs::read_dir(cgroup.path()).unwrap() {
        let entry = entry.unwrap();
        // Some can only be written.
        let content = fs::read(entry.path()).unwrap_or_default();
        fs::write(folder.path().join(entry.file_name()), content).unwrap();
    }
    fs::remove_file(folder.path().join("memory.stat")).unwrap();
    let script = format!("mount --bind {} \"$1\"", folder.path().display());
    let subject = Subject::prepared(&cgroup, &[], &script);
    let why = "memory.stat: No such file or directory (os error 2)";
    subject.wait_for_word(&format!(": limit unknown (cgroup: {why}), "));
    subject.wait_for_word(&format!("cannot read cgroup: {why}; its numbers are absent"));
    subject.assert_absent(&["highwater.memory.used", "highwater.memory.limit"]);
    subject.end();
}

#[test]
fn among_processes_that_are_hidden_a_user_still_reads_its_own() {
    let test = "among_processes_that_are_hidden_a_user_still_reads_its_own";
    let Some(cgroup) = Cgroup::limited(test, 128 * MIB) else { return };
    let user = "program=\"/usr/bin/setpriv --reuid 65534 --regid 65534 --clear-groups $program\"";
    let script = format!("mount -t proc -o hidepid=2,subset=pid proc /proc; {user}; exec $program");
    let mut subject = Subject::prepared(&cgroup, &[], &script);
    subject.wait_for_word(": limit 128MiB (cgroup), ");
    subject.tell("take 60");
    console::wait_for_metric(&subject.0, "highwater.memory.used", |used| used > 60.0 * MIB as f64);
    console::wait_for_metric(&subject.0, "process.memory.usage", |resident| resident > 60.0 * MIB as f64);
    subject.assert_says_nothing_but_its_start();
    subject.end();
}

#[test]
fn without_proc_the_limit_is_unknown_and_not_none() {
    let test = "without_proc_the_limit_is_unknown_and_not_none";
    let Some(cgroup) = Cgroup::limited(test, 128 * MIB) else { return };
    let mut subject = Subject::prepared(&cgroup, &[], "umount -l /proc");
    let why = "No such file or directory (os error 2)";
    subject.wait_for_word(&format!(": limit unknown (cgroup: /proc/self: {why}), "));
    subject.wait_for_word(&format!("cannot read proc: statm: {why}; its numbers are absent"));
    subject.tell("take 64");
    subject.assert_absent(&["process.memory.usage", "highwater.memory.used", "highwater.memory.limit"]);
    assert_eq!(subject.0.error().matches("cannot read").count(), 2, "one line a source: {}", subject.0.error());
    subject.end();
}

#[test]
fn a_file_of_the_process_that_is_masked_blanks_its_own_numbers() {
    let test = "a_file_of_the_process_that_is_masked_blanks_its_own_numbers";
    let Some(cgroup) = Cgroup::limited(test, 128 * MIB) else { return };
    // As container runtimes mask files.
    let mut subject = Subject::prepared(&cgroup, &[], "mount --bind /dev/null /proc/$$/status");
    subject.wait_for_word(": limit 128MiB (cgroup), ");
    subject.wait_for_word("cannot read proc: status: its content is not understood; its numbers are absent");
    subject.tell("take 100");
    // What does not depend on it goes on.
    console::wait_for_event(&subject.0, BEGUN);
    console::wait_for_metric(&subject.0, "process.memory.usage", |resident| resident > 100.0 * MIB as f64);
    subject.assert_absent(&["process.thread.count", "highwater.process.memory.usage"]);
    subject.end();
}
