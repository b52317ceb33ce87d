//! Leaks: what reaches the limit in the end. Each trace ends there.

use crate::shape::{HOUR, Moment, Random, STEP, Saw, wave};

/// Name, what its parameters are, and the shape.
pub(crate) const ALL: [(&str, &str, Shape); 6] = [
    ("linear", "from 15 to 50 % of the limit", linear),
    ("under a sawtooth", "of 3 to 20 points, period 1 min to 2 h, at most a sixth of the leak", under_sawtooth),
    ("in stairs", "10 to 48 of them, up to 40 % early or late", in_stairs),
    ("under a daily wave", "of 2 to 10 points up and down; leaks of 6 h and more", under_wave),
    ("accelerating", "with time to the power of 1.3 to 2.5", accelerating),
    ("starting late", "after 1 to 12 h", starting_late),
];

/// Takes the hours in which the limit is reached from the leak's start.
pub(crate) type Shape = fn(&mut Random, f64, &mut dyn FnMut(f64, Moment) -> bool);

/// What all leaks have in common: they start from a base, after a warm-up of minutes, under the unrest of every process.
/// `other` is what goes up and down beside the leak, at most `highest` above its mean; `grown` turns the share of the time
/// into the share of the way.
fn leak(
    random: &mut Random,
    (start, hours, highest): (f64, f64, f64),
    take: &mut dyn FnMut(f64, Moment) -> bool,
    mut grown: impl FnMut(f64) -> f64,
    mut other: impl FnMut(&mut Random, f64) -> f64,
) {
    let (noise, base, warm_up) = (random.scale(0.0005, 0.012), random.between(0.15, 0.50), random.scale(60.0, 900.0));
    let way = 1.0 - base - highest;
    // Three times the time and more: what has not met the limit by then has no leak.
    for step in 0..=((start + 3.0 * hours * HOUR) as u32 / STEP) {
        let t = f64::from(step * STEP);
        let cold = 0.7 * base * (-t / warm_up).exp();
        let normal = base + other(random, t) - cold + noise * random.normal();
        let leaked = way * grown(((t - start) / (hours * HOUR)).max(0.0));
        if !take(t, Moment { leaked, ..Moment::of(normal) }) {
            return;
        }
    }
}

fn linear(random: &mut Random, hours: f64, take: &mut dyn FnMut(f64, Moment) -> bool) {
    leak(random, (0.0, hours, 0.0), take, |time| time, |_, _| 0.0);
}

fn under_sawtooth(random: &mut Random, hours: f64, take: &mut dyn FnMut(f64, Moment) -> bool) {
    let height = random.between(0.03, 0.20);
    let period = random.scale(60.0, (2.0 * HOUR).min(hours * HOUR / 6.0));
    let mut saw = Saw::new(random, height, period, 0.1);
    leak(random, (0.0, hours, height), take, |time| time, |random, t| saw.at(random, t));
}

fn in_stairs(random: &mut Random, hours: f64, take: &mut dyn FnMut(f64, Moment) -> bool) {
    let (count, jitter) = (random.between(10.0, 48.0).floor(), random.between(0.0, 0.4));
    let mut stairs: Vec<f64> = (0..3 * count as u32)
        .map(|stair| (f64::from(stair) + 0.5 + jitter * random.between(-1.0, 1.0)) / count)
        .collect();
    stairs.sort_by(f64::total_cmp);
    leak(
        random,
        (0.0, hours, 0.0),
        take,
        |time| stairs.partition_point(|stair| *stair <= time) as f64 / count,
        |_, _| 0.0,
    );
}

fn under_wave(random: &mut Random, hours: f64, take: &mut dyn FnMut(f64, Moment) -> bool) {
    let (half, wave) = (random.between(0.02, 0.10), wave(random));
    leak(random, (0.0, hours, 0.0), take, |time| time, |_, t| half * wave(t));
}

fn accelerating(random: &mut Random, hours: f64, take: &mut dyn FnMut(f64, Moment) -> bool) {
    let power = random.between(1.3, 2.5);
    leak(random, (0.0, hours, 0.0), take, |time| time.powf(power), |_, _| 0.0);
}

fn starting_late(random: &mut Random, hours: f64, take: &mut dyn FnMut(f64, Moment) -> bool) {
    let start = random.between(HOUR, 12.0 * HOUR);
    leak(random, (start, hours, 0.0), take, |time| time, |_, _| 0.0);
}
