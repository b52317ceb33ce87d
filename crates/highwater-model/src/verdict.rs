//! How a run ended, from what it left behind.
//!
//! A process that is killed cannot say so. What is known afterwards is the numbers of its last sample, what the kernel has
//! counted since, and marks that a run leaves where it ends in another way. A [`Verdict`] is drawn from these alone, with
//! the [`Confidence`] that they allow: the kernel's own counter is evidence, use at the limit is an indication, and the
//! absence of any mark is a guess.
//!
//! What counts, in this order: a run that said that it ended; another boot of the machine, where it is the same one; the
//! kernel's counter, where use was near the limit; a panic that was the last that it did; an exit past the agent; the
//! kernel's counter where use was far from the limit, since the kill may have been a later neighbour's; use that was at the
//! limit, or would have reached it before the next sample.

use core::fmt;
use core::time::Duration;

use crate::{Bytes, Limit, LimitSource};

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Verdict {
    /// The kernel killed it for memory.
    OomKilled,
    /// A signal ended it, or native code that crashed: it left no mark, and memory does not explain it.
    Killed,
    /// It panicked.
    Crashed,
    /// The machine went down with it: the same one has started since.
    Rebooted,
    /// It ended by itself.
    ShutDown,
    /// Nothing says how: it ran on another machine, say.
    #[default]
    Unknown,
}

impl Verdict {
    /// The value of `highwater.exit.verdict`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OomKilled => "oom_killed",
            Self::Killed => "killed",
            Self::Crashed => "crashed",
            Self::Rebooted => "rebooted",
            Self::ShutDown => "shut_down",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How sure a verdict is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Confidence {
    /// Nothing contradicts it.
    #[default]
    Guess,
    /// The numbers speak for it.
    Likely,
    /// The kernel, or the run itself, said so.
    Certain,
}

impl Confidence {
    /// The value of `highwater.exit.confidence`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Guess => "guess",
        }
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the run was, as seen from where it is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Machine {
    /// On this machine, since its last start.
    Same,
    /// On this machine, before its last start.
    Rebooted,
    /// In another start of a machine, of which it is not known that it was this one.
    Another,
    /// The system does not say.
    #[default]
    Unknown,
}

/// What is known of a run that is over.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Evidence {
    /// Whether the agent was shut down in it.
    pub closed: bool,
    /// Whether it left by an exit that the agent was not told of.
    pub exited: bool,
    /// Whether it panicked, and no more than the sample that was due came afterwards; of one that was closed, in its main
    /// thread.
    pub panicked: bool,
    /// Where it was.
    pub machine: Machine,
    /// By how much the kernel's count of kills in its cgroup rose since its last sample; `None` where that cannot be
    /// compared.
    pub kills: Option<u64>,
    /// Whether other processes held most of the cgroup's memory.
    pub others_hold_most: bool,
    /// What was used at the last sample.
    pub used: Option<Bytes>,
    /// The limit that bound then.
    pub limit: Option<Limit>,
    /// Bytes a second by which use rose over the last samples.
    pub slope: Option<f64>,
    /// How long after the last sample the next one was due.
    pub next: Duration,
}

/// From this share of the limit on a rise explains a kill: as where critical begins.
const NEAR: f64 = 0.95;
/// Below it a kill is not for memory, as far as the cgroup is concerned.
const FAR: f64 = 0.75;

impl Evidence {
    /// How it ended.
    pub fn verdict(&self) -> (Verdict, Confidence) {
        use Confidence::{Certain, Guess, Likely};

        if self.closed {
            return if self.panicked { (Verdict::Crashed, Likely) } else { (Verdict::ShutDown, Certain) };
        }
        match self.machine {
            // What it rests on was cut off with the machine, but a service that was at its limit had its own end near.
            Machine::Rebooted => return (Verdict::Rebooted, Likely),
            Machine::Another if self.is_at_limit() => return (Verdict::OomKilled, Guess),
            Machine::Another => return (Verdict::Unknown, Guess),
            Machine::Same | Machine::Unknown => {}
        }
        if self.kills.is_some_and(|kills| kills > 0) && self.is_near_limit() {
            return (Verdict::OomKilled, if self.others_hold_most { Likely } else { Certain });
        }
        if self.panicked {
            return (Verdict::Crashed, Likely);
        }
        if self.exited {
            return (Verdict::ShutDown, Likely);
        }
        match self.kills {
            // It counts each process that the kernel kills for memory, whoever ran out of it, and those of later runs too.
            Some(kills) if kills > 0 => (Verdict::OomKilled, if self.others_hold_most { Guess } else { Likely }),
            Some(_) => (Verdict::Killed, Likely),
            None if self.is_at_limit() => {
                (Verdict::OomKilled, if self.is_enforced() && !self.others_hold_most { Likely } else { Guess })
            }
            None => match self.share() {
                Some(share) if share < FAR => (Verdict::Killed, Likely),
                _ => (Verdict::Killed, Guess),
            },
        }
    }

    /// Whether use was at the limit and rose, or would have reached it before the next sample.
    fn is_at_limit(&self) -> bool {
        let (Some(used), Some(limit), Some(share)) = (self.used, self.limit, self.share()) else { return false };
        let rise = self.slope.unwrap_or_default();
        if rise <= 0.0 {
            // One that touches the limit need not rise any more.
            return share >= 1.0;
        }
        let then = used.get() as f64 + rise * self.next.as_secs_f64();
        // Beyond a limit that the kernel does not enforce nothing happens: only use that is there already is an indication.
        share >= NEAR || (self.is_enforced() && then >= limit.bytes.get() as f64)
    }

    /// Whether use was close enough to the limit that a kill is explained, or about to be.
    fn is_near_limit(&self) -> bool {
        self.is_at_limit() || self.share().is_some_and(|share| share >= NEAR)
    }

    fn is_enforced(&self) -> bool {
        self.limit.is_some_and(|limit| limit.source == LimitSource::Cgroup)
    }

    fn share(&self) -> Option<f64> {
        self.used?.ratio_of(self.limit?.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CERTAIN: Confidence = Confidence::Certain;
    const LIKELY: Confidence = Confidence::Likely;
    const GUESS: Confidence = Confidence::Guess;

    fn limited(source: LimitSource) -> Option<Limit> {
        Some(Limit { bytes: Bytes::mib(100), source, scope: 1 })
    }

    /// 50 of 100 MiB, flat, on the same machine.
    fn calm() -> Evidence {
        Evidence {
            machine: Machine::Same,
            used: Some(Bytes::mib(50)),
            limit: limited(LimitSource::Cgroup),
            slope: Some(0.0),
            next: Duration::from_secs(1),
            ..Evidence::default()
        }
    }

    fn used(mib: u64, mib_a_second: f64) -> Evidence {
        Evidence { used: Some(Bytes::mib(mib)), slope: Some(mib_a_second * f64::from(1 << 20)), ..calm() }
    }

    #[track_caller]
    fn is(evidence: Evidence, verdict: Verdict, confidence: Confidence) {
        assert_eq!(evidence.verdict(), (verdict, confidence), "{evidence:?}");
    }

    #[test]
    fn a_run_that_was_shut_down_says_so_whatever_came_later() {
        is(Evidence { closed: true, ..calm() }, Verdict::ShutDown, CERTAIN);
        is(Evidence { closed: true, kills: Some(3), ..used(99, 9.0) }, Verdict::ShutDown, CERTAIN);
        is(Evidence { closed: true, machine: Machine::Rebooted, ..calm() }, Verdict::ShutDown, CERTAIN);
        is(Evidence { closed: true, panicked: true, ..calm() }, Verdict::Crashed, LIKELY);
    }

    #[test]
    fn the_kernel_s_counter_is_certain_where_the_process_was_the_largest_and_near_the_limit() {
        for near in [used(96, 0.0), used(60, 45.0), used(97, -1.0)] {
            is(Evidence { kills: Some(1), ..near }, Verdict::OomKilled, CERTAIN);
            is(Evidence { kills: Some(1), others_hold_most: true, ..near }, Verdict::OomKilled, LIKELY);
            is(Evidence { kills: Some(1), panicked: true, ..near }, Verdict::OomKilled, CERTAIN);
        }
    }

    #[test]
    fn far_from_the_limit_the_kernel_may_have_killed_another() {
        let far = Evidence { kills: Some(1), ..calm() };
        is(far, Verdict::OomKilled, LIKELY);
        is(Evidence { others_hold_most: true, ..far }, Verdict::OomKilled, GUESS);
        is(Evidence { used: None, ..far }, Verdict::OomKilled, LIKELY);
        is(Evidence { panicked: true, ..far }, Verdict::Crashed, LIKELY);
        is(Evidence { exited: true, ..far }, Verdict::ShutDown, LIKELY);
    }

    #[test]
    fn a_counter_that_stands_still_speaks_against_it_even_at_the_limit() {
        is(Evidence { kills: Some(0), ..used(99, 5.0) }, Verdict::Killed, LIKELY);
    }

    #[test]
    fn where_no_counter_can_be_compared_use_at_the_limit_is_likely() {
        is(used(96, 0.1), Verdict::OomKilled, LIKELY);
        is(used(60, 45.0), Verdict::OomKilled, LIKELY);
        is(used(60, 30.0), Verdict::Killed, LIKELY);
        is(Evidence { next: Duration::from_secs(2), ..used(60, 30.0) }, Verdict::OomKilled, LIKELY);
        is(used(96, 0.0), Verdict::Killed, GUESS);
        is(used(100, 0.0), Verdict::OomKilled, LIKELY);
        is(used(80, -3.0), Verdict::Killed, GUESS);
        is(Evidence { others_hold_most: true, ..used(96, 0.1) }, Verdict::OomKilled, GUESS);
    }

    #[test]
    fn a_limit_that_the_kernel_does_not_enforce_allows_a_guess() {
        for source in [LimitSource::Config, LimitSource::CgroupHigh] {
            is(Evidence { limit: limited(source), ..used(96, 1.0) }, Verdict::OomKilled, GUESS);
            is(Evidence { limit: limited(source), ..used(80, 90.0) }, Verdict::Killed, GUESS);
        }
    }

    #[test]
    fn without_any_mark_it_was_killed() {
        is(calm(), Verdict::Killed, LIKELY);
        is(Evidence { used: None, ..calm() }, Verdict::Killed, GUESS);
        is(Evidence { limit: None, ..calm() }, Verdict::Killed, GUESS);
        is(Evidence { machine: Machine::Unknown, ..calm() }, Verdict::Killed, LIKELY);
    }

    #[test]
    fn marks_tell_a_panic_and_an_exit_apart() {
        is(Evidence { panicked: true, ..calm() }, Verdict::Crashed, LIKELY);
        is(Evidence { exited: true, ..calm() }, Verdict::ShutDown, LIKELY);
        is(Evidence { exited: true, panicked: true, ..calm() }, Verdict::Crashed, LIKELY);
        is(Evidence { exited: true, kills: Some(0), ..calm() }, Verdict::ShutDown, LIKELY);
    }

    #[test]
    fn another_boot_is_not_this_machine_s_kill() {
        is(Evidence { machine: Machine::Rebooted, ..used(99, 1.0) }, Verdict::Rebooted, LIKELY);
        is(Evidence { machine: Machine::Another, ..calm() }, Verdict::Unknown, GUESS);
        is(Evidence { machine: Machine::Another, ..used(99, 1.0) }, Verdict::OomKilled, GUESS);
    }
}
