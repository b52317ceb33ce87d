//! Accessibility, as far as a program can check it: axe-core's rules.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use highwater_e2e::browser::Browser;
use highwater_e2e::{MIB, binary};

use super::{TIGHT, demo, open};

/// The checker, fetched once.
#[track_caller]
fn axe() -> String {
    let script = binary::repository().join("crates/highwater-e2e/axe.sh");
    let output = Command::new(&script).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success(), "{} fetches no axe-core, for the reason above", script.display());
    fs::read_to_string(Path::new(String::from_utf8_lossy(&output.stdout).trim())).unwrap()
}

#[test]
fn axe_finds_nothing_to_complain_of() {
    let axe = axe();
    let demo = demo(&TIGHT);
    demo.allocate_until_used(112 * MIB);
    demo.wait_for_level("high");
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.wait_until("the functions are there", "$('#captures code')");
    tab.run(&axe);
    tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; });");
    tab.wait_until("the table of the timeline is there", "$('#timeline-table td')");
    let look = |what: &str| {
        let found = tab.run_async(
            "const { violations, passes } = await axe.run(document, { resultTypes: ['violations'] }); \
             const where = (nodes) => nodes.map((node) => node.html.slice(0, 120)).join(' | '); \
             return [passes.length > 20, ...violations.map(({ id, help, nodes }) => `${id}: ${help}: ${where(nodes)}`)];",
        );
        assert_eq!(found, serde_json::json!([true]), "{what}");
    };
    for (scheme, width) in [("light", 1280), ("dark", 1280), ("dark", 360), ("light", 360)] {
        tab.prefer(scheme, "reduce");
        tab.resize(width, 900, 1);
        look(&format!("{scheme}, {width} pixels wide"));
    }
    tab.press("?");
    tab.wait_until("the help is there", "$('#help').open");
    look("the help");
}
