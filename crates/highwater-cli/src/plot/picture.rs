//! Where everything goes: a title, the marks of alarms, the plot with its bands and lines, their names at its right.
//!
//! Colours are those of a light card, which is drawn too, so that a dark page changes nothing. Those of the levels differ
//! in lightness as well, and each is named beside it.

use std::fmt::Write;

use highwater::model::SinceStart;
use highwater::{Bytes, Level};

use super::axis;
use super::columns::{Point, Run};
use super::svg::{Svg, Text};
use super::{AlarmKind, Plot};
use crate::summary::{Summary, Use, time};

const WIDTH: f64 = 1200.0;
const HEIGHT: f64 = 540.0;
const LEFT: f64 = 84.0;
const RIGHT: f64 = 1056.0;
const TOP: f64 = 112.0;
const BOTTOM: f64 = 484.0;
/// Where the marks of episodes stand.
const LANE: f64 = 100.0;

/// No process runs so many seconds: they are counted from 1970, say.
const LONG: f64 = 3e8;

const INK: &str = "#1f2933";
const FAINT: &str = "#616e7c";
const USED: &str = "#1d5fbf";
const RSS: &str = "#7b8794";
const GROWTH: &str = "#7a3db8";
const KILL: &str = "#000000";

const fn colour(level: Level) -> &'static str {
    match level {
        Level::Normal => FAINT,
        Level::Elevated => "#946c00",
        Level::High => "#c2560a",
        Level::Critical => "#b31b2c",
    }
}

/// The same for areas, which a text's colour would make dull.
const fn tint(level: Level) -> &'static str {
    match level {
        Level::Normal => FAINT,
        Level::Elevated => "#f2c230",
        Level::High => "#f5852a",
        Level::Critical => "#e0313f",
    }
}

/// From seconds and bytes to places.
struct Scale {
    from: f64,
    to: f64,
    top: Bytes,
}

impl Scale {
    fn x(&self, seconds: f64) -> f64 {
        let share = (seconds - self.from) / (self.to - self.from).max(1e-3);
        LEFT + share.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn at(&self, moment: SinceStart) -> f64 {
        self.x(moment.elapsed().as_secs_f64())
    }

    fn y(&self, amount: Bytes) -> f64 {
        BOTTOM - amount.ratio_of(self.top).unwrap_or_default().min(1.0) * (BOTTOM - TOP)
    }
}

/// The picture of a trace called `name`.
pub(super) fn draw(plot: &Plot, name: &str, summary: &Summary) -> String {
    let (used, rss, limits) = (plot.columns.used(), plot.columns.rss(), plot.columns.limits());
    let (first, last) = summary.span();
    let highest = used.iter().chain(&rss).flatten().map(|point| point.extent.high).max().unwrap_or_default();
    let limit = limits.iter().filter_map(|run| run.limit).max();
    let scale =
        Scale { from: first.elapsed().as_secs_f64(), to: last.elapsed().as_secs_f64(), top: top(highest, limit) };

    let mut svg = Svg::default();
    open(&mut svg, plot, name, summary);
    bands(&mut svg, plot, &scale, &limits);
    grid(&mut svg, &scale);
    episodes(&mut svg, plot, &scale);
    curves(&mut svg, &scale, &used, &rss);
    lines(&mut svg, plot, &scale, &limits);
    marks(&mut svg, plot, &scale);
    svg.add(format_args!("</g>\n</svg>"));
    svg.finish()
}

/// The top of the plot: a little above all that is drawn. A limit far above what is used would press that to the ground.
fn top(highest: Bytes, limit: Option<Bytes>) -> Bytes {
    let within = limit.filter(|limit| limit.get() / 4 <= highest.get()).unwrap_or_default();
    let highest = highest.max(within).max(Bytes::new(1));
    highest.saturating_add(Bytes::new(highest.get() / 16))
}

fn open(svg: &mut Svg, plot: &Plot, name: &str, summary: &Summary) {
    let (first, last) = summary.span();
    let episodes = match summary.episodes() {
        1 => "1 episode".to_owned(),
        episodes => format!("{episodes} episodes"),
    };
    let highest = summary.highest().map_or(String::new(), |sample| format!(", at most {} used", Use(sample)));
    let numbers = format!("{} of memory, {episodes}{highest}", time(last.since(first)));
    svg.add(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title desc">"#
    ));
    svg.add(format_args!(r#"<title id="title">{}: {}</title>"#, Text(name), Text(&numbers)));
    let mut told = String::new();
    for span in &plot.episodes {
        let (from, to) = (span.from.elapsed().as_secs_f64(), span.to.map(|to| to.elapsed().as_secs_f64()));
        let until = to.map_or("the end".to_owned(), |to| format!("{to} s"));
        let _ = write!(told, " Episode {}, up to {}, from {from} s to {until}.", span.number, span.highest);
    }
    svg.add(format_args!(
        r#"<desc id="desc">Memory used over time, with the limit, the levels below it, and where they were exceeded.{}</desc>"#,
        Text(&told)
    ));
    svg.rect((0.0, 0.0), (WIDTH, HEIGHT), r##"rx="8" fill="#ffffff""##, "");
    svg.add(format_args!(
        r#"<g font-family="system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif" font-size="13">"#
    ));
    let name =
        if name.chars().count() > 100 { name.chars().take(97).chain("...".chars()).collect() } else { name.to_owned() };
    svg.text(LEFT, 32.0, &format!(r#"font-size="18" font-weight="600" fill="{INK}""#), &name);
    svg.text(LEFT, 54.0, &format!(r#"fill="{FAINT}""#), &numbers);
}

/// The bands between the levels, tinted.
fn bands(svg: &mut Svg, plot: &Plot, scale: &Scale, limits: &[Run]) {
    for run in limits {
        let lines = plot.levels.lines(run.limit);
        let mut above = run.limit.unwrap_or(scale.top);
        for (level, line) in Level::RAISED.into_iter().zip(lines).rev() {
            let Some(line) = line else { continue };
            let (from, to) = (scale.x(run.from), scale.x(run.to));
            let fill = format!(r#"fill="{}" fill-opacity="0.13""#, tint(level));
            if line.enter < scale.top {
                svg.rect((from, scale.y(above)), (to, scale.y(line.enter)), &fill, "");
            }
            above = line.enter;
        }
    }
}

fn grid(svg: &mut Svg, scale: &Scale) {
    for amount in axis::amounts(scale.top) {
        let y = scale.y(amount);
        svg.line((LEFT, y), (RIGHT, y), r##"stroke="#1f2933" stroke-opacity="0.10""##);
        let text = format!(r#"text-anchor="end" fill="{FAINT}""#);
        svg.text(LEFT - 8.0, y + 4.5, &text, &axis::amount_label(amount));
    }
    // The moments of the events, unless those are dates.
    let zero = if scale.from < LONG { 0.0 } else { scale.from };
    for (moment, label) in axis::moments(scale.from - zero, scale.to - zero) {
        let x = scale.x(moment + zero);
        svg.line((x, BOTTOM), (x, BOTTOM + 5.0), &format!(r#"stroke="{FAINT}""#));
        svg.text(x, BOTTOM + 21.0, &format!(r#"text-anchor="middle" fill="{FAINT}""#), &label);
    }
    svg.line((LEFT, BOTTOM), (RIGHT, BOTTOM), &format!(r#"stroke="{FAINT}""#));
    let text = format!(r#"text-anchor="middle" font-size="12" fill="{FAINT}""#);
    svg.text(
        (LEFT + RIGHT) / 2.0,
        BOTTOM + 42.0,
        &text,
        if zero > 0.0 { "time since the first row" } else { "time in the trace" },
    );
}

/// Each episode as a shade of its highest level's colour, with a bar at its foot.
fn episodes(svg: &mut Svg, plot: &Plot, scale: &Scale) {
    for span in &plot.episodes {
        let from = scale.at(span.from);
        // However short, it can be seen.
        let to = span.to.map_or(RIGHT, |to| scale.at(to)).max(from + 1.5);
        let until = span.to.map_or("the end".to_owned(), |to| format!("after {}", time(to.since(span.from))));
        let title = format!("episode {}: up to {}, over at {until}", span.number, span.highest);
        let fill = tint(span.highest);
        svg.rect((from, TOP), (to, BOTTOM), &format!(r#"fill="{fill}" fill-opacity="0.22""#), &title);
        svg.rect((from, BOTTOM - 4.0), (to, BOTTOM), &format!(r#"fill="{fill}""#), "");
    }
}

fn curves(svg: &mut Svg, scale: &Scale, used: &[Vec<Point>], rss: &[Vec<Point>]) {
    for line in rss {
        let stroke = format!(r#"fill="{RSS}" stroke="{RSS}""#);
        outline(svg, scale, line, &stroke);
    }
    for line in used {
        let stroke = format!(r#"fill="{USED}" stroke="{USED}""#);
        outline(svg, scale, line, &stroke);
    }
    let mut x = RIGHT;
    let names = [("used", USED, !used.is_empty()), ("rss", RSS, !rss.is_empty())];
    for (name, stroke, _) in names.into_iter().filter(|(_, _, there)| *there).rev() {
        svg.text(x, 54.0, &format!(r#"text-anchor="end" fill="{INK}""#), name);
        x -= 8.0 * name.len() as f64 + 6.0;
        svg.line((x - 22.0, 49.5), (x, 49.5), &format!(r#"stroke="{stroke}" stroke-width="3""#));
        x -= 40.0;
    }
}

/// Along the highest values and back along the lowest: a line, as thick as the values of each column differ.
fn outline(svg: &mut Svg, scale: &Scale, line: &[Point], colour: &str) {
    let highs = line.iter().map(|point| (point.seconds, point.extent.high));
    let is_thin = line.iter().all(|point| point.extent.low == point.extent.high);
    let lows = line.iter().rev().filter(|_| !is_thin).map(|point| (point.seconds, point.extent.low));
    let mut path = String::new();
    for ((seconds, amount), command) in highs.chain(lows).zip(["M"].into_iter().chain(std::iter::repeat("L"))) {
        let _ = write!(path, "{command}{:.1} {:.1}", scale.x(seconds), scale.y(amount));
    }
    // One point alone would not be seen.
    path.push_str(if line.len() == 1 { "h1.5" } else { "" });
    let fill =
        if is_thin { r#"fill-opacity="0" stroke-width="1.8""# } else { r#"fill-opacity="0.5" stroke-width="1.3""# };
    svg.add(format_args!(r#"<path d="{path}" {fill} stroke-linejoin="round" {colour}/>"#));
}

/// The limit and the lines of the levels, named at the right.
fn lines(svg: &mut Svg, plot: &Plot, scale: &Scale, limits: &[Run]) {
    let [elevated, high, critical] = plot.levels.thresholds();
    let mut names = Vec::new();
    for (index, run) in limits.iter().enumerate() {
        let is_last = limits.len() == index.saturating_add(1);
        let levels = Level::RAISED.into_iter().zip(plot.levels.lines(run.limit)).zip([elevated, high, critical]);
        let levels = levels.filter_map(|((level, line), begins)| {
            Some((
                line?.enter,
                colour(level),
                r#"stroke-dasharray="5 4" stroke-width="1""#,
                format!("{level} {begins}"),
            ))
        });
        let limit = run.limit.map(|limit| (limit, INK, r#"stroke-width="1.8""#, format!("limit {limit}")));
        for (amount, stroke, style, name) in levels.chain(limit) {
            let y = scale.y(amount);
            if amount <= scale.top {
                let attributes = format!(r#"stroke="{stroke}" {style}"#);
                svg.line((scale.x(run.from), y), (scale.x(run.to), y), &attributes);
            }
            if is_last {
                let name = if amount <= scale.top { name } else { format!("{name} \u{2191}") };
                names.push((amount, stroke, name));
            }
        }
    }
    // From the top down, each below the one before.
    names.sort_by_key(|(amount, ..)| std::cmp::Reverse(*amount));
    let mut lowest = f64::NEG_INFINITY;
    for (amount, stroke, name) in names {
        lowest = scale.y(amount).max(lowest + 15.0);
        svg.text(RIGHT + 8.0, lowest + 4.5, &format!(r#"font-size="12" fill="{stroke}""#), &name);
    }
}

/// A mark for each episode, and in a row above for each alarm beside them, named where there is room.
fn marks(svg: &mut Svg, plot: &Plot, scale: &Scale) {
    let mut free = f64::NEG_INFINITY;
    for span in &plot.episodes {
        mark(svg, scale.at(span.from), LANE, colour(span.highest), span.highest.as_str(), &mut free);
    }
    let (lane, mut free) = (LANE - 18.0, f64::NEG_INFINITY);
    for alarm in &plot.alarms {
        let fill = match alarm.kind {
            AlarmKind::Growth => GROWTH,
            AlarmKind::Kill => KILL,
        };
        let x = scale.at(alarm.at);
        svg.line((x, lane), (x, BOTTOM), &format!(r#"stroke="{fill}" stroke-dasharray="2 3""#));
        mark(svg, x, lane, fill, &alarm.label, &mut free);
    }
}

fn mark(svg: &mut Svg, x: f64, y: f64, fill: &str, name: &str, free: &mut f64) {
    svg.add(format_args!(r#"<path d="M{:.1} {:.1}h9l-4.5 9z" fill="{fill}"/>"#, x - 4.5, y - 5.0));
    if x - 4.5 > *free {
        svg.text(x + 7.0, y + 3.5, &format!(r#"font-size="12" fill="{fill}""#), name);
        *free = x + 14.0 + 7.0 * name.chars().count() as f64;
    }
}
