//! How many samples a second one processor judges, and how much memory the judge takes.
//!
//! `cargo bench -p highwater-model --bench throughput`: a day of samples ten seconds apart, and one second apart; the median
//! of eleven runs. Two shared AMD EPYC processors, Linux 6.18, Rust 1.95: see `docs/figures.md`.
#![allow(clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "a bench may panic")]
#![allow(clippy::disallowed_methods, reason = "a bench measures time")]
#![allow(missing_docs, reason = "nobody links a bench")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use highwater_model::{Bytes, Judge, Limit, LimitSource, Process, Rules, Sample, SinceStart};

const RUNS: usize = 11;
const DAY: Duration = Duration::from_secs(24 * 3600);

fn main() {
    println!("a judge is {} bytes, of a constant size", size_of::<Judge>());
    for apart in [Duration::from_secs(10), Duration::from_secs(1)] {
        let samples: Vec<Sample> = day(apart).collect();
        let mut rates: Vec<f64> = (0..RUNS).map(|_| rate(&samples)).collect();
        rates.sort_by(f64::total_cmp);
        println!("a day of samples {apart:?} apart: {:.2} million samples a second", rates[RUNS / 2] / 1e6);
    }
}

fn rate(samples: &[Sample]) -> f64 {
    let mut judge = Judge::new(Rules::default());
    let start = Instant::now();
    for sample in samples {
        black_box(judge.judge(black_box(sample)));
    }
    samples.len() as f64 / start.elapsed().as_secs_f64()
}

/// A sawtooth over a slow leak, which crosses every line.
fn day(apart: Duration) -> impl Iterator<Item = Sample> {
    let count = (DAY.as_secs_f64() / apart.as_secs_f64()) as u32;
    (0..count).map(move |index| {
        let at = SinceStart::new(apart * index);
        let share = f64::from(index) / f64::from(count);
        let used = Bytes::new(((0.3 + 0.6 * share + 0.1 * (share * 300.0).fract()) * (1_u64 << 30) as f64) as u64);
        let limit = Limit { bytes: Bytes::gib(1), source: LimitSource::Cgroup, scope: 1 };
        let process = Process { anon: Some(used), ..Process::default() };
        Sample { at, used: Some(used), limit: Some(limit), process, ..Sample::default() }
    })
}
