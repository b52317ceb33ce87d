//! The page apart from its server, and apart from everybody else's.

use std::fs;

use highwater_e2e::browser::Browser;
use highwater_e2e::folder::Folder;
use highwater_e2e::{MIB, http, wait};
use serde_json::{Value, json};

use super::{NEWEST, SPAN, UNSENT, allocate, demo, keep, mib, number, open};

#[test]
fn the_export_shows_the_same_numbers_from_a_file_without_a_network() {
    let demo = demo(&[]);
    allocate(&demo, 24);
    let export = http::get(&format!("{}export.html", demo.page())).unwrap();
    assert_eq!(export.status, 200);
    let (_, rest) = export.body.split_once("id=\"snapshot\">").unwrap();
    let snapshot: Value = serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap();
    let folder = Folder::temporary();
    let file = folder.path().join("highwater.html");
    fs::write(&file, &export.body).unwrap();
    // The demo is not asked any more.
    drop(demo);

    let browser = Browser::shared();
    let tab = browser.tab();
    tab.unplug();
    tab.open(&format!("file://{}", file.display()));
    tab.wait_until("the file shows the four numbers", super::FILLED);
    let state = &snapshot["state"];
    assert_eq!(tab.text("#verdict-title"), state["verdict"]["title"].as_str().unwrap());
    assert_eq!(
        tab.text("#verdict-reason"),
        state["verdict"]["reason"].as_str().unwrap().replace(['\u{a0}', '\u{202f}'], " ")
    );
    for (card, key) in
        [("#n-resident", "resident"), ("#n-allocated", "allocated"), ("#n-external", "external"), ("#n-rss", "rss")]
    {
        let (shown, saved) = (mib(&tab.text(card)), state["sample"][key].as_f64().unwrap() / MIB as f64);
        // Three digits are shown.
        assert!((shown - saved).abs() <= saved * 0.006, "{key}: {shown} MiB shown, {saved} MiB saved");
    }
    tab.wait_until("it is said that it is saved", "$('#link-text').textContent.startsWith('Saved ')");
    assert!(tab.run("return document.querySelectorAll('canvas').length;").as_u64().unwrap() >= 3);
    tab.press("5");
    tab.wait_until("the charts still answer", "$('#windows input:checked').value === '21600'");
    assert_eq!(tab.run("return performance.getEntriesByType('resource').map((each) => each.name);"), json!([]));
    assert_eq!(tab.log(), Vec::<String>::new());
    keep(&tab, "export");
}

#[test]
fn nothing_comes_from_elsewhere_and_nothing_foreign_runs() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    let foreign = tab.run(
        "const names = performance.getEntriesByType('resource').map((each) => each.name); \
         return names.filter((name) => !name.startsWith(location.origin));",
    );
    assert_eq!(foreign, json!([]));
    let loaded = tab.run("return performance.getEntriesByType('resource').length;");
    assert!(loaded.as_u64().unwrap() >= 4, "{loaded}");
    assert_eq!(tab.log(), Vec::<String>::new(), "the browser complains");

    tab.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = true;'; \
             document.body.append(script); \
             document.body.insertAdjacentHTML('beforeend', '<img src=\"nowhere.png\" onerror=\"window.ran = true\">');",
    );
    let asked = tab.run_async("return fetch('http://127.0.0.1:9/').then(() => 'answered', () => 'refused');");
    assert_eq!((tab.run("return window.ran ?? false;"), asked), (json!(false), json!("refused")));
    let complaints = tab.log().join("\n");
    for policy in ["script-src", "connect-src"] {
        assert!(complaints.contains(policy), "{policy} in: {complaints}");
    }
}

#[test]
fn every_link_of_the_page_leads_somewhere() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    let answers = tab.run_async(
        "const links = [...document.querySelectorAll('a[href]')].filter((each) => !each.getAttribute('href').startsWith('#')); \
         return Promise.all(links.map(async (each) => [each.getAttribute('href'), (await fetch(each.href)).status]));",
    );
    // Jaeger is not configured, so that there is none to it.
    assert_eq!(answers, json!([["export.html", 200], ["export.json", 200], ["metrics", 200]]));
}

#[test]
fn a_service_that_is_gone_is_said_and_its_successor_is_found() {
    let first = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &first);
    let pid = first.process().id();
    tab.wait_until("it is this process", &format!("$('#pid').textContent === 'pid {pid}'"));
    tab.press("ap");
    tab.wait_until("A is set, and the charts are paused", "$('#marks thead').textContent.includes('A ')");
    let address = first.page().trim_start_matches("http://").trim_end_matches('/').to_owned();
    drop(first);
    tab.wait_until("its end is said", "$('#verdict-title').textContent === 'No answer'");
    assert_eq!(tab.text("#link-text"), "No answer, trying again");
    keep(&tab, "gone");

    let second = highwater_e2e::demo::Demo::start(None, &[UNSENT, ("HIGHWATER_PAGE", &address)]);
    let pid = second.process().id();
    tab.wait_until("the next process is there", &format!("$('#pid').textContent === 'pid {pid}'"));
    tab.wait_until("and gives its own verdict", "$('#verdict-title').textContent !== 'No answer'");
    tab.wait_until("nothing is compared with the one before", "$('#clear').disabled");
    assert_eq!(tab.run("return $('#pause').getAttribute('aria-pressed');"), "false");
    assert!(tab.text_of("#say").contains("marks, pause and zoom are gone"), "{}", tab.text_of("#say"));
    assert_eq!(tab.text("#link-text"), "Live");
}

#[test]
fn a_service_that_refuses_is_not_taken_for_one_that_is_gone() {
    const TOKENS: [&str; 2] = ["the-token-of-the-first", "the-token-of-the-second"];
    let start = |address: &str, token| demo(&[("HIGHWATER_PAGE", address), ("HIGHWATER_PAGE_TOKEN", token)]);
    let first = start("127.0.0.1:0", TOKENS[0]);
    let browser = Browser::shared();
    let tab = browser.tab();
    let page = first.page();
    let page = page.split('?').next().unwrap();
    tab.open(&format!("{page}?token={}", TOKENS[0]));
    tab.wait_until("the page is there", super::FILLED);
    drop(first);

    let second = start(page.trim_start_matches("http://").trim_end_matches('/'), TOKENS[1]);
    let pid = second.process().id();
    tab.wait_until("the token is asked for", "$('#verdict-title').textContent === 'It asks who you are'");
    assert!(tab.text("#verdict-next").contains("Open it by the address that has its token"), "{}", tab.text("#hero"));
    assert!(!tab.text("#hero").contains("Look whether it still runs"), "{}", tab.text("#hero"));
    assert_eq!(tab.text("#link-text"), "Answered 401, trying again");
    keep(&tab, "token");
    // As in another tab of the same browser.
    let opened = tab.run_async(&format!("return fetch('./?token={}').then((answer) => answer.status);", TOKENS[1]));
    assert_eq!(opened, 200);
    tab.wait_until("it is the second process", &format!("$('#pid').textContent === 'pid {pid}'"));
    tab.wait_until("and live", "$('#link-text').textContent === 'Live'");

    tab.run(
        "window.real = fetch; window.Source = EventSource; \
             window.fetch = async () => new Response('too many', { status: 503 }); \
             window.EventSource = class extends EventTarget { \
                 static CLOSED = 2; readyState = 2; constructor() { super(); setTimeout(() => this.onerror()); } close() {} }; \
             for (const value of [true, false]) { \
                 Object.defineProperty(document, 'hidden', { value, configurable: true }); \
                 document.dispatchEvent(new Event('visibilitychange')); \
             }",
    );
    tab.wait_until(
        "that there are too many is said",
        "$('#verdict-title').textContent.startsWith('Too many look at once')",
    );
    assert!(tab.text("#verdict-next").contains("tries again by itself"), "{}", tab.text("#hero"));
    tab.run("window.fetch = real; window.EventSource = Source;");
    tab.wait_until("there is room again", "$('#link-text').textContent === 'Live'");
}

#[test]
fn the_end_of_a_stream_is_seen_by_nobody() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.wait_until("it is live", "$('#link').dataset.state === 'live'");
    let first = number(&tab, NEWEST);
    tab.run(
        "window.seen = []; new MutationObserver(() => seen.push($('#link').dataset.state)) \
             .observe($('#link'), { attributes: true, attributeFilter: ['data-state'] });",
    );
    // A stream lasts for 15 seconds.
    tab.wait_until("rows come from the next stream, too", &format!("{NEWEST} > {}", first + 18.0));
    assert_eq!(tab.run("return seen.filter((state) => state !== 'live');"), json!([]));
    assert_eq!(tab.log(), Vec::<String>::new());
}

#[test]
fn a_tab_that_is_not_seen_holds_no_connection_and_reads_on_when_it_is() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    let connected = |count: u64| {
        wait::until_ok("so many tabs are connected", || {
            let snapshot = http::get(&format!("{}api/snapshot", demo.page())).unwrap().json();
            let clients = snapshot["state"]["cost"]["clients"].as_u64();
            if clients == Some(count) { Ok(()) } else { Err(format!("{clients:?}, and not {count}")) }
        });
    };
    let hide = |hidden: bool| {
        tab.run(&format!(
            "Object.defineProperty(document, 'hidden', {{ value: {hidden}, configurable: true }}); \
             document.dispatchEvent(new Event('visibilitychange'));"
        ));
    };
    connected(1);
    hide(true);
    connected(0);
    let last = number(&tab, NEWEST);
    hide(false);
    connected(1);
    tab.wait_until("rows come again", &format!("{NEWEST} > {}", last + 1.0));
    assert_eq!(tab.text("#link-text"), "Live");
    let snapshots =
        "return performance.getEntriesByType('resource').filter((each) => each.name.endsWith('api/snapshot')).length;";
    assert_eq!(tab.run(snapshots), 1, "it read on where it was");
    assert_eq!(tab.log(), Vec::<String>::new());
}

#[test]
fn a_service_that_always_has_the_page_begin_anew_is_not_asked_without_a_pause() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    // As one behind a balancer that sends each request to another process.
    let resets = "window.EventSource = class extends EventTarget { \
                      constructor() { super(); setTimeout(() => this.dispatchEvent(new Event('reset'))); } close() {} };";
    tab.command("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": resets }));
    open(&tab, &demo);
    tab.wait_until("some seconds pass", "performance.now() > 6000");
    let asked =
        "return performance.getEntriesByType('resource').filter((each) => each.name.endsWith('api/snapshot')).length;";
    let asked = tab.run(asked).as_u64().unwrap();
    assert!((2..=8).contains(&asked), "{asked} times");
}

#[test]
fn a_clock_that_is_set_moves_all_that_was_seen_before() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    // A machine has one clock. The browser is told what it would be told if that had been set: each time is later.
    let told = "window.later = 0; \
        const set = (placed, key) => { if (Number.isFinite(placed?.[key])) placed[key] += later; }; \
        const real = fetch; \
        window.fetch = async (...asked) => { \
            const snapshot = await (await real(...asked)).json(), { history, state, events } = snapshot; \
            history.time.forEach((_, index) => set(history.time, index)); \
            events.forEach((event) => set(event, 'time')); \
            set(state, 'time'); set(snapshot, 'start'); \
            return Response.json(snapshot); \
        }; \
        window.EventSource = class extends EventSource { \
            constructor(...url) { super(...url); window.stream = this; } \
            addEventListener(name, heard) { \
                super.addEventListener(name, ({ data, lastEventId }) => { \
                    const message = JSON.parse(data ?? null); \
                    for (const placed of [message, message?.row, message?.state]) set(placed, 'time'); \
                    heard(new MessageEvent(name, { data: JSON.stringify(message), lastEventId })); \
                }); \
            } \
        };";
    tab.command("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": told }));
    open(&tab, &demo);
    tab.press("a");
    let marked = "$('#marks thead th:nth-child(2)').textContent";
    tab.wait_until("A is set", &format!("{marked}.startsWith('A ')"));
    let (mark, newest) = (tab.run(&format!("return {marked};")), number(&tab, NEWEST));
    // To the second, which it may just have been.
    let moved = |by: i64| {
        let seconds = |text: &str| format!("{text}.match(/\\d+/g).reduce((sum, part) => sum * 60 + Number(part), 0)");
        let apart = format!("({} - {} - {by} + 172800) % 86400", seconds(marked), seconds(&mark.to_string()));
        format!("[0, 1, 86399].includes({apart})")
    };

    for later in [3_600, -3_600] {
        tab.run(&format!("window.later = {later}; stream.dispatchEvent(new Event('reset'));"));
        tab.wait_until("the mark has moved", &moved(later));
        let now = newest + later as f64;
        tab.wait_until("rows come", &format!("{NEWEST} > {}", now + 1.0));
        assert!(number(&tab, NEWEST) < now + 600.0, "by the clock as it was");
        assert!(number(&tab, SPAN) < 600.0, "with a hole where the clock was set");
        assert_eq!(tab.run("return $('#clear').disabled;"), false);
    }
    assert_eq!(tab.log(), Vec::<String>::new());
}

#[test]
fn beyond_this_machine_the_page_asks_for_its_token_once() {
    const TOKEN: &str = "a-token-of-the-test";
    let demo = demo(&[("HIGHWATER_PAGE", "0.0.0.0:0"), ("HIGHWATER_PAGE_TOKEN", TOKEN)]);
    let browser = Browser::shared();
    let tab = browser.tab();
    let url = demo.page().replace("0.0.0.0", "127.0.0.1");
    let url = url.split('?').next().unwrap();
    tab.open(url);
    assert!(tab.text("body").contains("a token is needed"), "{}", tab.text("body"));
    tab.log();
    tab.open(&format!("{url}?token={TOKEN}"));
    tab.wait_until("the page is there", super::FILLED);
    tab.wait_until("its stream too", "$('#link').dataset.state === 'live'");
    assert_eq!(tab.run("return location.href;"), url, "the token stays in the address");
    assert_eq!(tab.run("return document.cookie;"), "", "a script can read the cookie");
    let now = number(&tab, NEWEST);
    tab.wait_until("rows come", &format!("{NEWEST} > {now}"));
    assert_eq!(tab.log(), Vec::<String>::new());
}
