//! The README's pictures, from the real browser.

use std::fs;
use std::time::Duration;

use highwater_e2e::browser::Browser;
use highwater_e2e::{binary, wait};

use super::{demo, open};

/// The demo leaks on the heap for a good minute and crosses a line: that is what the README shows.
#[test]
#[ignore = "writes docs/page-*.png: `make pictures`"]
fn of_a_leak_in_light_and_dark() {
    const EVERY: Duration = Duration::from_millis(200);
    let demo = demo(&[("HIGHWATER_HOLD_ELEVATED", "1s"), ("HIGHWATER_JAEGER_URL", "http://127.0.0.1:16686")]);
    let browser = Browser::shared();
    let tab = browser.tab();
    tab.resize(1280, 1110, 1);
    open(&tab, &demo);
    let mut count = 0;
    wait::steadily(EVERY, 420, || {
        count += 1;
        demo.get(if count % 5 == 0 { "/buffer" } else { "/allocate" });
        count == 410
    });
    tab.wait_until("the episode is there", "$('#episodes h3')");
    for scheme in ["light", "dark"] {
        tab.prefer(scheme, "reduce");
        tab.run_async("await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));");
        fs::write(binary::repository().join(format!("docs/page-{scheme}.png")), tab.picture()).unwrap();
    }
}
