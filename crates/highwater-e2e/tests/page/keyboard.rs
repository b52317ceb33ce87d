//! Everything without a pointer.

use highwater_e2e::browser::{Browser, Tab, key};

use super::{NEWEST, demo, number, open};

/// Moves the focus on until it is on what `selector` finds.
#[track_caller]
fn tab_to(tab: &Tab<'_>, selector: &str) {
    for _ in 0..80 {
        tab.press(key::TAB);
        if tab.run(&format!("return document.activeElement.matches('{selector}');")) == true {
            return;
        }
    }
    panic!("80 times Tab do not lead to {selector}, but to {}", tab.run("return document.activeElement.outerHTML;"));
}

#[test]
fn the_keyboard_reaches_all_that_the_pointer_does() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);

    // The first stop skips what is no news.
    tab.press(key::TAB);
    assert_eq!(tab.run("return document.activeElement.textContent;"), "Skip to the verdict");
    tab.press(key::ENTER);
    assert_eq!(tab.run("return document.activeElement.id;"), "verdict");

    // A definition comes with the focus, is the one that a screen reader reads, and goes by Escape.
    tab_to(&tab, ".four .term");
    let definition = tab.text("#tip");
    assert!(definition.contains("stats.resident"), "{definition}");
    assert_eq!(
        tab.run("return document.getElementById(document.activeElement.getAttribute('aria-describedby')).textContent;"),
        definition
    );
    tab.press(key::ESCAPE);
    assert_eq!(tab.text("#tip"), "");

    // The timeline is a slider through time.
    tab_to(&tab, "#timeline");
    tab.press(key::LEFT);
    tab.press(key::LEFT);
    let read = tab.run("return $('#timeline').getAttribute('aria-valuetext');");
    assert!(read.as_str().unwrap().contains("heapUsed "), "{read}");
    tab.press(key::HOME);
    tab.press("a");
    tab.wait_until("A is set where the cursor is", "$('#marks thead').textContent.includes('A ')");
    tab.press(key::ESCAPE);
    tab.press("b");
    tab.wait_until("B is set, now", "$('#marks thead').textContent.includes('B ')");
    tab.press("x");
    tab.wait_until("both are gone", "$('#clear').disabled");

    tab.press("+");
    tab.wait_until("it is zoomed", "!$('#reset').hidden");
    tab.press("0");
    tab.wait_until("it is not", "$('#reset').hidden");
    tab.press("3");
    tab.wait_until("15 minutes are chosen", "$('#windows input:checked').value === '900'");
    tab.press("p");
    tab.wait_until("it is paused", "$('#pause').getAttribute('aria-pressed') === 'true'");
    tab.press("p");

    tab.press("?");
    tab.wait_until("the help is there", "$('#help').open");
    tab.press("p");
    assert_eq!(tab.run("return $('#pause').getAttribute('aria-pressed');"), "false", "a key reached below the help");
    tab.press(key::ESCAPE);
    tab.wait_until("it is closed", "!$('#help').open");

    // Single keys can be turned off: a voice that dictates says many.
    tab.run("$('#keys-on').click();");
    tab.press("p");
    assert_eq!(tab.run("return $('#pause').getAttribute('aria-pressed');"), "false");
}

#[test]
fn every_number_has_its_definition_by_focus() {
    let demo = demo(&super::TIGHT);
    demo.allocate_until_used(112 * highwater_e2e::MIB);
    demo.wait_for_level("high");
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.wait_until("the functions are there", "$('#captures code')");
    tab.run("document.querySelectorAll('details.table').forEach((each) => { each.open = true; });");
    tab.wait_until("the table of the timeline is there", "$('#timeline-table td')");
    // A script moves the focus only where the window has it.
    tab.command("Emulation.setFocusEmulationEnabled", &serde_json::json!({ "enabled": true }));
    let without = tab.run(
        "const labels = [...document.querySelectorAll('main dl.facts dt, main dl.rows dt, main tbody th, main tfoot th, \
             .parts thead th:last-child, .four h2, #legend li, #episodes .small, #captures div > .small')]; \
         const seen = labels.filter((each) => each.checkVisibility()), missing = []; \
         for (const label of seen) { \
             const words = [...label.querySelectorAll('[aria-describedby^=def-]')]; \
             if (!words.length) missing.push(label.textContent); \
             for (const word of words) { \
                 word.focus(); \
                 const means = document.getElementById(word.getAttribute('aria-describedby'))?.textContent; \
                 if (!means || $('#tip').hidden || $('#tip').textContent !== means) missing.push(word.textContent); \
             } \
         } \
         return [seen.length > 30, ...missing];",
    );
    assert_eq!(without, serde_json::json!([true]));
    // The table is made from each row anew, and the focus stays.
    tab.run("$('#marks tbody .term').focus();");
    let now = number(&tab, NEWEST);
    tab.wait_until("two more rows have come", &format!("{NEWEST} >= {now} + 2"));
    assert_eq!(tab.run("return document.activeElement.closest('#marks') !== null;"), true);
}

#[test]
fn the_verdict_is_spoken_when_it_changes_and_only_then() {
    let demo = demo(&super::TIGHT);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.run(
        "window.spoken = []; \
             new MutationObserver(() => spoken.push($('#say-verdict').textContent)) \
             .observe($('#say-verdict'), { childList: true, characterData: true, subtree: true });",
    );
    let first = tab.text_of("#verdict-title");
    let now = number(&tab, NEWEST);
    tab.wait_until("three more rows have come", &format!("{NEWEST} >= {now} + 3"));
    if tab.text_of("#verdict-title") == first {
        assert_eq!(tab.run("return spoken.length;"), 0, "{}", tab.run("return spoken;"));
    }
    demo.allocate_until_used(112 * highwater_e2e::MIB);
    tab.wait_until("the new verdict is spoken", "spoken.some((text) => /limit/i.test(text))");
}
