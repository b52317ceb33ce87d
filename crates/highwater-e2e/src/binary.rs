//! Building the programs under test, each as its user builds it: alone, since a build of the whole workspace gives all
//! packages the features that any of them asks for, and in release.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

/// The binary of a package of this workspace, built when it is first asked for.
#[track_caller]
pub fn of(package: &'static str) -> PathBuf {
    built(package, &["--bin", package], package)
}

/// An example of this crate: a program whose only purpose is to be a subject.
#[track_caller]
pub fn example(name: &'static str) -> PathBuf {
    built("highwater-e2e", &["--example", name], name)
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap()
}

#[track_caller]
fn built(package: &str, target: &[&str], name: &'static str) -> PathBuf {
    static BUILT: Mutex<BTreeMap<&'static str, Result<PathBuf, String>>> = Mutex::new(BTreeMap::new());
    // Held while building: cargo would let the others wait just the same. A build that failed is not tried again.
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    let binary = built.entry(name).or_insert_with(|| build(package, target, name)).clone();
    drop(built);
    binary.unwrap_or_else(|why| panic!("{why}"))
}

fn build(package: &str, target: &[&str], name: &str) -> Result<PathBuf, String> {
    let cargo = crate::environment::variable("CARGO").unwrap_or_else(|| "cargo".to_owned());
    let output = Command::new(cargo)
        .current_dir(repository())
        .args(["build", "--release", "--message-format=json-render-diagnostics", "--package", package])
        .args(target)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo build --release -p {package} failed; its output is above"));
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        let ours = message["reason"] == "compiler-artifact" && message["target"]["name"] == name;
        ours.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    };
    messages.lines().find_map(executable).ok_or_else(|| format!("cargo build --release -p {package} made no {name}"))
}
