//! A generated process: how much each part of its memory holds at each moment, from a seed.

use std::f64::consts::TAU;

use highwater_model::{Allocator, Bytes, Cause, Cgroup, CgroupEvents, Limit, LimitSource, Process, Sample, SinceStart};

/// Between two samples, in seconds. The agent takes ten times as many; what is judged are minutes and hours.
pub(crate) const STEP: u32 = 10;
pub(crate) const HOUR: f64 = 3600.0;
pub(crate) const DAY: f64 = 24.0 * HOUR;

/// The limit that shares are shares of.
const LIMIT: f64 = (1_u64 << 30) as f64;

/// What is drawn from a seed.
pub(crate) struct Random(fastrand::Rng);

impl Random {
    pub(crate) fn new(name: &str, seed: u64) -> Self {
        let shape = name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(fastrand::Rng::with_seed(shape ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
    }

    /// Evenly between two values.
    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.0.f64()
    }

    /// Between two values, each doubling as likely as the next.
    pub(crate) fn scale(&mut self, low: f64, high: f64) -> f64 {
        self.between(low.ln(), high.ln()).exp()
    }

    /// Normally distributed, with a standard deviation of 1.
    pub(crate) fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.0.f64()).ln()).sqrt() * (TAU * self.0.f64()).cos()
    }

    /// The time to the next of events that are `mean` apart.
    pub(crate) fn wait(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.0.f64()).ln()
    }

    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.0.f64() < share
    }

    pub(crate) fn choice<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.0.usize(..of.len())]
    }
}

/// Shares of the limit at one moment.
#[derive(Clone, Copy, Default)]
pub(crate) struct Moment {
    /// What the process holds and gives back.
    pub(crate) normal: f64,
    /// What it leaks.
    pub(crate) leaked: f64,
    /// Of the page cache.
    pub(crate) cached: f64,
    /// What other processes of the cgroup hold.
    pub(crate) others: f64,
    /// The limit itself, of the limit at the start.
    pub(crate) limit: f64,
}

impl Moment {
    pub(crate) fn of(normal: f64) -> Self {
        Self { normal, limit: 1.0, ..Self::default() }
    }

    pub(crate) fn used(&self) -> f64 {
        (self.normal + self.leaked + self.others).max(0.0)
    }
}

/// The parts that can leak.
pub(crate) const PARTS: [Cause; 7] = [
    Cause::Heap,
    Cause::Allocator,
    Cause::External,
    Cause::Unattributed,
    Cause::Shmem,
    Cause::Kernel,
    Cause::OtherProcess,
];

/// Writes moments as samples: of each part some, what is normal in the heap, what leaks in `leaking`.
pub(crate) struct Writer {
    leaking: Cause,
    limited: bool,
}

/// Whether there is to be no limit.
pub(crate) fn is_unlimited() -> bool {
    std::env::args().any(|argument| argument == "unlimited")
}

impl Writer {
    pub(crate) fn new(leaking: Cause) -> Self {
        Self { leaking, limited: !is_unlimited() }
    }

    pub(crate) fn sample(&self, seconds: f64, moment: &Moment) -> Sample {
        let bytes = |share: f64| Bytes::new((share.max(0.0) * LIMIT) as u64);
        let normal = moment.normal.max(0.0);
        // The heap is most of what is normal; the rest stands beside it.
        let part = |cause: Cause, share: f64| {
            let leaked = if cause == self.leaking { moment.leaked } else { 0.0 };
            normal * share + leaked
        };
        let heap = part(Cause::Heap, 0.7);
        let overhead = part(Cause::Allocator, 0.1);
        let external = part(Cause::External, 0.05);
        let unattributed = part(Cause::Unattributed, 0.05);
        let shmem = part(Cause::Shmem, 0.05);
        let kernel = part(Cause::Kernel, 0.05);
        let others = part(Cause::OtherProcess, 0.0) + moment.others;
        let own = heap + overhead + external + unattributed;
        let limit = Limit { bytes: bytes(moment.limit), source: LimitSource::Cgroup, scope: 1 };
        Sample {
            at: SinceStart::new(std::time::Duration::from_secs_f64(seconds)),
            used: Some(bytes(own + others + shmem + kernel)),
            limit: self.limited.then_some(limit),
            allocator: Some(Allocator {
                allocated: bytes(heap),
                active: bytes(heap + overhead),
                resident: bytes(heap + overhead),
                ..Allocator::default()
            }),
            process: Process { anon: Some(bytes(own)), shmem: Some(bytes(shmem)), ..Process::default() },
            cgroup: Some(Cgroup {
                id: 1,
                limited: true,
                usage: Some(bytes(own + others + shmem + kernel + moment.cached)),
                anon: Some(bytes(own + others)),
                file_active: Some(Bytes::ZERO),
                file_inactive: Some(bytes(moment.cached)),
                shmem: Some(bytes(shmem)),
                kernel: Some(bytes(kernel)),
                events: CgroupEvents::default(),
                ..Cgroup::default()
            }),
            external: bytes(external),
        }
    }
}

/// A saw: use rises from `base` by `height` over about `period`, and falls at once.
pub(crate) struct Saw {
    height: f64,
    period: f64,
    jitter: f64,
    began: f64,
    length: f64,
    peak: f64,
}

impl Saw {
    /// Each tooth is longer or shorter by up to `jitter` of its length.
    pub(crate) fn new(random: &mut Random, height: f64, period: f64, jitter: f64) -> Self {
        let began = -random.between(0.0, period);
        Self { height, period, jitter, began, length: period, peak: height }
    }

    pub(crate) fn at(&mut self, random: &mut Random, seconds: f64) -> f64 {
        while seconds - self.began >= self.length {
            self.began += self.length;
            let longer = 1.0 + random.between(-self.jitter, self.jitter);
            self.length = self.period * longer;
            self.peak = self.height * longer * (1.0 + 0.3 * random.between(-self.jitter, self.jitter));
        }
        self.peak * (seconds - self.began) / self.length
    }
}

/// A day's wave around nothing, with a second one of half its length.
pub(crate) fn wave(random: &mut Random) -> impl Fn(f64) -> f64 + use<> {
    let (phase, second, second_phase) = (random.between(0.0, TAU), random.between(0.0, 0.25), random.between(0.0, TAU));
    move |seconds| {
        let day = seconds / DAY * TAU;
        ((day + phase).sin() + second * (2.0 * day + second_phase).sin()) / (1.0 + second)
    }
}
