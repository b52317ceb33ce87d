//! The program as somebody runs it on a heap profile.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use highwater_profile::{Analysis, NoFiles};
use serde_json::Value;
use tempfile::TempDir;

struct Bench(TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        fs::write(bench.path("before"), dump(1 << 20)).unwrap();
        fs::write(bench.path("after"), dump(5 << 20)).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn profile(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_highwater"));
        command.arg("profile").current_dir(self.0.path()).args(arguments).output().unwrap()
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.profile(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn heap_profile(&self) -> Value {
        self.text(&["after", "--heapprofile", "out.heapprofile"]);
        parsed(&self.path("out.heapprofile"))
    }
}

fn parsed(path: &Path) -> Value {
    serde_json::from_reader(File::open(path).unwrap()).unwrap()
}

/// Two sites of a program without names: one that holds so much, one that holds 2 MiB.
fn dump(held: u64) -> String {
    format!(
        "heap_v2/1\n@ 0x1010 0x2011\n  t*: 7: {held} [0: 0]\n@ 0x1010 0x3011\n  t*: 1: 2097152 [0: 0]\n\n\
         MAPPED_LIBRARIES:\n1000-9000 r-xp 00001000 08:01 7 /srv/<service>\n"
    )
}

/// The words of a row.
fn row(text: &str, number: usize) -> Vec<&str> {
    text.lines().nth(number + 3).unwrap().split_whitespace().collect()
}

#[test]
fn the_largest_sites_come_first_from_a_dump_and_from_pprof() {
    let bench = Bench::new();
    let out = File::create(bench.path("after.pb.gz")).unwrap();
    let mut analysis = Analysis::of(Cursor::new(dump(5 << 20)), &mut NoFiles).unwrap();
    analysis.write_pprof(out, SystemTime::UNIX_EPOCH).unwrap();
    for file in ["after", "after.pb.gz"] {
        let text = bench.text(&[file]);
        assert!(text.starts_with("7MiB live in 2 sites\n"), "{text}");
        assert_eq!(row(&text, 0), ["5MiB", "71.4", "%", "7", "+0x2010", "<service>"], "{text}");
        assert_eq!(row(&text, 1), ["2MiB", "28.6", "%", "1", "+0x3010", "<service>"], "{text}");
    }
    assert!(bench.text(&["after", "--top", "1"]).ends_with("and 1 more: --top\n"));
}

#[test]
fn what_grew_since_an_earlier_profile_is_shown() {
    let bench = Bench::new();
    let text = bench.text(&["after", "--diff", "before"]);
    assert!(text.starts_with("7MiB live in 2 sites, 4MiB more than before\n"), "{text}");
    assert_eq!(row(&text, 0), ["5MiB", "71.4", "%", "7", "+4MiB", "+0x2010", "<service>"], "{text}");
    let text = bench.text(&["before", "--diff", "after"]);
    assert!(text.contains("4MiB less than before") && row(&text, 1).contains(&"-4MiB"), "{text}");
}

#[test]
fn a_flame_graph_is_a_picture_with_all_that_is_held() {
    let bench = Bench::new();
    bench.text(&["after", "--flamegraph", "out.svg"]);
    let drawn = fs::read_to_string(bench.path("out.svg")).unwrap();
    let document = roxmltree::Document::parse(&drawn).unwrap();
    let title = |node: roxmltree::Node<'_, '_>| node.text().unwrap_or_default().to_owned();
    let titles: Vec<String> = document.descendants().filter(|node| node.has_tag_name("title")).map(title).collect();
    assert!(titles.iter().any(|title| title.starts_with("(root): 7MiB, 100.0 %")), "{titles:?}");
    assert!(titles.iter().any(|title| title.starts_with("<service>+0x2010: 5MiB, 71.4 %")), "{titles:?}");
    assert!(!drawn.contains("<script"));
}

#[test]
fn a_heap_profile_for_devtools_holds_all_that_is_held_once() {
    let bench = Bench::new();
    let profile = bench.heap_profile();
    let (mut held, mut ids, mut open) = (0, Vec::new(), vec![&profile["head"]]);
    while let Some(node) = open.pop() {
        held += node["selfSize"].as_u64().unwrap();
        ids.push(node["id"].as_u64().unwrap());
        open.extend(node["children"].as_array().unwrap());
    }
    ids.sort_unstable();
    assert_eq!((held, ids), (7 << 20, vec![1, 2, 3, 4, 5]));
    let samples = profile["samples"].as_array().unwrap();
    assert_eq!(samples.iter().map(|sample| sample["size"].as_u64().unwrap()).sum::<u64>(), 7 << 20);
}

#[test]
fn a_heap_profile_for_devtools_has_the_fields_that_node_writes_and_no_others() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/node");
    let bench = Bench::new();
    let ours = fields(&bench.heap_profile());
    assert_eq!(ours, fields(&parsed(&folder.join("node.heapprofile"))), "as Node 20 wrote them");

    // And as the Node that is here does, where there is one.
    let arguments = ["--heap-prof", "--heap-prof-interval=131072", "--heap-prof-name=node.heapprofile"];
    let node = Command::new("node").current_dir(bench.0.path()).args(arguments).arg(folder.join("hoard.js")).output();
    match node {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            assert_eq!(ours, fields(&parsed(&bench.path("node.heapprofile"))), "as the Node here writes them");
        }
        Err(error) => eprintln!("held against a recorded profile alone: no node to write another: {error}"),
    }
}

/// Each field by its path with the type of its value, those of all nodes of the tree under one path.
fn fields(profile: &Value) -> BTreeSet<String> {
    let (mut fields, mut open) = (BTreeSet::new(), vec![("profile".to_owned(), profile)]);
    while let Some((path, value)) = open.pop() {
        let kind = match value {
            Value::Object(fields) => {
                open.extend(fields.iter().map(|(name, value)| (format!("{path}.{name}"), value)));
                "object"
            }
            Value::Array(elements) => {
                let path = path.strip_suffix(".children").map_or_else(|| format!("{path}[]"), str::to_owned);
                open.extend(elements.iter().map(|element| (path.clone(), element)));
                "array"
            }
            Value::Number(number) if number.is_i64() => "integer",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Bool(_) => "bool",
            Value::Null => "null",
        };
        fields.insert(format!("{path}: {kind}"));
    }
    fields
}

#[test]
fn what_cannot_be_read_is_said_with_what_would_be_right() {
    let bench = Bench::new();
    fs::write(bench.path("text"), "seconds,used\n1,2\n").unwrap();
    fs::write(bench.path("empty"), "").unwrap();
    for (arguments, code, said) in [
        (&["missing"][..], 2, "missing: cannot be opened"),
        (&["text"], 2, "text: not a profile in pprof's format"),
        (&["empty"], 2, "empty: not a profile in pprof's format: it is empty; give a profile"),
        (&["after", "--diff", "text"], 2, "text: not a profile"),
        (&["after", "--flamegraph", "no/such/folder.svg"], 1, "no/such/folder.svg: cannot be written"),
    ] {
        let output = bench.profile(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(code) && text.starts_with(said), "{arguments:?}: {text}");
    }
}

#[test]
fn a_file_that_is_not_there_is_said_and_leaves_the_profile_as_it_is() {
    let bench = Bench::new();
    let output = bench.profile(&["after", "--symbols"]);
    let (text, said) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(
        text.starts_with("7MiB live") && said.contains("/srv/<service>: no file with its build id"),
        "{text}{said}"
    );
}
