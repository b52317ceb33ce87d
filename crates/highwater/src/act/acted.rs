//! What came of one action, in words and in numbers.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use highwater_model::{Bytes, Level, Sample, SinceStart};

use crate::event::Attribute;
use crate::identity::EpisodeHandle;

/// An action that freed less of what is used was ineffective.
const EFFECTIVE: f64 = 0.05;

/// One action that ran.
#[derive(Clone, Debug)]
pub(crate) struct Acted {
    pub(crate) name: &'static str,
    /// The name of its span.
    pub(crate) span: Arc<str>,
    /// The level at which it ran.
    pub(crate) level: Level,
    pub(crate) from: SinceStart,
    pub(crate) to: SinceStart,
    pub(crate) before: Sample,
    pub(crate) after: Sample,
    /// How long it will not run again.
    pub(crate) rest: Duration,
    /// The episode that was open when it began; it may be over since.
    pub(crate) episode: Option<Arc<EpisodeHandle>>,
}

impl Acted {
    /// What it took away from what is used; `None` where that is unknown.
    fn freed(&self) -> Option<Bytes> {
        let freed = self.before.used?.saturating_sub(self.after.used?);
        self.is_of_one_scope().then_some(freed)
    }

    /// Whether it freed at least 5 % of what was used. Where that was not known, there is no effect to be seen; where it
    /// was of another scope afterwards, it is `None`: the difference says nothing of the action.
    pub(super) fn effect(&self) -> Option<bool> {
        let share = self.freed().zip(self.before.used).and_then(|(freed, used)| freed.ratio_of(used));
        self.is_of_one_scope().then(|| share.is_some_and(|share| share >= EFFECTIVE))
    }

    /// Whether what is used was measured of the same cgroup, or process, before and after. Where limits bind in turn, it
    /// may be that of another one.
    fn is_of_one_scope(&self) -> bool {
        let [before, after] = [&self.before, &self.after].map(|sample| sample.limit.map(|limit| limit.scope));
        before == after
    }

    /// Gives each attribute of its span, under its name.
    pub(crate) fn attributes(&self, give: &mut dyn FnMut(&'static str, Attribute)) {
        give("highwater.level", Attribute::Text(self.level.as_str().into()));
        if let Some(before) = self.before.used {
            give("highwater.before", Attribute::Int(before.get()));
        }
        // Of another scope it would be compared with what it cannot be compared with.
        if let Some(after) = self.after.used.filter(|_| self.is_of_one_scope()) {
            give("highwater.after", Attribute::Int(after.get()));
        }
        if let (Some(before), Some(after)) = (self.before.process.rss, self.after.process.rss) {
            let signed = |bytes: Bytes| i64::try_from(bytes.get()).unwrap_or(i64::MAX);
            let delta = signed(after).saturating_sub(signed(before));
            give("highwater.rss_delta", Attribute::Difference(delta));
        }
    }
}

/// "purge freed 300MiB of 437MiB in 41ms; not again for 10s".
impl fmt::Display for Acted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let took = Duration::from_millis(u64::try_from(self.to.since(self.from).as_millis()).unwrap_or(u64::MAX));
        let (took, rest) = (humantime::format_duration(took), humantime::format_duration(self.rest));
        write!(f, "{} ", self.name)?;
        match (self.freed(), self.before.used) {
            (Some(Bytes::ZERO), Some(used)) => write!(f, "freed nothing of {used}")?,
            (Some(freed), Some(used)) => write!(f, "freed {freed} of {used}")?,
            _ => f.write_str("ran, what it freed is unknown,")?,
        }
        write!(f, " in {took}; not again for {rest}")
    }
}
