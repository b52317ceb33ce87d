//! The largest sites, or those that grew most, as a table for a person.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt::Write;

use highwater::Bytes;

use super::{Held, Site};

/// A row for each of the `top` sites, under what there is in all.
pub(crate) fn table(sites: &HashMap<Site, Held>, base: Option<&HashMap<Site, Held>>, top: usize) -> String {
    let grown = |site: &Site, held: Held| {
        base.map(|base| signed(held.bytes).saturating_sub(signed(base.get(site).copied().unwrap_or_default().bytes)))
    };
    let mut rows: Vec<_> = sites.iter().map(|(site, held)| (grown(site, *held), *held, site)).collect();
    // What is gone has shrunk.
    for (site, _) in base.into_iter().flatten().filter(|(site, _)| !sites.contains_key(site)) {
        rows.push((grown(site, Held::default()), Held::default(), site));
    }
    rows.sort_by_key(|(grown, held, site)| (Reverse(*grown), Reverse(held.bytes), *site));
    let sum = |sites: &HashMap<Site, Held>| sites.values().fold(0, |sum: u64, held| sum.saturating_add(held.bytes));
    let all = sum(sites);
    let mut text = format!("{} live in {} sites", Bytes::new(all), sites.len());
    if let Some(base) = base {
        let _ =
            write!(text, ", {} than before", change(signed(all).saturating_sub(signed(sum(base))), " more", " less"));
    }
    text.push_str("\n\n");
    let last = if base.is_some() { "       grown" } else { "" };
    let _ = writeln!(text, "{:>11} {:>7} {:>10}{last}  function", "bytes", "share", "objects");
    for (grown, held, site) in rows.iter().take(top) {
        let share = held.bytes as f64 * 100.0 / all.max(1) as f64;
        let _ = write!(text, "{:>11} {share:>5.1} % {:>10}", Bytes::new(held.bytes).to_string(), held.objects);
        if let Some(grown) = grown {
            let _ = write!(text, " {:>11}", change(*grown, "", ""));
        }
        let _ = writeln!(text, "  {}  {}", printable(&site.function), printable(&site.module));
    }
    if rows.len() > top {
        let _ = writeln!(text, "and {} more: --top", rows.len().saturating_sub(top));
    }
    text
}

fn change(bytes: i64, more: &str, less: &str) -> String {
    let (sign, word) = match (bytes < 0, more.is_empty()) {
        (true, true) => ("-", less),
        (false, true) => ("+", more),
        (true, false) => ("", less),
        (false, false) => ("", more),
    };
    format!("{sign}{}{word}", Bytes::new(bytes.unsigned_abs()))
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// A name from a file can hold anything; a terminal obeys some of it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites(all: &[(&str, u64)]) -> HashMap<Site, Held> {
        let site = |function: &str| Site { function: function.to_owned(), module: "service".to_owned() };
        all.iter().map(|(function, bytes)| (site(function), Held { bytes: *bytes, objects: 2 })).collect()
    }

    #[test]
    fn the_largest_come_first() {
        let text = table(&sites(&[("a", 1 << 20), ("b", 3 << 20), ("c\u{1b}[0m", 0)]), None, 2);
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[3].contains("75.0 %") && lines[3].ends_with("b  service"), "{text}");
        assert!(lines[4].contains("25.0 %") && lines[4].ends_with("a  service"), "{text}");
        assert_eq!(lines[5], "and 1 more: --top");
    }

    #[test]
    fn what_grew_most_comes_first_and_what_is_gone_last() {
        let (now, base) = (sites(&[("a", 9 << 20), ("b", 3 << 20)]), sites(&[("a", 8 << 20), ("c", 4 << 20)]));
        let text = table(&now, Some(&base), 9);
        let order: Vec<_> = text.lines().skip(3).filter_map(|line| line.split_whitespace().rev().nth(1)).collect();
        assert_eq!(order, ["b", "a", "c"], "{text}");
        assert!(text.contains("+3") && text.contains("+1") && text.contains("-4"), "{text}");
    }
}
