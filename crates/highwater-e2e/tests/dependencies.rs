//! What linking the agent brings into a host, and which Rust that asks for: from cargo's own tree and metadata.

#![allow(clippy::expect_used, reason = "test code, outside of test functions")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What `cargo` prints when it is called so.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).output().expect("cargo");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The crates, `name vVERSION`, that a package needs in the ways that `arguments` say, itself included.
fn tree(package: &str, arguments: &[&str]) -> BTreeSet<String> {
    let printed = cargo(&[&["tree", "-p", package, "--prefix", "none", "--format", "{p}"], arguments].concat());
    let name_and_version = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    printed.lines().filter(|line| !line.is_empty()).map(name_and_version).collect()
}

/// The crates that `highwater` needs at run time with these features, itself included.
fn crates(features: &[&str]) -> BTreeSet<String> {
    tree("highwater", &[&["-e", "normal"], features].concat())
}

/// A version of Rust as numbers that compare; a part that is not written is 0.
fn version(text: &str) -> [u32; 3] {
    let mut parts = text.split('.').map(|part| part.parse().expect("a number"));
    [(); 3].map(|()| parts.next().unwrap_or_default())
}

/// Runtimes and clients that a host may have, and must not get from the agent unasked.
const STACKS: [&str; 4] = ["tokio", "reqwest", "hyper", "tonic"];

#[test]
fn without_default_features_there_are_at_most_12_crates() {
    holds(&["--no-default-features"], 12, &[]);
}

#[test]
fn the_default_features_with_jemalloc_bring_at_most_60_crates_and_no_async_runtime() {
    holds(&["--features", "jemalloc"], 60, &[]);
}

#[test]
fn with_gzip_there_are_at_most_65_crates_and_no_async_runtime() {
    holds(&["--features", "jemalloc,gzip"], 65, &[]);
}

#[test]
fn with_tls_there_are_at_most_72_crates_and_of_tokio_no_runtime() {
    holds(&["--features", "jemalloc,tls"], 72, &["tokio"]);
    let features = cargo(&["tree", "-p", "highwater", "--features", "tls", "-i", "tokio", "-e", "normal,features"]);
    assert!(!features.contains("tokio feature \"rt\""), "{features}");
}

#[test]
fn with_grpc_there_are_at_most_70_crates_and_neither_tonic_nor_hyper() {
    holds(&["--features", "jemalloc,grpc"], 70, &["tokio"]);
}

#[test]
fn with_heap_profiles_there_are_at_most_72_crates_and_no_async_runtime() {
    holds(&["--features", "heap-profile"], 72, &[]);
}

#[test]
fn to_send_heap_profiles_takes_no_crate_more() {
    holds(&["--features", "unstable-profiles"], 72, &[]);
    assert_eq!(crates(&["--features", "unstable-profiles"]), crates(&["--features", "heap-profile"]));
}

#[test]
fn with_all_features_there_are_at_most_90_crates() {
    holds(&["--all-features"], 90, &["tokio"]);
}

#[test]
fn the_profiles_bring_at_most_18_crates_and_no_reader_of_dwarf() {
    let crates = tree("highwater-profile", &["-e", "normal"]);
    println!("highwater-profile: {} crates", crates.len());
    assert!(crates.len() <= 18, "{}: {crates:#?}", crates.len());
    assert!(!crates.iter().any(|name| ["addr2line", "gimli", "object"].iter().any(|reader| name.starts_with(reader))));
}

#[test]
fn the_page_brings_tokio_and_hyper_and_at_most_20_crates_beside_the_agent() {
    let agent = crates(&["--no-default-features"]);
    let crates = tree("highwater-page", &["-e", "normal"]);
    println!("highwater-page: {} crates, {} of them the agent's", crates.len(), agent.len());
    let own: Vec<_> = crates.difference(&agent).collect();
    assert!(own.len() <= 20, "{}: {own:#?}", own.len());
    for stack in STACKS.into_iter().chain(["serde", "flate2", "miniz_oxide"]) {
        let is_there = own.iter().any(|name| name.starts_with(&format!("{stack} ")));
        assert_eq!(is_there, ["tokio", "hyper"].contains(&stack), "{stack} in {own:#?}");
    }
}

#[test]
fn the_command_line_without_its_reaper_brings_nothing_of_opentelemetry() {
    let crates = tree("highwater-cli", &["-e", "normal", "--no-default-features"]);
    println!("highwater-cli: {} crates", crates.len());
    assert!(crates.len() <= 44, "{}: {crates:#?}", crates.len());
    assert!(crates.iter().any(|name| name.starts_with("highwater-model ")), "{crates:#?}");
    for stack in STACKS.into_iter().chain(["opentelemetry", "ureq", "tracing"]) {
        assert!(!crates.iter().any(|name| name.starts_with(stack)), "{stack} in {crates:#?}");
    }
}

/// With these features there are at most so many crates, and of [`STACKS`] only those in `allowed`.
#[track_caller]
fn holds(features: &[&str], at_most: usize, allowed: &[&str]) {
    let crates = crates(features);
    println!("{features:?}: {} crates", crates.len());
    assert!(crates.len() <= at_most, "{}: {crates:#?}", crates.len());
    for stack in STACKS.into_iter().filter(|stack| !allowed.contains(stack)) {
        assert!(!crates.iter().any(|name| name.starts_with(&format!("{stack} "))), "{stack} in {crates:#?}");
    }
}

#[test]
fn no_dependency_asks_for_a_newer_rust_than_the_package_that_has_it() {
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).expect("JSON");
    let of = |package: &Value, key: &str| package[key].as_str().map(str::to_owned);
    let packages = metadata["packages"].as_array().expect("packages");
    let asked: BTreeMap<String, String> = packages
        .iter()
        .filter_map(|package| {
            let name = format!("{} v{}", of(package, "name")?, of(package, "version")?);
            Some((name, of(package, "rust_version")?))
        })
        .collect();
    let mut compared = 0;
    for package in packages.iter().filter(|package| package["source"].is_null()) {
        let name = of(package, "name").expect("a name");
        let stated = of(package, "rust_version").unwrap_or_else(|| panic!("{name} states no rust-version"));
        // Everything that any feature builds on any system, tests aside.
        for needed in tree(&name, &["--all-features", "--target", "all", "-e", "normal,build"]) {
            let Some(asks) = asked.get(&needed) else { continue };
            assert!(version(asks) <= version(&stated), "{name} states Rust {stated}, {needed} asks for {asks}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared} comparisons: the metadata are not what this test takes them for");
}
