//! docs/failures.md and the tests: each that the page names exists, and each of the suites for failures stands on the page.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use highwater_e2e::binary::repository;

/// The test targets that are there for failures alone.
const SUITES: &[&str] = &[
    "highwater-e2e::sick_collectors::",
    "highwater-e2e::containers::",
    "highwater-e2e::recording::",
    "highwater-e2e::black_box::",
    "highwater-e2e::settings::bad::",
    "highwater-e2e::embedded::forks::",
    "highwater-e2e::embedded::hosts::",
    "highwater-e2e::embedded::runtimes::",
    "highwater-e2e::embedded::strains::",
];

#[test]
fn the_page_of_failures_and_the_tests_name_the_same() {
    let tests = tests();
    let page = fs::read_to_string(repository().join("docs/failures.md")).unwrap();
    let named: BTreeSet<_> = page
        .lines()
        .filter(|line| line.starts_with('|'))
        .filter_map(|row| row.trim_end_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect();
    assert!(named.len() > 10, "the rows of the page could not be read: {named:?}");
    let unknown: Vec<_> = named.difference(&tests).collect();
    assert!(unknown.is_empty(), "docs/failures.md names tests that do not exist: {unknown:#?}");
    let of_suites = tests.iter().filter(|test| SUITES.iter().any(|suite| test.starts_with(suite)));
    let missing: Vec<_> = of_suites.filter(|test| !named.contains(*test)).collect();
    assert!(missing.is_empty(), "docs/failures.md has no row for {missing:#?}");
}

/// All tests of the workspace's crates, each under its path: crate, test target, modules, name.
fn tests() -> BTreeSet<String> {
    let mut tests = BTreeSet::new();
    for krate in folders(&repository().join("crates")) {
        let name = krate.file_name().unwrap().to_string_lossy().into_owned();
        for root in ["src", "tests"] {
            for file in sources(&krate.join(root)) {
                let path = module_path(file.strip_prefix(krate.join(root)).unwrap());
                let path = format!("{name}::{path}");
                let text = fs::read_to_string(&file).unwrap();
                tests.extend(named_in(&text).map(|(inner, test)| format!("{path}{inner}{test}")));
            }
        }
    }
    tests
}

/// `a/b.rs` is `a::b::`; `a/main.rs`, `a/lib.rs` and `a/mod.rs` are `a::`.
fn module_path(file: &Path) -> String {
    let parts = file.with_extension("");
    let parts = parts.iter().map(|part| part.to_string_lossy().into_owned());
    parts.filter(|part| !["main", "lib", "mod"].contains(&part.as_str())).map(|part| part + "::").collect()
}

/// The functions below `#[test]`, also those inside of `proptest!`, with the inline module `tests` that they are in.
fn named_in(text: &str) -> impl Iterator<Item = (&'static str, String)> + '_ {
    let mut inner = "";
    let mut is_test = false;
    text.lines().filter_map(move |line| {
        let code = line.trim_start();
        if line == "mod tests {" {
            inner = "tests::";
        }
        is_test |= code == "#[test]";
        let function = code.strip_prefix("fn ")?;
        let name = function.split(['(', '<']).next()?.to_owned();
        std::mem::take(&mut is_test).then_some((inner, name))
    })
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in entries(folder) {
        if entry.is_dir() {
            files.extend(sources(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            files.push(entry);
        }
    }
    files
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut folders = entries(folder);
    folders.retain(|entry| entry.is_dir());
    folders
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}
