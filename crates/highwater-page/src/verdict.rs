//! The verdict: one sentence first, with its reason, its numbers and one next step.
//!
//! Somebody opens the page because something is wrong, or to see that nothing is. All else on it is evidence. So exactly one
//! verdict is given, by the first of these that holds, from what hurts now to what is only good to know:
//!
//! | | verdict | before the next, because |
//! |---|---|---|
//! | 1 | stale | what is not seen any more cannot be judged |
//! | 2 | not enough data: use is unknown | the same |
//! | 3 | stalled on memory | requests wait for it now, whatever the numbers are |
//! | 4 | near the limit, or above a level in bytes | a level is raised: the end may be seconds away |
//! | 5 | back below its level | it is over in a minute, and what was seen of the rise may still count as growth |
//! | 6 | grows steadily, or has grown | there is time left, and it is known how much |
//! | 7 | not enough data: no limit | against nothing no use is high or low |
//! | 8 | the allocator holds what the program freed | it counts against the limit, and can be had back |
//! | 9 | page cache that is reclaimable | it looks like 4 on other dashboards, and is nothing |
//! | 10 | warm-up | nothing is wrong yet, and growth is not judged yet |
//! | 11 | healthy | |
//!
//! It judges nothing anew: level, growth and forecast are the agent's. What is decided here alone is what is worth a
//! sentence: see the constants.

use std::fmt::{self, Write as _};
use std::time::Duration;

use highwater::model::{Forecast, Levels, Line, Threshold};
use highwater::{Bytes, Level};

/// Without a sample for so long nothing is known any more: the agent's own gauges are absent then, too.
const STALE: Duration = Duration::from_secs(30);
/// The share of the last ten seconds for which a task was stalled on memory. 0.2: twice what systemd takes for pressure, so
/// that a burst of reclaim is none.
const SOME_STALLED: f64 = 0.2;
/// The same where all tasks were: nothing was done at all meanwhile.
const ALL_STALLED: f64 = 0.1;
/// A limit that is reached so soon even on the flattest slope is said before the agent tells growth, in the warm-up too.
const SOON: Duration = Duration::from_secs(60 * 60);
/// One that is most likely reached so soon is said too, from [`HALF`] of it on: of what `HighwaterWillReachLimit` alarms of
/// the page does not say that there is nothing to do.
const LIKELY_SOON: Duration = Duration::from_secs(4 * 60 * 60);
/// Below this share of the limit a service may have just begun: what is filled in the first minutes is no end in four hours.
const HALF: f64 = 0.5;
/// What the allocator holds beyond what the program does is worth a sentence from 32 MiB on: arenas and caches are that
/// large in a healthy service.
const HELD: Bytes = Bytes::mib(32);
/// And from this share of what is used.
const HELD_SHARE: f64 = 0.3;
/// At this share of the limit a dashboard that counts page cache alarms.
const FULL: f64 = 0.85;

/// All that a verdict is made from. `None` is unknown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Facts {
    /// Whether the agent runs.
    pub(crate) is_running: bool,
    /// How old the last sample is; `None` before the first.
    pub(crate) age: Option<Duration>,
    pub(crate) used: Option<Bytes>,
    /// The most that was used in the last ten seconds: what hovers at a line is not below it and above it in turn.
    pub(crate) used_lately: Option<Bytes>,
    pub(crate) limit: Option<Bytes>,
    /// What is left below the limit.
    pub(crate) available: Option<Bytes>,
    pub(crate) level: Level,
    /// Where the levels begin, as they are set.
    pub(crate) levels: Levels,
    /// Bytes a second.
    pub(crate) growth: Option<f64>,
    pub(crate) is_growing: bool,
    pub(crate) forecast: Option<Forecast>,
    pub(crate) warm_up_left: Duration,
    pub(crate) allocated: Option<Bytes>,
    /// What the allocator holds in memory.
    pub(crate) held: Option<Bytes>,
    /// All that is charged to the cgroup, page cache included.
    pub(crate) usage: Option<Bytes>,
    /// Page cache among it.
    pub(crate) cache: Option<Bytes>,
    /// The shares of the last ten seconds for which some and all tasks were stalled on memory.
    pub(crate) stalled: [Option<f64>; 2],
    /// Whether other processes hold most of the memory of the cgroup.
    pub(crate) others_hold_most: bool,
    /// Whether heap profiles are taken.
    pub(crate) heap_profiles: bool,
}

/// How things stand, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) kind: Kind,
    pub(crate) tone: Tone,
    pub(crate) title: String,
    pub(crate) reason: String,
    pub(crate) next: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Stale,
    NotEnoughData,
    Stalled,
    NearLimit,
    Leaving,
    Growing,
    AllocatorHolds,
    PageCache,
    WarmingUp,
    Healthy,
}

/// How a verdict is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Info,
    Watch,
    Bad,
    Unknown,
}

impl Kind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Stale => "stale",
            Self::NotEnoughData => "not_enough_data",
            Self::Stalled => "stalled",
            Self::NearLimit => "near_limit",
            Self::Leaving => "leaving",
            Self::Growing => "growing",
            Self::AllocatorHolds => "allocator_holds",
            Self::PageCache => "page_cache",
            Self::WarmingUp => "warming_up",
            Self::Healthy => "healthy",
        }
    }
}

impl Tone {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Info => "info",
            Self::Watch => "watch",
            Self::Bad => "bad",
            Self::Unknown => "unknown",
        }
    }
}

/// Gives the verdict: total, and of equal facts the same.
pub(crate) fn verdict(facts: &Facts) -> Verdict {
    let first =
        [stale, unknown, stalled, near_limit, leaving, growing, unlimited, allocator_holds, page_cache, warming_up];
    first.into_iter().find_map(|of| of(facts)).unwrap_or_else(|| healthy(facts))
}

fn say(kind: Kind, tone: Tone, title: impl Into<String>, reason: String, next: impl Into<String>) -> Verdict {
    Verdict { kind, tone, title: title.into(), reason, next: next.into() }
}

fn stale(facts: &Facts) -> Option<Verdict> {
    let unknown = |title: &str, reason, next: &str| Some(say(Kind::Stale, Tone::Unknown, title, reason, next));
    match facts.age {
        _ if !facts.is_running => unknown(
            "The agent has stopped",
            match facts.age {
                Some(age) => format!("What is shown is {} old, and nothing follows.", Time(age)),
                None => "Nothing was sampled.".to_owned(),
            },
            "Look whether the service is ending; an agent that was shut down does not start again by itself.",
        ),
        Some(age) if age >= STALE => unknown(
            "No sample comes",
            format!("The last one is {} old; one is due every second.", Time(age)),
            "Look whether the process is frozen, starved of processor time, or stalled on memory.",
        ),
        _ => None,
    }
}

fn unknown(facts: &Facts) -> Option<Verdict> {
    let (reason, next) = match (facts.age, facts.used) {
        (Some(_), Some(_)) => return None,
        (None, _) => ("The first sample was not taken yet.".to_owned(), "Wait a second."),
        (Some(_), None) => (
            "How much memory is used cannot be read here.".to_owned(),
            "Look for a highwater.source.unavailable event: it says which file cannot be read, and why.",
        ),
    };
    Some(say(Kind::NotEnoughData, Tone::Unknown, "Not enough data", reason, next))
}

fn stalled(facts: &Facts) -> Option<Verdict> {
    let [some, full] = facts.stalled.map(|share| share.unwrap_or_default());
    if some < SOME_STALLED && full < ALL_STALLED {
        return None;
    }
    let mut reason = format!("For {} of the last ten seconds tasks waited for memory", Share(some));
    if full >= ALL_STALLED {
        let _ = write!(reason, ", for {} all of them", Share(full));
    }
    let (how_near, next) = match facts.stand() {
        Stand::Normal | Stand::Leaving => (
            ".",
            "Look at the page cache: a working set that does not fit is read again and again. Raise the limit, or read less.",
        ),
        Stand::Above(..) => {
            (", and use is above its level.", "Free memory or shed load now: the kernel reclaims what is in use.")
        }
        Stand::NearLimit(_) => (
            ", and memory is near its limit.",
            "Free memory or shed load now, then raise the limit: the kernel reclaims what is in use.",
        ),
    };
    reason.push_str(how_near);
    Some(say(Kind::Stalled, Tone::Bad, "Stalled on memory", reason, next))
}

fn near_limit(facts: &Facts) -> Option<Verdict> {
    let mut reason = facts.use_of_limit();
    let (title, level) = match facts.stand() {
        Stand::Normal | Stand::Leaving => return None,
        Stand::Above(level, line) => {
            if let Some(line) = line {
                let _ = write!(reason, " The level begins at {}.", Size(line));
            }
            ("Above its level", level)
        }
        Stand::NearLimit(level) => ("Near the limit", level),
    };
    let tone = if level == Level::Elevated { Tone::Watch } else { Tone::Bad };
    reason.push_str(&facts.left());
    reason.push_str(&facts.ahead());
    let next = match (facts.others_hold_most, facts.heap_profiles) {
        (true, _) => "Look at the other processes of the cgroup: they hold most of its memory.",
        (false, true) => {
            "Look at which part grew, and at the functions that hold the memory, in the last heap profile below."
        }
        (false, false) => {
            "Look at which part grew: \"What changed\" below tells it. Heap profiles, which are off, would name the functions."
        }
    };
    Some(say(Kind::NearLimit, tone, format!("{title}: {level}"), reason, next))
}

/// A level is told to be over only once use was below its line for a while, and the verdict goes by what is used.
fn leaving(facts: &Facts) -> Option<Verdict> {
    if facts.stand() != Stand::Leaving {
        return None;
    }
    let mut reason = facts.use_of_limit();
    let _ = write!(reason, " That is below where level {} is left; normal is told once that has held.", facts.level);
    let next = "Wait a minute. The episode below tells what it was.";
    Some(say(Kind::Leaving, Tone::Info, "Back below its level", reason, next))
}

fn growing(facts: &Facts) -> Option<Verdict> {
    let is_filled = || facts.used?.ratio_of(facts.limit?);
    let soon = facts.forecast.is_some_and(|forecast| {
        forecast.latest <= SOON || forecast.likely <= LIKELY_SOON && is_filled().is_some_and(|share| share > HALF)
    });
    if !facts.is_growing && !soon {
        return None;
    }
    let mut title = "Grows steadily";
    let mut reason = match (facts.rise(), facts.forecast) {
        (Some(rise), _) => format!("Use rises by {} an hour and does not come down.", Size(rise)),
        (None, Some(_)) => "Use rises.".to_owned(),
        (None, None) => {
            title = "Has grown";
            "Growth was told and has not been given back; it is not certain that use rises now.".to_owned()
        }
    };
    if let Some(forecast) = facts.forecast {
        let _ = write!(reason, " The limit is reached in {}.", Range(forecast));
    }
    let _ = write!(reason, " {}", facts.use_of_limit());
    let next = if facts.heap_profiles {
        "Compare two heap profiles, one of now and one of later: what grew between them holds the memory."
    } else {
        "Set mark A now and mark B later: \"What changed\" below tells which part grew. Heap profiles, which are off, would name \
         the functions."
    };
    Some(say(Kind::Growing, Tone::Watch, title, reason, next))
}

fn unlimited(facts: &Facts) -> Option<Verdict> {
    if facts.limit.is_some() {
        return None;
    }
    let reason = match facts.used {
        Some(used) => format!("{} used, and no limit is known: how near it is cannot be said.", Size(used)),
        None => "No limit is known.".to_owned(),
    };
    let next = "Set HIGHWATER_LIMIT, or run in a cgroup with a limit.";
    Some(say(Kind::NotEnoughData, Tone::Unknown, "No limit is known", reason, next))
}

fn allocator_holds(facts: &Facts) -> Option<Verdict> {
    let (allocated, held, used) = (facts.allocated?, facts.held?, facts.used?);
    let freed = held.saturating_sub(allocated);
    let is_much = freed >= HELD && freed.ratio_of(used).is_some_and(|share| share >= HELD_SHARE);
    let reason = format!(
        "The program holds {} of the {} that its allocator has in memory: {} are freed, or lost between allocations. {}",
        Size(allocated),
        Size(held),
        Size(freed),
        facts.use_of_limit()
    );
    let next = "Wait a minute: most of it is given back by itself. Where it stays, HIGHWATER_PURGE=high gives it back near the limit.";
    is_much.then(|| say(Kind::AllocatorHolds, Tone::Info, "The allocator holds what the program freed", reason, next))
}

fn page_cache(facts: &Facts) -> Option<Verdict> {
    let (used, usage, cache) = (facts.used?, facts.usage?, facts.cache?);
    // Of what fills the limit, more than what cannot be taken back.
    let fills = usage.ratio_of(facts.limit?).is_some_and(|share| share >= FULL)
        && cache >= usage.saturating_sub(cache).min(used);
    let reason = format!(
        "{} are charged to the cgroup, of which {} are page cache that the kernel takes back when it needs to. {}{}",
        Size(usage),
        Size(cache),
        facts.use_of_limit(),
        facts.ahead()
    );
    let next = match facts.forecast {
        Some(_) => LOOK_AGAIN,
        None => "Nothing to do. A dashboard that counts page cache shows a full container all the same.",
    };
    fills.then(|| say(Kind::PageCache, Tone::Good, "Page cache, which is reclaimable", reason, next))
}

fn warming_up(facts: &Facts) -> Option<Verdict> {
    if facts.warm_up_left.is_zero() {
        return None;
    }
    let mut reason = facts.use_of_limit();
    let _ = write!(reason, " Growth is judged in {}: most services grow while they warm up.", Time(facts.warm_up_left));
    Some(say(
        Kind::WarmingUp,
        Tone::Info,
        "Warming up",
        reason,
        "Wait, or look at the timeline. Levels are judged already.",
    ))
}

/// Where use rises for certain, and the limit is far.
const LOOK_AGAIN: &str = "Look again within the time that is left, or set mark A now and mark B then: \"What changed\" below tells which part grew.";

fn healthy(facts: &Facts) -> Verdict {
    let mut reason = facts.use_of_limit();
    let next = match (facts.rise(), facts.forecast) {
        (rise, Some(_)) => {
            if let Some(rise) = rise {
                let _ = write!(reason, " Use rises by {} an hour.", Size(rise));
            }
            reason.push_str(&facts.ahead());
            LOOK_AGAIN
        }
        (Some(rise), None) => {
            let _ = write!(
                reason,
                " Use rises by {} an hour, too little or too unsteady to be told as growth.",
                Size(rise)
            );
            "Nothing to do."
        }
        // The agent's windows are its own: that it tells none now says nothing of any time before.
        (None, None) => {
            reason.push_str(" No growth is told now.");
            "Nothing to do."
        }
    };
    say(Kind::Healthy, Tone::Good, "Healthy", reason, next)
}

/// How use stands to the levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    /// No level is raised.
    Normal,
    /// One is, and use is back below where the lowest one is left.
    Leaving,
    /// One is, which says nothing of a limit: it begins at so many bytes.
    Above(Level, Option<Bytes>),
    /// One is that is measured by the limit.
    NearLimit(Level),
}

impl Facts {
    fn stand(&self) -> Stand {
        let raised = Level::RAISED.into_iter().zip(self.levels.lines(self.limit)).zip(self.levels.thresholds());
        let used = self.used.max(self.used_lately);
        // A level is left after the ones above it, one hold after the other: what is told is the one that use is at.
        let is_at = |line: Option<Line>| match (used, line) {
            (Some(used), Some(line)) => used >= line.leave,
            _ => false,
        };
        let is_known = used.is_some() && self.levels.lines(self.limit).iter().any(Option::is_some);
        let mut at_or_below = raised.filter(|((level, _), _)| *level <= self.level);
        let last = at_or_below.rfind(|((_, line), _)| !is_known || is_at(*line));
        match last {
            _ if self.level == Level::Normal => Stand::Normal,
            None => Stand::Leaving,
            Some(((level, _), Threshold::Amount(line))) => Stand::Above(level, Some(line)),
            Some(((level, _), _)) if self.limit.is_none() => Stand::Above(level, None),
            Some(((level, _), _)) => Stand::NearLimit(level),
        }
    }

    /// By how much use rises in an hour, where it does.
    fn rise(&self) -> Option<Bytes> {
        self.growth.map(an_hour).filter(|rise| *rise > Bytes::ZERO)
    }

    /// " At this pace the limit is reached in 12 min to 25 min, most likely in 18 min."
    fn ahead(&self) -> String {
        let ahead = |forecast| format!(" At this pace the limit is reached in {}.", Range(forecast));
        self.forecast.map_or_else(String::new, ahead)
    }

    /// "23 % of 512 MiB used."
    fn use_of_limit(&self) -> String {
        match (self.used, self.limit) {
            (Some(used), Some(limit)) => match used.ratio_of(limit) {
                Some(share) => format!("{} of {} used.", Share(share), Size(limit)),
                None => format!("{} used.", Size(used)),
            },
            (Some(used), None) => format!("{} used.", Size(used)),
            (None, _) => String::new(),
        }
    }

    /// " 41 MiB are left."
    fn left(&self) -> String {
        self.available.map_or_else(String::new, |left| format!(" {} are left.", Size(left)))
    }
}

/// Bytes an hour, from a rate a second; what is no amount is nothing.
fn an_hour(rate: f64) -> Bytes {
    // Saturates, and is 0 of what is no number.
    Bytes::new((rate * 3600.0) as u64)
}

/// An amount as people read it: "512 MiB".
struct Size(Bytes);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let unit = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at(unit);
        write!(f, "{number} {unit}")
    }
}

/// A share as people read it: "23 %".
struct Share(f64);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0} %", self.0 * 100.0)
    }
}

/// A time as people read it: "42 s", "12 min", "3.5 h", "2 days".
struct Time(Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE: f64 = 60.0;
        const HOUR: f64 = 60.0 * MINUTE;
        const DAY: f64 = 24.0 * HOUR;
        let seconds = self.0.as_secs_f64();
        match seconds {
            _ if seconds < 1.5 * MINUTE => write!(f, "{seconds:.0} s"),
            _ if seconds < 1.5 * HOUR => write!(f, "{:.0} min", seconds / MINUTE),
            _ if seconds < 10.0 * HOUR => write!(f, "{:.1} h", seconds / HOUR),
            _ if seconds < 1.5 * DAY => write!(f, "{:.0} h", seconds / HOUR),
            _ => write!(f, "{:.0} days", seconds / DAY),
        }
    }
}

/// When the limit is reached: "12 min to 25 min, most likely 18 min".
struct Range(Forecast);

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Forecast { earliest, likely, latest, .. } = self.0;
        write!(f, "{} to {}, most likely in {}", Time(earliest), Time(latest), Time(likely))
    }
}

#[cfg(test)]
mod tests;
