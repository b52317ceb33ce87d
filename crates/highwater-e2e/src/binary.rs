//! Building the programs under test, each as its user builds it: alone, since a build of the whole workspace gives all
//! packages the features that any of them asks for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// The binary of a package of this workspace, in release, built when it is first asked for.
#[track_caller]
pub fn of(package: &'static str) -> PathBuf {
    built(package, || in_release(&["--package", package, "--bin", package]))
}

/// The binary `name` of a package that is called otherwise.
#[track_caller]
pub fn of_named(package: &'static str, name: &'static str) -> PathBuf {
    built(name, || in_release(&["--package", package, "--bin", name]))
}

/// An example of this crate, in release: a program whose only purpose is to be a subject.
#[track_caller]
pub fn example(name: &'static str) -> PathBuf {
    built(name, || in_release(&["--package", "highwater-e2e", "--example", name]))
}

/// The same with one more feature of the agent's, which no other subject has.
#[track_caller]
pub fn example_with(feature: &'static str, name: &'static str) -> PathBuf {
    let feature = format!("highwater/{feature}");
    let packages = ["--package", "highwater-e2e", "--package", "highwater"];
    built(name, || in_release(&[&packages[..], &["--features", &feature, "--example", name]].concat()))
}

/// A program of `hosts/`, which is a workspace of its own, built without optimisation.
#[track_caller]
pub fn host(package: &'static str) -> PathBuf {
    built(package, || of_hosts(package))
}

/// The same, with the C library in it.
#[track_caller]
pub fn static_host(package: &'static str) -> PathBuf {
    built(package, || {
        let printed = Command::new("rustc").args(["--print", "host-tuple"]).output().unwrap().stdout;
        let mut cargo = of_hosts(package);
        // Named, so that the flag is not for build scripts and macros too, which cannot be static.
        cargo.args(["--target", String::from_utf8_lossy(&printed).trim()]);
        cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
        cargo
    })
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

fn in_release(what: &[&str]) -> Command {
    let mut cargo = cargo();
    cargo.current_dir(repository()).arg("--release").args(what);
    cargo
}

fn of_hosts(package: &str) -> Command {
    // The tests themselves are in a folder of the target's.
    let test = std::env::current_exe().unwrap();
    let mut cargo = cargo();
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("hosts"));
    cargo.args(["--package", package, "--target-dir"]).arg(test.ancestors().nth(3).unwrap().join("hosts"));
    cargo
}

fn cargo() -> Command {
    let mut cargo = Command::new(crate::environment::variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    cargo.args(["build", "--message-format=json-render-diagnostics"]);
    cargo
}

#[track_caller]
fn built(name: &'static str, command: impl FnOnce() -> Command) -> PathBuf {
    static BUILT: Mutex<BTreeMap<&'static str, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    // Held while building: cargo would let the others wait just the same. A build that failed is not tried again.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let binary = built.entry(name).or_insert_with(|| build(name, command())).clone();
    drop(built);
    binary.unwrap_or_else(|why| panic!("{why}"))
}

/// Built already where `HIGHWATER_PROGRAMS` names a folder with all of them: a guest has no compiler.
fn build(name: &str, mut cargo: Command) -> Result<PathBuf, String> {
    if let Some(folder) = crate::environment::variable("HIGHWATER_PROGRAMS") {
        return Ok(PathBuf::from(folder).join(name));
    }
    let output = cargo.stderr(Stdio::inherit()).output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("{cargo:?} failed; its output is above"));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let ours = message["reason"] == "compiler-artifact" && message["target"]["name"] == name;
        ours.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    };
    messages.lines().find_map(executable).ok_or_else(|| format!("{cargo:?} made no {name}"))
}
