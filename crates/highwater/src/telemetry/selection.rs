//! Which metrics are exported: `core` or `all`, then `,+name` and `,-name`, where a trailing `*` matches any ending.

use std::fmt;
use std::str::FromStr;

use super::{METRICS, Metric, Set};

/// Which of [`METRICS`] are exported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selection(Vec<bool>);

impl Selection {
    /// The selected metrics.
    pub(crate) fn metrics(&self) -> impl Iterator<Item = &'static Metric> {
        METRICS.iter().zip(&self.0).filter(|(_, selected)| **selected).map(|(metric, _)| metric)
    }

    fn of(select: impl Fn(&Metric) -> bool) -> Self {
        Self(METRICS.iter().map(select).collect())
    }
}

impl Default for Selection {
    fn default() -> Self {
        Self::of(|metric| metric.set != Set::All)
    }
}

/// What is wrong with a text that should select metrics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParseSelectionError(String);

impl fmt::Display for ParseSelectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} names no metric: write core or all, then ,+name or ,-name, such as core,+jemalloc.*", self.0)
    }
}

impl FromStr for Selection {
    type Err = ParseSelectionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut selection = Self::default();
        for (index, item) in text.split(',').map(str::trim).enumerate() {
            if index == 0 && matches!(item, "core" | "all") {
                if item == "all" {
                    selection = Self::of(|_| true);
                }
                continue;
            }
            let change = item.strip_prefix('+').map(|name| (name, true));
            let (name, selected) = change
                .or_else(|| item.strip_prefix('-').map(|name| (name, false)))
                .ok_or_else(|| ParseSelectionError(item.to_owned()))?;
            let matches = |metric: &Metric| match name.strip_suffix('*') {
                Some(beginning) => metric.name.starts_with(beginning),
                None => metric.name == name,
            };
            let mut named = METRICS.iter().zip(&mut selection.0).filter(|(metric, _)| matches(metric)).peekable();
            if named.peek().is_none() {
                return Err(ParseSelectionError(item.to_owned()));
            }
            named.for_each(|(_, flag)| *flag = selected);
        }
        Ok(selection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        let selection: Selection = text.parse().unwrap();
        METRICS.iter().zip(&selection.0).filter(|(_, flag)| **flag).map(|(metric, _)| metric.name).collect()
    }

    #[test]
    fn core_is_the_default_and_all_is_everything() {
        assert_eq!("core".parse(), Ok(Selection::default()));
        assert_eq!(names("all").len(), METRICS.len());
        assert!(!names("core").contains(&"jemalloc.memory.mapped"));
    }

    #[test]
    fn names_are_added_and_taken_away_in_order() {
        assert!(names("core,+jemalloc.memory.mapped").contains(&"jemalloc.memory.mapped"));
        assert!(!names("all,-jemalloc.*").iter().any(|name| name.starts_with("jemalloc.")));
        assert!(names("all,-jemalloc.*,+jemalloc.memory.active").contains(&"jemalloc.memory.active"));
        assert!(names("+process.*").contains(&"process.memory.virtual"));
    }

    #[test]
    fn what_names_no_metric_is_refused_by_its_text() {
        for text in
            ["", "most", "core,jemalloc.memory.mapped", "core,+nothing", "core,all", "core,+nothing.*", "core,,"]
        {
            assert!(text.parse::<Selection>().is_err(), "{text}");
        }
        assert!("core,+nothing".parse::<Selection>().unwrap_err().to_string().contains("+nothing"));
    }
}
