//! Where ticks stand, and what they say: powers of two for bytes, minutes and hours for time.

use highwater::Bytes;

/// The amounts at which a line is drawn, up to `top`: at least four steps, at most eight.
pub(crate) fn amounts(top: Bytes) -> Vec<Bytes> {
    let step = (top.get() / 7).max(1).checked_next_power_of_two().unwrap_or(1 << 62);
    (0_u64..=8).map(|n| Bytes::new(n.saturating_mul(step))).take_while(|amount| *amount <= top).collect()
}

/// "384 MiB".
pub(crate) fn amount_label(amount: Bytes) -> String {
    let text = amount.to_string();
    let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    format!("{number} {unit}")
}

/// Steps in seconds that divide minutes, hours and days.
const STEPS: [u64; 20] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400, 604_800];
/// The most ticks on the axis of time.
const MOST: u64 = 12;

/// The moments at which a tick stands, in seconds, with what it says; those of `from` to `to`.
pub(crate) fn moments(from: f64, to: f64) -> Vec<(f64, String)> {
    let fits = |step: &&u64| (to - from) / **step as f64 <= MOST as f64;
    // Of more than twelve weeks there is a tick at each end.
    let step = STEPS.iter().find(fits).copied().unwrap_or((to - from).max(1.0) as u64);
    // The first row of a trace may come a little after its beginning.
    let first = (from / step as f64 - 0.02).ceil();
    let moments = (0..=MOST).map(|n| (first + n as f64) * step as f64).take_while(|moment| *moment <= to);
    moments.map(|moment| (moment, moment_label(moment, step))).collect()
}

/// "13:05", where a step is shorter than a minute "13:05:30".
fn moment_label(seconds: f64, step: u64) -> String {
    let seconds = seconds.round() as u64;
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if step < 60 { format!("{hours}:{minutes:02}:{rest:02}") } else { format!("{hours}:{minutes:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: f64, to: f64) -> Vec<String> {
        moments(from, to).into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn amounts_are_powers_of_two() {
        let labels = |top: u64| amounts(Bytes::new(top)).into_iter().map(amount_label).collect::<Vec<_>>();
        assert_eq!(labels(540 << 20), ["0 B", "128 MiB", "256 MiB", "384 MiB", "512 MiB"]);
        assert_eq!(labels(3 << 30), ["0 B", "512 MiB", "1 GiB", "1.5 GiB", "2 GiB", "2.5 GiB", "3 GiB"]);
        for top in [0, 1, 7, 8, 1000, 1 << 40, u64::MAX] {
            assert!(amounts(Bytes::new(top)).len() <= 9, "{top}");
        }
    }

    #[test]
    fn time_is_in_hours_and_minutes_and_of_a_short_trace_in_seconds() {
        assert_eq!(labels(0.0, 86_400.0)[..3], ["0:00", "2:00", "4:00"]);
        assert_eq!(labels(0.0, 50.0)[..3], ["0:00:00", "0:00:05", "0:00:10"]);
        assert_eq!(labels(100.0, 700.0)[..2], ["0:02", "0:03"]);
        for to in [0.0, 0.001, 1e3, 1e9, 1.8e19] {
            assert!(moments(0.0, to).len() <= 13, "{to}");
        }
    }
}
