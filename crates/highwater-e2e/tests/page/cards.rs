//! The cards below the charts, and the data behind them.

use highwater_e2e::browser::{Browser, Tab, key};
use highwater_e2e::demo::Demo;
use highwater_e2e::folder::Folder;
use highwater_e2e::peers::Lone;
use highwater_e2e::{MIB, http};
use serde_json::json;

use super::{PAGE, TIGHT, allocate, demo, mib, number, open, saved};

/// What a list of facts says under a label.
#[track_caller]
fn fact(tab: &Tab<'_>, list: &str, label: &str) -> String {
    let text = tab.run(&format!(
        "const row = [...$('{list}').children].find((each) => each.dataset.key === \"{label}\" && !each.hidden); \
         return row?.lastElementChild.textContent ?? '';"
    ));
    text.as_str().unwrap().replace(['\u{a0}', '\u{202f}'], " ")
}

#[test]
fn the_parts_add_up_to_the_whole_and_the_bar_has_its_marks() {
    let demo = demo(&TIGHT);
    allocate(&demo, 40);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.wait_until("the heap is among the parts", "$('#parts [data-key=heap]') && !$('#parts [data-key=heap]').hidden");
    let texts = tab.run(
        "const rows = [...$('#parts').tBodies[0].rows].filter((row) => !row.hidden); \
         return [$('#whole'), ...rows.map((row) => row.cells[1])].map((cell) => cell.textContent.replaceAll('\u{a0}', ' '));",
    );
    let amounts: Vec<f64> = texts.as_array().unwrap().iter().map(|text| mib(text.as_str().unwrap())).collect();
    let (whole, sum) = (amounts[0], amounts[1..].iter().sum::<f64>());
    assert!(amounts.len() > 3 && (sum - whole).abs() < whole * 0.02, "{texts}");
    assert!(tab.text("#breakdown-lead").contains(" is "), "{}", tab.text("#breakdown-lead"));

    assert_eq!(
        tab.run("return [...$('#limit-marks').children].map((each) => each.textContent);"),
        json!(["75%", "85%", "95%"])
    );
    let [now, fill] = ["Number($('#bar').getAttribute('aria-valuenow'))", "parseFloat($('#bar .fill').style.width)"]
        .map(|expression| number(&tab, expression));
    assert!(now > 25.0 && (now - fill).abs() <= 1.0, "{now} % said, {fill} % drawn");
    let said = tab.run("return $('#bar').getAttribute('aria-valuetext');");
    assert!(said.as_str().unwrap().replace('\u{a0}', " ").ends_with(" of 128 MiB"), "{said}");

    assert!(fact(&tab, "#cost", "of a core").ends_with(" %"), "{}", tab.text("#cost"));
    assert!(fact(&tab, "#cost", "a reading").contains("s · "), "{}", tab.text("#cost"));
    assert!(mib(&fact(&tab, "#cost", "this page's memory")) > 0.4, "{}", tab.text("#cost"));
    tab.wait_until("the one reader is counted", "/its readers\\s+1$/m.test($('#cost').innerText)");
}

#[test]
fn delivery_that_works_says_since_when_and_to_where() {
    let collector = Lone::started();
    let endpoint = collector.http();
    let variables = [PAGE, ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint), ("OTEL_METRIC_EXPORT_INTERVAL", "500")];
    let demo = Demo::start(None, &variables);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.wait_until("it is delivered", "$('#delivery-lead').textContent === 'delivering'");
    assert!(fact(&tab, "#delivery", "target").contains(&endpoint), "{}", tab.text("#delivery"));
    assert!(fact(&tab, "#delivery", "last success").ends_with(" ago"), "{}", tab.text("#delivery"));
    assert_eq!((fact(&tab, "#delivery", "dropped"), tab.text("#delivery-hint")), ("none".to_owned(), String::new()));
}

#[test]
fn an_episode_that_ended_and_pressure_are_told_in_numbers() {
    const START: f64 = 1_795_700_000.0;
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    let folder = Folder::temporary();
    let event = |name: &str, time: f64, level: &str, reason: &str, attributes: serde_json::Value| {
        json!({
            "seq": 1, "time": START + time, "name": format!("highwater.memory.episode.{name}"), "severity": "warn",
            "text": format!("it has {name}"), "level": level, "reason": reason, "cause": "heap",
            "episode": "0123456789abcdef0123456789abcdef", "attributes": attributes,
        })
    };
    let snapshot = json!({
        "seq": 1, "interval": 1.0,
        "history": {
            "time": [START, START + 1.0, START + 2.0], "used": [MIB, MIB, MIB],
            "pressure_some": [0.1, 0.2, 0.3], "pressure_full": [0.0, 0.0, 0.06],
        },
        "events": [
            event("begun", -100.0, "high", "held", json!({ "highwater.memory.used": 110 * MIB })),
            event("ended", -5.0, "normal", "recovered", json!({ "highwater.peak.used": 112 * MIB, "highwater.duration": 95.0 })),
        ],
        "state": {
            "time": START + 2.0, "sample": { "used": MIB },
            "verdict": { "kind": "healthy", "tone": "good", "title": "Healthy", "reason": "All is well.", "next": "Nothing." },
        },
    });
    tab.open(&saved(&demo, &folder, &snapshot));
    tab.wait_until("the episode is there", "$('#episodes h3')");
    let episode = tab.text("#episodes");
    assert!(!episode.contains("open") && episode.contains("High"), "{episode}");
    for told in ["peak 112 MiB", "duration 1 m 35 s", "held beyond the line", "what grew: heap", "It has ended"] {
        assert!(episode.contains(told), "{told} in {episode}");
    }
    tab.wait_until("pressure is there", "$('#pressure-lead').textContent");
    assert_eq!(tab.text("#pressure-lead"), "stalled on average: some 20 % · full 2.0 %");
    tab.click("#pressure-table summary");
    tab.wait_until("also as a table", "/some\\s+30\\s%\\s+10\\s%\\s+30\\s%/.test($('#pressure-table').innerText)");

    // At a moment, for those who see the chart and for those who do not; and between two.
    tab.command("Emulation.setFocusEmulationEnabled", &json!({ "enabled": true }));
    tab.run("$('#timeline').focus();");
    tab.press(key::HOME);
    for read in ["$('#readout').textContent", "$('#timeline').getAttribute('aria-valuetext')"] {
        let read = tab.run(&format!("return {read};"));
        let read = read.as_str().unwrap().replace('\u{a0}', " ");
        assert!(read.contains("stalled: some 10 %, full 0 %"), "{read}");
    }
    let rows = tab.run("return [...$('#marks tbody').rows].map((row) => row.innerText.replaceAll('\u{a0}', ' '));");
    assert!(rows.as_array().unwrap().contains(&json!("stalled, some\t10 %\t30 %\t+20 %")), "{rows}");
    assert!(rows.as_array().unwrap().contains(&json!("stalled, full\t0 %\t6.0 %\t+6.0 %")), "{rows}");
    tab.click("#copy");
    tab.wait_until("it is copied", "$('#markdown').value");
    let copied = tab.run("return $('#markdown').value;");
    assert!(copied.as_str().unwrap().contains("| stalled, some | 10 % | 30 % | +20 % |"), "{copied}");
    assert_eq!(tab.log(), Vec::<String>::new());
}

#[test]
fn the_saved_data_is_what_the_page_is_made_from() {
    let demo = demo(&[]);
    allocate(&demo, 24);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    tab.wait_until("the page has seen what was allocated", &format!("{} > 24", super::shown("allocated")));
    let data = http::get(&format!("{}export.json", demo.page())).unwrap().json();
    let column = |name: &str| data["history"][name].as_array().unwrap().len();
    assert!(column("time") > 0 && column("time") == column("used") && column("used") == column("allocated"), "{data}");
    let state = &data["state"];
    assert_eq!(state["service"]["pid"], demo.process().id());
    assert!(state["sample"]["allocated"].as_u64().unwrap() > 24 * MIB, "{state}");
    assert_eq!(state["limit"]["source"], "config");
    assert!(!state["verdict"]["title"].as_str().unwrap().is_empty() && data["events"].is_array(), "{state}");
}
