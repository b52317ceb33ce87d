//! How the page looks to those who see it otherwise: in the dark, on a phone, without motion.

use highwater_e2e::MIB;
use highwater_e2e::browser::{Browser, Tab};

use super::{SPAN, TIGHT, demo, keep, number, open};

/// How bright the page's ground is, from 0 to 255.
#[track_caller]
fn ground(tab: &Tab<'_>) -> f64 {
    let parts = "getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g).slice(0, 3)";
    number(tab, &format!("{parts}.reduce((sum, each) => sum + Number(each), 0) / 3"))
}

#[test]
fn dark_and_light_follow_the_system_until_one_is_chosen() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    tab.prefer("dark", "no-preference");
    open(&tab, &demo);
    assert!(ground(&tab) < 60.0, "{}", ground(&tab));
    keep(&tab, "dark");
    tab.prefer("light", "no-preference");
    assert!(ground(&tab) > 200.0, "{}", ground(&tab));
    // System, light, dark: two steps on it is dark, and stays so.
    tab.press("tt");
    tab.wait_until("dark is chosen", "document.documentElement.dataset.theme === 'dark'");
    assert!(ground(&tab) < 60.0, "{}", ground(&tab));
    open(&tab, &demo);
    assert!(ground(&tab) < 60.0, "{}", ground(&tab));
}

#[test]
fn a_phone_shows_all_of_it_without_scrolling_sideways() {
    let demo = demo(&TIGHT);
    demo.allocate_until_used(112 * MIB);
    demo.wait_for_level("high");
    let browser = Browser::shared();
    let tab = browser.tab();
    tab.resize(360, 740, 1);
    open(&tab, &demo);
    tab.wait_until("the functions are there", "$('#captures code')");
    tab.press("ab");
    tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; });");
    tab.wait_until("the table of the timeline is there", "$('#timeline-table td')");
    let wide = tab.run(
        "const is = (each) => each.checkVisibility() && !each.closest('.scroll, .hidden, .shapes, .u-wrap') \
             && each.getBoundingClientRect().right > 360.5; \
         const beyond = [...document.querySelectorAll('main *, header *, footer *')].filter(is); \
         return [document.documentElement.scrollWidth, ...beyond.map((each) => each.outerHTML.slice(0, 80))];",
    );
    assert_eq!(wide, serde_json::json!([360]));
    keep(&tab, "phone");
}

#[test]
fn a_finger_zooms_by_buttons() {
    const END: &str = "Number($('#timeline').getAttribute('aria-valuemax'))";
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    tab.resize(360, 740, 1);
    open(&tab, &demo);
    let names = tab.run("return ['#zoom-in', '#zoom-out'].map((each) => $(each).getAttribute('aria-label'));");
    assert_eq!(names, serde_json::json!(["Zoom in", "Zoom out"]));
    let whole = number(&tab, SPAN);
    tab.click("#zoom-in");
    tab.wait_until("it is zoomed", &format!("!$('#reset').hidden && {SPAN} < {whole} * 0.55"));
    tab.click("#zoom-out");
    tab.wait_until("it is not so near", &format!("{SPAN} > {whole} * 0.6"));
    tab.click("#reset");
    tab.wait_until("it is not zoomed", "$('#reset').hidden");
    // Around the moment that was touched.
    tab.run(
        "const over = $('#timeline .u-over'), { left, width } = over.getBoundingClientRect(); \
         over.dispatchEvent(new PointerEvent('pointerdown', { pointerType: 'touch', clientX: left + width / 4, bubbles: true }));",
    );
    let end = number(&tab, END);
    // The pointer, which a finger has not, rests on a word, whose definition covers the button.
    tab.run("$('#zoom-in').click();");
    tab.wait_until("the moment is among what is shown", &format!("!$('#reset').hidden && {END} < {end} - 10"));
}

#[test]
fn nothing_moves_where_no_motion_is_wanted() {
    let demo = demo(&[]);
    let browser = Browser::shared();
    let tab = browser.tab();
    open(&tab, &demo);
    let moving = "document.getAnimations().length > 0";
    tab.wait_until("the sign of life breathes", moving);
    tab.prefer("light", "reduce");
    tab.wait_until("it does not", &format!("!({moving})"));
    assert_eq!(tab.text("#link-text"), "Live");
}
