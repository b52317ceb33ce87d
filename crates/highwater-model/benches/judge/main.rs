//! How far the judgement of growth can be trusted: false alarms on healthy shapes, leaks told in time, forecasts.
//!
//! `make judge`, or `cargo bench -p highwater-model --bench judge -- [seeds] [first] [unlimited]`: 1,500 seeds a shape from
//! 1,500 on unless said otherwise, without a limit where that is said. The constants of the detector were chosen on the seeds
//! below 1,500, which score nothing. With a limit it fails where a bound of `docs/judgement.md` is broken, which says what the
//! results mean; `make test` runs it on few seeds.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, clippy::expect_used, reason = "a bench may panic")]
#![allow(missing_docs, reason = "nobody links a bench")]

use std::ops::Range;
use std::thread;
use std::time::Duration;

use highwater_model::{Cause, Change, Forecast, Growth, Judge, Rules, Sample};

mod healthy;
mod leaks;
mod shape;

use shape::{HOUR, Moment, PARTS, Random, STEP, Writer};

/// Where the first level begins, by default.
const ELEVATED: f64 = 0.75;

fn main() {
    let mut numbers = std::env::args().skip(1).filter_map(|argument| argument.parse::<u64>().ok());
    let (count, first) = (numbers.next().unwrap_or(1500), numbers.next().unwrap_or(1500));
    let seeds = first..first + count;
    let mut bounds = Bounds::default();
    healthy_table(&seeds, &mut bounds);
    let told = leaks_table(&seeds, &mut bounds);
    parts_table(&told, &mut bounds);
    for minutes in [60, 15] {
        forecasts_table(&seeds, minutes, &mut bounds);
    }
    if !shape::is_unlimited() && !bounds.broken.is_empty() {
        eprintln!("outside the bounds of docs/judgement.md:\n{}", bounds.broken.join("\n"));
        std::process::exit(1);
    }
}

/// What was asked of the judgement, and where it is not so.
#[derive(Default)]
struct Bounds {
    broken: Vec<String>,
}

impl Bounds {
    fn at_most(&mut self, what: &str, value: f64, bound: f64) {
        if value > bound {
            self.broken.push(format!("{what}: {value:.2}, at most {bound}"));
        }
    }

    fn at_least(&mut self, what: &str, value: f64, bound: f64) {
        if value < bound {
            self.broken.push(format!("{what}: {value:.2}, at least {bound}"));
        }
    }
}

/// Runs `one` for each seed, on as many threads as there are processors.
fn each<T: Send>(seeds: &Range<u64>, one: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let one = &one;
    thread::scope(|scope| {
        let part = |thread| seeds.clone().filter(move |seed| seed % threads == thread).map(one).collect::<Vec<T>>();
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || part(thread))).collect();
        running.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn judge() -> Judge {
    Judge::new(Rules::default())
}

fn growth(judge: &mut Judge, sample: &Sample) -> Option<Growth> {
    judge.judge(sample).iter().find_map(|transition| match transition.change {
        Change::Growth(growth) => Some(growth),
        _ => None,
    })
}

fn healthy_table(seeds: &Range<u64>, bounds: &mut Bounds) {
    println!("| healthy, 24 h | alarms in 1,000 days | days with one | parameters |\n|---|---|---|---|");
    let (mut all, mut days) = (0, 0);
    for (name, parameters, shape) in healthy::ALL {
        let alarms = each(seeds, |seed| {
            let (mut random, mut judge) = (Random::new(name, seed), judge());
            let writer = Writer::new(Cause::Heap);
            let mut alarms = 0_u32;
            shape(&mut random, &mut |t, moment| {
                alarms += u32::from(growth(&mut judge, &writer.sample(t, &moment)).is_some());
            });
            alarms
        });
        let (sum, with) = (alarms.iter().sum::<u32>(), alarms.iter().filter(|alarms| **alarms > 0).count());
        println!(
            "| {name} | {:.2} | {:.2} % | {parameters} |",
            f64::from(sum) * 1000.0 / alarms.len() as f64,
            percent(with, alarms.len())
        );
        // Of few days one is too many.
        if alarms.len() >= 1000 {
            bounds.at_most(&format!("% of the days of {name} with an alarm"), percent(with, alarms.len()), 1.0);
        }
        all += sum;
        days += alarms.len();
    }
    let of_all = f64::from(all) * 1000.0 / days as f64;
    println!("| **all** | **{of_all:.2}** | | {days} days |\n");
    bounds.at_most("alarms in 1,000 healthy days", of_all, 2.0);
}

/// A leak that was told, or not.
struct Told {
    part: Cause,
    named: Option<Cause>,
    /// Before use was at 90 % of the limit.
    in_time: bool,
    /// Use at the alarm, as a share of the limit.
    used: f64,
    /// Whether it was told again, of the one leak that it is.
    again: bool,
    /// From the alarm to the limit, in seconds, and as a share of the whole leak.
    lead: f64,
    lead_share: f64,
}

fn leaks_table(seeds: &Range<u64>, bounds: &mut Bounds) -> Vec<Told> {
    println!(
        "| leaks, limit in 2 to 24 h | told below 90 % | below 75 % | told again | use when told: median, 90th | lead: median | of the leak's time | parameters |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut all = Vec::new();
    for (name, parameters, shape) in leaks::ALL {
        let mut told = each(seeds, |seed| {
            let mut random = Random::new(name, seed);
            let hours = random.scale(if name.contains("wave") { 6.0 } else { 2.0 }, 24.0);
            leak(shape, &mut random, hours)
        });
        row(name, &told, parameters);
        all.append(&mut told);
    }
    row("**all**", &all, "");
    bounds.at_least(
        "% of leaks told below 90 %",
        percent(all.iter().filter(|told| told.in_time).count(), all.len()),
        97.0,
    );
    for (name, from, to) in [("limit in 1 to 2 h", 1.0, 2.0), ("limit in 24 to 72 h", 24.0, 72.0)] {
        let other = leaks::ALL.into_iter().filter(|(name, ..)| from > 6.0 || !name.contains("wave"));
        let told = other.flat_map(|(name, _, shape)| {
            each(&(seeds.start..seeds.start + (seeds.end - seeds.start) / 5), |seed| {
                let mut random = Random::new(name, seed);
                let hours = random.scale(from, to);
                leak(shape, &mut random, hours)
            })
        });
        row(name, &told.collect::<Vec<_>>(), "all kinds, a fifth of the seeds");
    }
    println!();
    all
}

fn row(name: &str, told: &[Told], parameters: &str) {
    let in_time: Vec<&Told> = told.iter().filter(|told| told.in_time).collect();
    let of = |value: fn(&Told) -> f64| in_time.iter().map(|told| value(told)).collect::<Vec<_>>();
    let (used, lead, share) = (of(|told| told.used), of(|told| told.lead), of(|told| told.lead_share));
    let early = told.iter().filter(|told| told.in_time && told.used < ELEVATED).count();
    println!(
        "| {name} | {:.1} % | {:.0} % | {:.1} % | {:.0} %, {:.0} % | {:.1} h | {:.0} % | {parameters} |",
        percent(in_time.len(), told.len()),
        percent(early, told.len()),
        percent(told.iter().filter(|told| told.again).count(), told.len()),
        quantile(&used, 0.5) * 100.0,
        quantile(&used, 0.9) * 100.0,
        quantile(&lead, 0.5) / HOUR,
        quantile(&share, 0.5) * 100.0
    );
}

fn leak(shape: leaks::Shape, random: &mut Random, hours: f64) -> Told {
    let part = random.choice(&PARTS);
    let (writer, mut judge) = (Writer::new(part), judge());
    let (mut found, mut again, mut near, mut end) = (None, false, None, 0.0);
    shape(random, hours, &mut |t, moment| {
        let used = moment.used();
        near = near.or((used >= 0.9).then_some(t));
        if let Some(growth) = growth(&mut judge, &writer.sample(t, &moment)) {
            again |= found.is_some();
            found = found.or(Some((t, used, growth.cause)));
        }
        end = t;
        used < 1.0
    });
    let in_time = found.is_some_and(|(t, ..)| near.is_none_or(|near| t < near));
    let (at, used, named) = found.map_or((end, 1.0, None), |(t, used, cause)| (t, used, Some(cause)));
    let lead = end - at;
    Told { part, named, in_time, used, again, lead, lead_share: lead / (hours * HOUR) }
}

fn parts_table(told: &[Told], bounds: &mut Bounds) {
    println!("| part that leaks | named rightly |\n|---|---|");
    let right = |told: &&Told| told.named == Some(told.part);
    for part in PARTS {
        let of_part = || told.iter().filter(|told| told.part == part && told.named.is_some());
        println!("| {} | {:.1} % |", part.as_str(), percent(of_part().filter(right).count(), of_part().count()));
    }
    let named = || told.iter().filter(|told| told.named.is_some());
    let of_all = percent(named().filter(right).count(), named().count());
    println!("| **all** | **{of_all:.1} %** |\n");
    bounds.at_least("% of leaks whose part is named rightly", of_all, 95.0);
}

fn forecasts_table(seeds: &Range<u64>, minutes: u32, bounds: &mut Bounds) {
    println!(
        "| {minutes} min before the limit | inside the range | no forecast | latest / earliest: median | likely / true: 10th, median, 90th |"
    );
    println!("|---|---|---|---|---|");
    let seconds = f64::from(minutes * 60);
    let (mut all, mut inside_all) = (0, 0);
    for (name, _, shape) in leaks::ALL {
        let forecasts = each(seeds, |seed| {
            let mut random = Random::new(name, seed);
            let hours = random.scale(if name.contains("wave") { 6.0 } else { 2.0 }, 24.0);
            forecast(shape, &mut random, hours, seconds)
        });
        let known: Vec<&Forecast> = forecasts.iter().flatten().collect();
        let truth = Duration::from_secs_f64(seconds);
        let inside = known.iter().filter(|f| (f.earliest..=f.latest).contains(&truth)).count();
        let ratios: Vec<f64> =
            known.iter().map(|f| f.latest.as_secs_f64() / f.earliest.as_secs_f64().max(1.0)).collect();
        let likely: Vec<f64> = known.iter().map(|f| f.likely.as_secs_f64() / seconds).collect();
        let ratio = quantile(&ratios, 0.5);
        if name == "linear" {
            bounds.at_most(&format!("latest / earliest of linear leaks, {minutes} min before"), ratio, 3.0);
        }
        println!(
            "| {name} | {:.1} % | {:.1} % | {:.1} | {:.2}, {:.2}, {:.2} |",
            percent(inside, forecasts.len()),
            percent(forecasts.len() - known.len(), forecasts.len()),
            ratio,
            quantile(&likely, 0.1),
            quantile(&likely, 0.5),
            quantile(&likely, 0.9)
        );
        all += forecasts.len();
        inside_all += inside;
    }
    let of_all = percent(inside_all, all);
    println!("| **all** | **{of_all:.1} %** | | | |\n");
    bounds.at_least(&format!("% of forecasts {minutes} min before that hold the truth"), of_all, 90.0);
}

/// The forecast so many seconds before the limit is reached.
fn forecast(shape: leaks::Shape, random: &mut Random, hours: f64, before: f64) -> Option<Forecast> {
    let mut moments: Vec<Moment> = Vec::new();
    shape(random, hours, &mut |_, moment| {
        moments.push(moment);
        moment.used() < 1.0
    });
    let at = moments.len().checked_sub(1)?.checked_sub((before / f64::from(STEP)) as usize)?;
    let (writer, mut judge) = (Writer::new(Cause::Heap), judge());
    for (step, moment) in moments.iter().take(at + 1).enumerate() {
        judge.judge(&writer.sample(step as f64 * f64::from(STEP), moment));
    }
    judge.time_to_limit()
}

fn percent(some: usize, of: usize) -> f64 {
    some as f64 * 100.0 / of.max(1) as f64
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let index = (values.len() as f64 * share) as usize;
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
