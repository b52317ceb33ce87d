//! The public interface of each published crate, as `crates/NAME/public-api.txt` has it: no change goes unseen.
//!
//! From rustdoc's own description, with all features. Its format is not stable: a rustdoc that writes another one than the
//! reader knows is said by name, and nothing is compared then.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "test code, outside of test functions")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use highwater_e2e::binary::repository;
use highwater_e2e::environment::variable;
use serde_json::Value;

#[test]
fn the_interface_of_the_model_is_as_written() {
    is_as_written("highwater-model");
}

#[test]
fn the_interface_of_the_profiles_is_as_written() {
    is_as_written("highwater-profile");
}

#[test]
fn the_interface_of_the_sources_is_as_written() {
    is_as_written("highwater-sources");
}

#[test]
fn the_interface_of_the_agent_is_as_written() {
    is_as_written("highwater");
}

#[test]
fn the_interface_of_the_middleware_is_as_written() {
    is_as_written("highwater-middleware");
}

#[test]
fn the_interface_of_the_page_is_as_written() {
    is_as_written("highwater-page");
}

/// With `HIGHWATER_BLESS=1` in the environment the file is written.
fn is_as_written(package: &str) {
    let Some(interface) = interface(&described(package)) else {
        eprintln!("{package}: this rustdoc writes a format that cannot be read here: its interface is NOT COMPARED");
        return;
    };
    let path = repository().join("crates").join(package).join("public-api.txt");
    if variable("HIGHWATER_BLESS").is_some() {
        fs::write(&path, &interface).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    let (is, was): (BTreeSet<_>, BTreeSet<_>) = (interface.lines().collect(), written.lines().collect());
    assert!(
        interface == written,
        "{} is out of date: is the change meant, and in CHANGELOG.md? Then run the test with HIGHWATER_BLESS=1.\n\
         new: {:#?}\ngone: {:#?}",
        path.display(),
        is.difference(&was).collect::<Vec<_>>(),
        was.difference(&is).collect::<Vec<_>>()
    );
}

/// Lets rustdoc describe a package, and returns where.
fn described(package: &str) -> PathBuf {
    let arguments = ["rustdoc", "-q", "-p", package, "--lib", "--all-features", "--"];
    let rustdoc = repository().join("crates/highwater-e2e/tests/public_api/rustdoc.sh");
    cargo(arguments.into_iter().chain(["-Z", "unstable-options", "--output-format", "json"]), &rustdoc);
    let metadata = cargo(["metadata", "--no-deps", "--format-version", "1"], &rustdoc);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let target = Path::new(metadata["target_directory"].as_str().unwrap());
    target.join("doc").join(package.replace('-', "_")).with_extension("json")
}

fn cargo<'a>(arguments: impl IntoIterator<Item = &'a str>, rustdoc: &Path) -> String {
    let output = Command::new(env!("CARGO")).args(arguments).env("RUSTDOC", rustdoc).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// One line an item; `None` where the description cannot be read.
///
/// Of what the compiler derives only the head stands there, since the rest is the same everywhere, and of the traits that
/// it finds by itself those that a program can depend on without knowing.
fn interface(description: &Path) -> Option<String> {
    let whole = public_api::Builder::from_rustdoc_json(description).omit_blanket_impls(true);
    let by_hand = whole.clone().omit_auto_derived_impls(true).omit_auto_trait_impls(true).build().ok()?.to_string();
    let by_hand: BTreeSet<_> = by_hand.lines().collect();
    let whole = whole.build().ok()?.to_string();
    let automatic = |line: &str| line.starts_with("impl core::marker::") || line.starts_with("impl core::panic::");
    let depended_on =
        |line: &str| ["Copy", "Send", "Sync"].iter().any(|name| line.contains(&format!("::marker::{name} ")));
    let kept =
        |line: &&str| by_hand.contains(line) || (line.starts_with("impl") && (!automatic(line) || depended_on(line)));
    Some(whole.lines().filter(kept).fold(String::new(), |text, line| text + line + "\n"))
}
