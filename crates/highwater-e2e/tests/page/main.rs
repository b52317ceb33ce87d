//! The live page of the demo, in a real browser, as its user sees it.
//!
//! What the page looks like is kept as pictures in the target's folder `tmp/page`, from each run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "helpers of tests fail as tests do"
)]

use std::fs;
use std::path::Path;

use highwater_e2e::browser::Tab;
use highwater_e2e::demo::Demo;
use highwater_e2e::folder::Folder;
use highwater_e2e::http;
use serde_json::Value;

mod access;
mod apart;
mod cards;
mod keyboard;
mod looks;
mod pictures;
mod shows;

/// Nothing is sent: what is not about delivery.
const UNSENT: (&str, &str) = ("OTEL_SDK_DISABLED", "true");
const PAGE: (&str, &str) = Demo::A_PAGE;
/// A limit that is reached soon, and levels that are entered as soon as they are seen.
const TIGHT: [(&str, &str); 3] =
    [("HIGHWATER_LIMIT", "128MiB"), ("HIGHWATER_HOLD_ELEVATED", "0s"), ("HIGHWATER_HOLD_HIGH", "0s")];
/// The verdict and the four numbers are there.
const FILLED: &str = "$('#verdict-title').textContent !== 'Reading memory' \
                      && ['resident', 'allocated', 'external', 'rss'] \
                          .every((key) => /^\\d/.test($('#n-' + key).textContent))";
/// The second of the newest row that the charts show.
const NEWEST: &str = "Number($('#timeline').getAttribute('aria-valuemax'))";
/// How many seconds they show.
const SPAN: &str =
    "(Number($('#timeline').getAttribute('aria-valuemax')) - Number($('#timeline').getAttribute('aria-valuemin')))";

/// A demo with a page, which sends nothing.
#[track_caller]
fn demo(variables: &[(&str, &str)]) -> Demo {
    Demo::start(None, &[&[PAGE, UNSENT], variables].concat())
}

/// Opens the page and waits until it shows numbers.
#[track_caller]
fn open(tab: &Tab<'_>, demo: &Demo) {
    tab.open(&demo.page());
    tab.wait_until("the page shows the four numbers", FILLED);
}

/// Saves the page of `demo` with another snapshot than its own; returns the address of the file.
#[track_caller]
fn saved(demo: &Demo, folder: &Folder, snapshot: &Value) -> String {
    let export = http::get(&format!("{}export.html", demo.page())).unwrap().body;
    let (before, rest) = export.split_once("id=\"snapshot\">").unwrap();
    let (_, after) = rest.split_once("</script>").unwrap();
    let file = folder.path().join("highwater.html");
    fs::write(&file, format!("{before}id=\"snapshot\">{snapshot}</script>{after}")).unwrap();
    format!("file://{}", file.display())
}

/// The demo holds so many MiB more.
#[track_caller]
fn allocate(demo: &Demo, count: u32) {
    for _ in 0..count {
        assert_eq!(demo.get("/allocate").status, 200);
    }
}

/// The value of an expression in the page.
#[track_caller]
fn number(tab: &Tab<'_>, expression: &str) -> f64 {
    let value = tab.run(&format!("return {expression};"));
    value.as_f64().unwrap_or_else(|| panic!("{expression} is no number: {value}"))
}

/// "83.6 MiB" as MiB.
#[track_caller]
fn mib(text: &str) -> f64 {
    let end =
        text.find(|letter: char| !letter.is_ascii_digit() && letter != '.' && letter != '+').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let size = match unit.trim() {
        "B" => 1.0 / 1_048_576.0,
        "KiB" => 1.0 / 1024.0,
        "MiB" => 1.0,
        "GiB" => 1024.0,
        _ => panic!("no amount of memory: {text:?}"),
    };
    number.parse::<f64>().unwrap_or_else(|error| panic!("{error}: {text:?}")) * size
}

/// The expression for the number that a card shows, in MiB.
fn shown(key: &str) -> String {
    format!(
        "parseFloat($('#n-{key}').textContent) * ({{ KiB: 1 / 1024, MiB: 1, GiB: 1024 }})[$('#n-{key} small')?.textContent]"
    )
}

/// Keeps a picture of the whole page, as output of the build.
#[track_caller]
fn keep(tab: &Tab<'_>, name: &str) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("page");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(name).with_extension("png"), tab.whole_picture()).unwrap();
}
