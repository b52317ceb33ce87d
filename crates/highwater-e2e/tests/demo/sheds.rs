//! What it does under pressure: turn requests away, and purge.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use highwater_e2e::demo::Demo;
use highwater_e2e::http::{self, Answer};
use highwater_e2e::peers::Lone;
use highwater_e2e::wait;

use super::{AT_ONCE, SMALL, UNSENT};

/// So that only requests move the level.
const LEAVE_AT_ONCE: (&str, &str) = ("HIGHWATER_HOLD_LEAVE", "0s");
const SHED: (&str, &str) = ("DEMO_SHED", "1");
const LIMIT: u64 = 128 << 20;

#[track_caller]
fn is_turned_away(answer: &Answer) {
    assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("30")), "{answer:?}");
    assert_eq!(answer.body, "short of memory: try again later\n");
}

#[test]
fn under_load_over_a_level_it_sheds_answers_status_and_counts_what_it_shed() {
    let collector = Lone::started();
    let sent = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.http()), ("OTEL_METRIC_EXPORT_INTERVAL", "200")];
    let demo = Demo::start(None, &[&[SMALL, SHED, LEAVE_AT_ONCE], &AT_ONCE[..], &sent].concat());
    let counted = || -> BTreeMap<String, f64> {
        let points = collector.points().into_iter().filter(|point| point.metric() == "highwater.shed.requests");
        points
            .map(|point| (point.attribute("highwater.level").as_str().unwrap_or_default().to_owned(), point.value()))
            .collect()
    };
    wait::until("the counter arrives at 0", || {
        (counted().values().copied().collect::<Vec<_>>() == [0.0; 3]).then_some(())
    });

    allocate_until(&demo, |status| status["used"].as_u64().unwrap() >= LIMIT / 100 * 89);
    demo.wait_for_level("high");
    let at_high = loaded(&demo);
    assert!(at_high.admitted > 0 && at_high.shed > 0, "{at_high:?}");
    assert!(at_high.admitted.abs_diff(at_high.shed) <= 1, "every second one: {at_high:?}");

    allocate_until(&demo, |status| status["level"] == "critical");
    let at_critical = loaded(&demo);
    assert!(at_critical.admitted == 0 && at_critical.shed > 0, "{at_critical:?}");
    wait::until_ok("what was shed is counted", || {
        let counted = counted();
        let of = |level: &str| counted.get(level).copied().unwrap_or_default();
        let all =
            of("elevated") == 0.0 && of("high") >= at_high.shed as f64 && of("critical") >= at_critical.shed as f64;
        if all { Ok(()) } else { Err(format!("{counted:?}, {at_high:?}, {at_critical:?}")) }
    });

    assert_eq!(demo.get("/release").status, 200);
    demo.wait_for_level("normal");
    assert_eq!(demo.get("/allocate").status, 200);
}

/// Asks for more, of which some is turned away where the level is raised already.
#[track_caller]
fn allocate_until(demo: &Demo, enough: impl Fn(&serde_json::Value) -> bool) {
    wait::until("the demo has allocated as much", || {
        for _ in 0..4 {
            demo.get("/allocate");
        }
        enough(&demo.status()).then_some(())
    });
}

/// What came of the requests of a load.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    admitted: u32,
    shed: u32,
}

/// Four clients ask for what is not there, which allocates nothing, while `/status` is asked for.
#[track_caller]
fn loaded(demo: &Demo) -> Load {
    let done = AtomicBool::new(false);
    let client = || {
        let mut load = Load::default();
        while !done.load(Relaxed) {
            let answer = http::get(&demo.url("/nothing")).unwrap();
            match answer.status {
                404 => load.admitted += 1,
                _ => {
                    is_turned_away(&answer);
                    load.shed += 1;
                }
            }
        }
        load
    };
    thread::scope(|scope| {
        let clients = [(); 4].map(|()| scope.spawn(client));
        for _ in 0..50 {
            assert_eq!(demo.get("/status").status, 200, "exempt");
        }
        done.store(true, Relaxed);
        let loads = clients.map(|client| client.join().unwrap());
        loads
            .into_iter()
            .fold(Load::default(), |all, one| Load { admitted: all.admitted + one.admitted, shed: all.shed + one.shed })
    })
}

#[test]
fn without_the_setting_it_sheds_nothing() {
    let demo = Demo::start(None, &[&[SMALL, UNSENT], &AT_ONCE[..]].concat());
    super::fill(&demo, "/allocate");
    demo.wait_for_level("critical");
    assert_eq!(demo.get("/nothing").status, 404);
}

#[test]
fn a_purge_is_a_line_in_the_log_and_a_span_of_the_episode() {
    let mut collector = Lone::started();
    let sent = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*collector.http())];
    let purge = [("HIGHWATER_PURGE", "high"), ("_RJEM_MALLOC_CONF", "background_thread:false")];
    let mut demo = Demo::start(None, &[&[SMALL, LEAVE_AT_ONCE], &AT_ONCE[..], &purge, &sent].concat());
    demo.allocate_until_used(LIMIT / 100 * 89);
    let trace = demo.wait_for_level("high");
    demo.wait_for_word("purge freed ");
    demo.process_mut().signal("TERM");
    demo.process_mut().wait_for_success();
    collector.stop();
    let spans = collector.spans();
    let purge = spans.iter().find(|span| span.field("name") == "purge").unwrap_or_else(|| panic!("{spans:?}"));
    let root = spans.iter().find(|span| span.field("name") == "memory episode").unwrap_or_else(|| panic!("{spans:?}"));
    assert_eq!((purge.field("traceId"), purge.field("parentSpanId")), (&trace.as_str().into(), root.field("spanId")));
    assert_eq!(purge.attribute("highwater.level"), "high");
    for name in ["highwater.before", "highwater.after", "highwater.rss_delta"] {
        assert!(purge.attribute(name).is_number(), "{name} of {purge:?}");
    }
}
