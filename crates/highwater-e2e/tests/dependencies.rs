//! What linking the agent brings into a host, counted from cargo's own tree.

#![allow(clippy::expect_used, reason = "test code, outside of test functions")]

use std::collections::BTreeSet;
use std::process::Command;

/// The crates that `highwater` needs at run time with these features, itself included.
fn crates(features: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "-p", "highwater", "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .args(features)
        .output()
        .expect("cargo tree");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tree = String::from_utf8(output.stdout).expect("UTF-8");
    let name_and_version = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    tree.lines().filter(|line| !line.is_empty()).map(name_and_version).collect()
}

#[test]
fn the_default_features_with_jemalloc_bring_at_most_60_crates_and_no_async_runtime() {
    let crates = crates(&["--features", "jemalloc"]);
    println!("{} crates", crates.len());
    assert!(crates.len() <= 60, "{crates:#?}");
    for runtime in ["tokio", "reqwest", "hyper", "tonic"] {
        assert!(!crates.iter().any(|name| name.starts_with(&format!("{runtime} "))), "{runtime} in {crates:#?}");
    }
}

#[test]
fn without_default_features_there_are_at_most_12_crates() {
    let crates = crates(&["--no-default-features"]);
    println!("{} crates", crates.len());
    assert!(crates.len() <= 12, "{crates:#?}");
}
