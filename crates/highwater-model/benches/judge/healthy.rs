//! What services do all day that is no leak: 24 h each.

use crate::shape::{DAY, HOUR, Moment, Random, STEP, Saw, wave};

/// Name, what its parameters are, and the shape.
pub(crate) const ALL: [(&str, &str, Shape); 14] = [
    ("flat", "10 to 88 % of the limit", flat),
    ("sawtooth", "period 1 min to 2 h, jitter up to 30 %, top up to 86 %", sawtooth),
    ("warm-up, fast", "exponential, time constant 1 to 20 min, to 30 to 86 %", warm_up_fast),
    ("warm-up, slow", "exponential, time constant 20 min to 4 h, to 30 to 86 %", warm_up_slow),
    ("daily wave", "half height 4 to 20 points, top up to 80 %", daily_wave),
    ("steps", "1 to 10 a day of 1 to 22 points, a little more up than down, up to 85 %", steps),
    ("random walk", "0.5 to 10 points an hour between walls 5 to 35 points apart, up to 85 %", random_walk),
    ("wandering", "Ornstein-Uhlenbeck, deviation 1 to 8 points, 5 min to 6 h, three deviations below 86 %", wandering),
    ("bursts", "1 to 24 a day of 5 to 40 points for 12 s to 40 min, up to 88 %", bursts),
    ("cache", "fills in 30 min to 12 h to 40 to 72 %, then evicts a part of it or stays full", cache),
    ("page cache", "fills the container up to its limit", page_cache),
    ("neighbour", "another process comes and goes with 5 to 40 points", neighbour),
    ("restarts", "every 45 min to 14 h, back to 30 to 82 % in minutes", restarts),
    ("resize", "the limit goes up and down between 75 and 250 % of the first", resize),
];

pub(crate) type Shape = fn(&mut Random, &mut dyn FnMut(f64, Moment));

/// Each moment of a day.
fn day() -> impl Iterator<Item = f64> {
    (0..(DAY as u32) / STEP).map(|step| f64::from(step * STEP))
}

/// The unrest that every process has.
fn unrest(random: &mut Random) -> f64 {
    random.scale(0.0005, 0.012)
}

fn flat(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, level) = (unrest(random), random.between(0.10, 0.88));
    day().for_each(|t| take(t, Moment::of(level + noise * random.normal())));
}

fn sawtooth(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, base, jitter) = (unrest(random) / 2.0, random.between(0.10, 0.50), random.between(0.0, 0.3));
    let height = random.between(0.04, 0.40).min(0.86 - base) / (1.0 + 1.3 * jitter);
    let period = random.scale(60.0, 2.0 * HOUR);
    let mut saw = Saw::new(random, height, period, jitter);
    for t in day() {
        let normal = base + saw.at(random, t) + noise * random.normal();
        take(t, Moment::of(normal));
    }
}

fn warm_up_fast(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let constant = random.scale(60.0, 1200.0);
    warm_up(random, constant, take);
}

fn warm_up_slow(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let constant = random.scale(1200.0, 4.0 * HOUR);
    warm_up(random, constant, take);
}

fn warm_up(random: &mut Random, constant: f64, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, top) = (unrest(random), random.between(0.30, 0.86));
    let from = random.between(0.02, 0.25).min(top * 0.7);
    for t in day() {
        take(t, Moment::of(top - (top - from) * (-t / constant).exp() + noise * random.normal()));
    }
}

fn daily_wave(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, half) = (unrest(random), random.between(0.04, 0.20));
    let middle = random.between(0.20, 0.65).min(0.80 - half).max(half + 0.03);
    let wave = wave(random);
    day().for_each(|t| take(t, Moment::of(middle + half * wave(t) + noise * random.normal())));
}

fn steps(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, apart) = (unrest(random), DAY / random.between(1.0, 10.0));
    let (mut level, size) = (random.between(0.15, 0.70), random.between(0.03, 0.15));
    let mut next = random.wait(apart);
    for t in day() {
        if t >= next {
            next += random.wait(apart);
            let up = if random.chance(0.55) { 1.0 } else { -1.0 };
            level = (level + up * size * random.between(0.3, 1.5)).clamp(0.06, 0.85);
        }
        take(t, Moment::of(level + noise * random.normal()));
    }
}

fn random_walk(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, low) = (unrest(random) / 3.0, random.between(0.10, 0.50));
    let high = (low + random.between(0.05, 0.35)).min(0.85);
    let stride = random.scale(0.005, 0.10) * (f64::from(STEP) / HOUR).sqrt();
    let mut level = random.between(low, high);
    for t in day() {
        level += stride * random.normal();
        level = if level < low { 2.0 * low - level } else { level };
        level = if level > high { 2.0 * high - level } else { level };
        take(t, Moment::of(level + noise * random.normal()));
    }
}

fn wandering(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, deviation) = (unrest(random) / 3.0, random.between(0.01, 0.08));
    let middle = random.between(0.20, 0.62).min(0.86 - 3.0 * deviation);
    let stays = (-f64::from(STEP) / random.scale(300.0, 6.0 * HOUR)).exp();
    let mut off = deviation * random.normal();
    for t in day() {
        off = stays * off + deviation * (1.0 - stays * stays).sqrt() * random.normal();
        take(t, Moment::of((middle + off).clamp(0.03, 0.90) + noise * random.normal()));
    }
}

fn bursts(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, base, apart) = (unrest(random), random.between(0.10, 0.60), DAY / random.between(1.0, 24.0));
    let most = random.between(0.05, 0.40).min(0.88 - base);
    let (lasting, ramps) = (random.scale(30.0, 1500.0), random.chance(0.5));
    let (mut begin, mut height) = (random.wait(apart), most);
    let mut end = begin + lasting;
    for t in day() {
        if t >= end {
            begin = end + random.wait(apart);
            end = begin + lasting * random.between(0.4, 1.6);
            height = most * random.between(0.4, 1.0);
        }
        let burst = match t >= begin {
            false => 0.0,
            true if ramps => height * (t - begin) / (end - begin),
            true => height,
        };
        take(t, Moment::of(base + burst + noise * random.normal()));
    }
}

fn cache(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, from) = (unrest(random) * 0.7, random.between(0.10, 0.35));
    let full = random.between(0.40, 0.72).max(from + 0.05);
    let filling = random.scale(0.5 * HOUR, 12.0 * HOUR);
    let (evenly, stays_full) = (random.chance(0.4), random.chance(0.4));
    let evicted = random.between(0.05, 0.50) * (full - from);
    let mut level = from;
    for t in day() {
        let an_hour = if evenly { (full - from) / filling } else { (full + 0.12 - level) / (0.55 * filling) };
        level += an_hour * f64::from(STEP);
        if level >= full {
            level = if stays_full { full } else { full - evicted * random.between(0.6, 1.0) };
        }
        take(t, Moment::of(level + noise * random.normal()));
    }
}

fn page_cache(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, level, filling) = (unrest(random), random.between(0.10, 0.70), random.scale(60.0, 20.0 * HOUR));
    for t in day() {
        let normal = level + noise * random.normal();
        let cached = (t / filling).min(1.0) * (1.0 - normal).max(0.0);
        take(t, Moment { cached, ..Moment::of(normal) });
    }
}

fn neighbour(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, own, apart) = (unrest(random), random.between(0.05, 0.30), random.scale(600.0, 4.0 * HOUR));
    let (most, constant) = (random.between(0.05, 0.40), random.scale(20.0, 900.0));
    let (mut others, mut target, mut next) = (0.0, 0.0, random.wait(apart));
    for t in day() {
        if t >= next {
            next = t + random.wait(apart).max(300.0);
            target = if target > 0.0 { 0.0 } else { most * random.between(0.5, 1.0) };
        }
        others += (target - others) * (1.0 - (-f64::from(STEP) / constant).exp());
        take(t, Moment { others, ..Moment::of(own + noise * random.normal()) });
    }
}

fn restarts(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, apart) = (unrest(random), random.scale(0.75 * HOUR, 14.0 * HOUR));
    let (top, from, constant) =
        (random.between(0.30, 0.82), random.between(0.02, 0.10), random.scale(60.0, 0.8 * HOUR));
    let mut began = -random.between(0.0, apart);
    let mut next = began + apart;
    for t in day() {
        if t >= next {
            began = t;
            next = t + apart * random.between(0.6, 1.4);
        }
        take(t, Moment::of(top - (top - from) * (-(t - began) / constant).exp() + noise * random.normal()));
    }
}

fn resize(random: &mut Random, take: &mut dyn FnMut(f64, Moment)) {
    let (noise, level, follows) = (unrest(random), random.between(0.20, 0.60), random.chance(0.3));
    let (height, period) = (random.between(0.0, 0.10), random.scale(60.0, HOUR));
    let mut saw = Saw::new(random, height, period, 0.1);
    let (mut limit, mut next) = (1.0_f64, random.wait(6.0 * HOUR));
    for t in day() {
        if t >= next {
            next = t + random.wait(6.0 * HOUR);
            limit = (limit * random.between(0.7, 1.5)).clamp(0.75, 2.5);
        }
        let scale = if follows { limit } else { 1.0 };
        let normal = (level + saw.at(random, t)) * scale + noise * random.normal();
        take(t, Moment { limit, ..Moment::of(normal) });
    }
}
