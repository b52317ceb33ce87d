//! What the page shows, and how it follows the demo.

use std::time::Duration;

use highwater_e2e::MIB;
use highwater_e2e::browser::Browser;
use highwater_e2e::folder::Folder;
use highwater_e2e::wait::Stopwatch;
use serde_json::json;

use super::{NEWEST, PAGE, SPAN, TIGHT, UNSENT, allocate, demo, keep, mib, number, open, saved, shown};

#[test]
fn the_verdict_and_the_four_numbers_are_there_within_ten_seconds() {
    let demo = demo(&[]);
    allocate(&demo, 40);
    let browser = Browser::shared();
    let tab = browser.tab();
    let clock = Stopwatch::start();
    open(&tab, &demo);
    assert!(clock.elapsed() < Duration::from_secs(10), "{:?}", clock.elapsed());

    for part in ["#verdict-title", "#verdict-reason", "#verdict-next"] {
        assert!(tab.text(part).len() > 3, "{part}: {:?}", tab.text(part));
    }
    assert!(tab.text("#levels").contains("512 MiB, from the configuration"), "{}", tab.text("#levels"));
    tab.wait_until("the page has seen what was allocated", &format!("{} > 40", shown("allocated")));
    let status = demo.status();
    for (card, key) in
        [("#n-resident", "heapTotal"), ("#n-allocated", "heapUsed"), ("#n-external", "external"), ("#n-rss", "rss")]
    {
        let (shown, told) = (mib(&tab.text(card)), status[key].as_f64().unwrap() / MIB as f64);
        assert!((shown - told).abs() < 8.0, "{key}: {shown} MiB on the page, {told} MiB by /status");
    }
    keep(&tab, "verdict");
}

#[test]
fn what_is_allocated_shows_at_once_and_without_loading_again() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.run("window.same = true;");
    allocate(&demo, 64);
    demo.get("/buffer");
    tab.wait_until("64 MiB of heap are shown", &format!("{} >= 64 && {} >= 1", shown("allocated"), shown("external")));
    assert_eq!(tab.run("return window.same;"), true);
    assert_eq!(tab.text("#link-text"), "Live");
    // The chart, for those who do not see it.
    tab.click("#timeline-table summary");
    let rise = "/heapUsed\\s+\\d.*\\+\\d.*\\sMiB/.test($('#timeline-table').innerText)";
    tab.wait_until("the table of the timeline has the rise", rise);
}

#[test]
fn a_pause_holds_the_charts_while_numbers_go_on_being_kept() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.click("#pause");
    tab.wait_until("the pause is said", "/paused at [\\d:]+, (?![01]\\ss)/.test($('#timeline-lead').textContent)");
    let end = number(&tab, NEWEST);
    allocate(&demo, 32);
    tab.wait_until("the numbers go on", &format!("{} >= 32", shown("allocated")));
    let held = number(&tab, NEWEST);
    assert_eq!(held, end, "the chart moved on");
    tab.click("#pause");
    tab.wait_until("the charts go on", &format!("{NEWEST} > {end} && !$('#timeline-lead').textContent"));
    assert!(tab.text("#legend").contains("heapUsed"), "{}", tab.text("#legend"));
}

#[test]
fn marks_tell_which_part_changed_between_them_also_as_markdown() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.click("#mark-a");
    tab.wait_until("A is set", "$('#marks thead').textContent.includes('A ')");
    allocate(&demo, 48);
    tab.wait_until("the page has seen it", &format!("{} >= 48", shown("allocated")));
    tab.click("#mark-b");
    tab.wait_until("B is set", "$('#marks thead').textContent.includes('B ')");

    let most = tab.text("#marks tr.most");
    let cells: Vec<_> = most.split('\t').collect();
    assert_eq!((cells[0], cells.len()), ("heapUsed", 4), "{most}");
    assert!((40.0..60.0).contains(&mib(cells[3])), "{most}");
    assert!(tab.text("#marks-lead").starts_with("Most changed heapUsed, +"), "{}", tab.text("#marks-lead"));

    tab.command(
        "Browser.grantPermissions",
        &json!({ "permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"] }),
    );
    tab.click("#copy");
    tab.wait_until("it is copied", "$('#copy').textContent === 'Copied'");
    let copied = tab.run_async("return navigator.clipboard.readText();");
    let lines: Vec<_> = copied.as_str().unwrap().lines().collect();
    assert!(lines[0].contains(&format!("pid {}", demo.process().id())), "{copied}");
    assert!(lines[2].starts_with("| Number | A ") && lines[3] == "|---|---:|---:|---:|", "{copied}");
    let row = lines.iter().find(|line| line.starts_with("| heapUsed |")).unwrap();
    assert_eq!(row.trim_matches(['|', ' ']).replace(" | ", "\t"), most, "{copied}");

    tab.click("#clear");
    tab.wait_until("the marks are gone", "!$('#marks thead').textContent.includes('A ')");
}

#[test]
fn dragging_zooms_and_the_zoom_is_reset() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    let span = || number(&tab, SPAN);
    let whole = span();
    tab.drag("#timeline .u-over", 0.4, 0.9);
    tab.wait_until("it is zoomed", "!$('#reset').hidden");
    assert!(span() < whole * 0.7, "{} of {whole}", span());
    tab.click("#reset");
    tab.wait_until("it is not", "$('#reset').hidden");
    assert!(span() > whole * 0.9, "{} of {whole}", span());
}

#[test]
fn an_episode_is_told_with_its_functions_and_its_trace() {
    let jaeger = ("HIGHWATER_JAEGER_URL", "http://127.0.0.1:16686");
    let demo = demo(&[&TIGHT[..], &[jaeger]].concat());
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    demo.allocate_until_used(112 * MIB);
    tab.wait_until("the verdict is that the limit is near", "['watch', 'bad'].includes($('#hero').dataset.tone)");
    tab.wait_until("the episode is there, and open", "/open/.test($('#episodes h3')?.textContent)");
    tab.wait_until("its functions are", "$('#captures code')?.textContent.includes('demo::hoard::Hoard::allocate')");
    let trace = demo.wait_for_level("high");
    let link = tab.run("return $('#episodes a')?.href ?? '';");
    assert_eq!(link, format!("http://127.0.0.1:16686/trace/{trace}"));
    let spoken = tab.text_of("#say-verdict");
    assert!(spoken.starts_with(&tab.text_of("#verdict-title")), "{spoken}");
    keep(&tab, "episode");
}

#[test]
fn the_run_before_that_was_killed_is_told() {
    let folder = Folder::temporary();
    let path = folder.path().join("black-box");
    let boxed = [("HIGHWATER_BLACK_BOX", path.to_str().unwrap())];
    let mut first = demo(&boxed);
    allocate(&first, 8);
    first.process().signal("KILL");
    first.process_mut().wait();

    let second = demo(&boxed);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &second);
    tab.wait_until("the end of the run before is told", "!$('#previous').hidden");
    assert!(tab.text("#previous h2").contains("The run before was killed"), "{}", tab.text("#previous"));
    assert!(tab.text("#previous").contains(&first.process().id().to_string()), "{}", tab.text("#previous"));
}

#[test]
fn delivery_that_fails_says_so_and_what_to_do() {
    let closed = [PAGE, ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"), ("OTEL_METRIC_EXPORT_INTERVAL", "500")];
    let failing = highwater_e2e::demo::Demo::start(None, &closed);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &failing);
    tab.wait_until("the failure is told", "$('#delivery-lead').textContent === 'failing'");
    assert!(tab.text("#delivery").contains("http://127.0.0.1:9"), "{}", tab.text("#delivery"));
    assert!(!tab.text("#delivery-hint").is_empty());
    drop(tab);

    // Nothing is sent at all: that too has its hint.
    let off = demo(&[UNSENT]);
    let tab = browser.tab();
    open(&tab, &off);
    tab.wait_until("it is off", "$('#delivery-lead').textContent === 'off'");
    assert!(!tab.text("#delivery-hint").is_empty());
}

#[test]
fn nothing_unknown_is_shown_as_a_number() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    // As a server would say it that knows the time and nothing else.
    let folder = Folder::temporary();
    let verdict =
        json!({ "kind": "not_enough_data", "tone": "unknown", "title": "Not enough data", "reason": "", "next": "" });
    let bare = json!({
        "seq": 1, "interval": 1.0, "history": { "time": [1.0, 2.0] }, "events": [],
        "state": { "time": 2.0, "verdict": verdict },
    });
    tab.open(&saved(&demo, &folder, &bare));
    tab.wait_until("the page has filled itself", "$('#n-rss').textContent");
    assert_eq!((tab.text("#verdict-title").as_str(), tab.text("#n-rss").as_str()), ("Not enough data", "unknown"));
    let text = tab.text("body");
    for word in ["NaN", "null", "undefined", "Infinity", "Invalid", "0 B"] {
        assert!(!text.contains(word), "{word} in: {text}");
    }
    assert_eq!(tab.log(), Vec::<String>::new());
}

#[test]
fn six_hours_with_a_hole_and_a_clock_that_was_set_back_are_drawn() {
    const START: f64 = 1_795_700_000.0;
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    let folder = Folder::temporary();
    // A row of every ten seconds; nothing for twenty minutes; the clock is set back by an hour; a row of every second.
    let coarse = (0..2000).map(|row| START + 10.0 * f64::from(row) + if row < 1000 { 0.0 } else { 1200.0 });
    let end = START + 20_000.0 + 1200.0;
    let time: Vec<f64> = coarse.chain((0..900).map(|row| end - 3600.0 + f64::from(row))).collect();
    let used: Vec<u64> = (0..time.len() as u64).map(|row| (100 + row / 10) * MIB).collect();
    let verdict =
        json!({ "kind": "healthy", "tone": "good", "title": "Healthy", "reason": "All is well.", "next": "Nothing." });
    let snapshot = json!({
        "seq": 1, "interval": 1.0, "history": { "time": time, "used": used, "rss": used }, "events": [],
        "state": { "time": time.last(), "verdict": verdict, "sample": { "used": used.last(), "rss": used.last() } },
    });
    tab.open(&saved(&demo, &folder, &snapshot));
    tab.wait_until("the page has filled itself", "/^\\d/.test($('#n-rss').textContent)");
    tab.press("5");
    tab.click("#timeline-table summary");
    tab.wait_until("the table has the last row", "/used\\s+389/.test($('#timeline-table').innerText)");
    let whole = number(&tab, SPAN);
    assert!((21_000.0..21_650.0).contains(&whole), "{whole} s are shown");
    assert_eq!(tab.log(), Vec::<String>::new());
    keep(&tab, "six-hours");
}
