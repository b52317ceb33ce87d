//! `memory.pressure`: for how long tasks were stalled on memory.

use std::time::Duration;

use highwater_model::Pressure;

use super::{lines, number, split_once, words};

pub(crate) fn parse(content: &[u8]) -> Option<Pressure> {
    let mut pressure = Pressure::default();
    for line in lines(content) {
        match split_once(line, b' ') {
            Some((b"some", averages)) => pressure.some = total(averages),
            Some((b"full", averages)) => pressure.full = total(averages),
            _ => {}
        }
    }
    (pressure != Pressure::default()).then_some(pressure)
}

/// `avg10=0.00 avg60=0.00 avg300=0.00 total=12345`, in microseconds.
fn total(averages: &[u8]) -> Option<Duration> {
    words(averages).find_map(|word| number(word.strip_prefix(b"total=")?)).map(Duration::from_micros)
}
