//! All stacks as a flame graph: a still picture, the outermost calls at the bottom, each as wide as what it holds.
//!
//! The full name and the number are where a pointer rests. What would be narrower than a fifth of a pixel is left out.

use highwater::Bytes;

use super::tree::Tree;
use crate::plot::svg::Svg;

const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 10.0;
const ROW: f64 = 17.0;
const HEAD: f64 = 40.0;
const NARROWEST: f64 = 0.2;
/// Of a letter at the size that names are written in.
const LETTER: f64 = 6.7;
/// A stack is not deeper where jemalloc took it; where others did, the picture ends.
const MOST_ROWS: u32 = 1024;

/// Draws all stacks under a title.
pub(crate) fn draw(tree: &Tree, title: &str) -> String {
    let all = tree.nodes.first().map_or(0, |root| root.all);
    let mut boxes = Vec::new();
    let mut rows = 0;
    let mut open = vec![(0, MARGIN, 0)];
    while let Some((index, x, row)) = open.pop() {
        let Some((node, children)) = tree.node(index) else { continue };
        let width = node.all as f64 / (all.max(1)) as f64 * (WIDTH - 2.0 * MARGIN);
        if width < NARROWEST || row >= MOST_ROWS {
            continue;
        }
        rows = rows.max(row);
        let mut next = x;
        for child in children {
            open.push((child, next, row.saturating_add(1)));
            let held = tree.nodes.get(child).map_or(0, |child| child.all);
            next += held as f64 / (all.max(1)) as f64 * (WIDTH - 2.0 * MARGIN);
        }
        boxes.push((node, x, width, row));
    }
    let height = HEAD + f64::from(rows.saturating_add(1)) * ROW + MARGIN;
    let mut svg = Svg::default();
    svg.add(format_args!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">"#
    ));
    svg.rect((0.0, 0.0), (WIDTH, height), r##"fill="#ffffff""##, "");
    svg.text(MARGIN, 24.0, r#"font-size="15" font-family="sans-serif""#, &format!("{title}: {} live", Bytes::new(all)));
    for (node, x, width, row) in boxes {
        let bottom = height - MARGIN - f64::from(row) * ROW;
        let share = node.all as f64 * 100.0 / all.max(1) as f64;
        let title = format!("{}: {}, {share:.1} % {}", node.name, Bytes::new(node.all), node.module);
        let fill = format!(r##"fill="{}" stroke="#ffffff" stroke-width="0.5""##, color(&node.name));
        svg.rect((x, bottom - ROW), (x + width, bottom), &fill, &title);
        let letters = (width - 6.0) / LETTER;
        if letters >= 3.0 {
            let name: String = node.name.chars().take(letters as usize).collect();
            // The pointer is to rest on the box.
            svg.text(x + 3.0, bottom - 5.0, r#"pointer-events="none""#, &name);
        }
    }
    svg.add(format_args!("</svg>"));
    svg.finish()
}

/// The same for the same name in each picture, so that two of them compare.
fn color(name: &str) -> String {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("hsl({},70%,72%)", hash.checked_rem(60).unwrap_or_default())
}
