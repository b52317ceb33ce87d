//! The two formats, and which one a scraper asks for.

/// A text format of Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exposition {
    /// Prometheus' text format 0.0.4, which every scraper reads.
    #[default]
    Text,
    /// OpenMetrics 1.0, which also says the unit of a metric.
    OpenMetrics,
}

impl Exposition {
    /// The format that a scraper prefers, by the `Accept` header of its request; an empty text where it has none.
    ///
    /// OpenMetrics is chosen only where it is named, in version 1.0.0 or without a version, and no less wanted than plain
    /// text. In all other cases it is [`Text`](Self::Text), whatever the header says: an error would help nobody who
    /// scrapes.
    ///
    /// ```
    /// use highwater::Exposition;
    ///
    /// let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    /// assert_eq!(Exposition::from_accept(prometheus), Exposition::OpenMetrics);
    /// assert_eq!(Exposition::from_accept("*/*"), Exposition::Text); // curl
    /// ```
    pub fn from_accept(accept: &str) -> Self {
        let weight = |rank: fn(&MediaRange<'_>) -> Option<u8>| {
            let ranges = accept.split(',').filter_map(MediaRange::parse);
            ranges.filter_map(|range| Some((rank(&range)?, range.weight))).max().map_or(0, |(_, weight)| weight)
        };
        let (open_metrics, text) = (weight(|range| range.rank_of_open_metrics()), weight(|range| range.rank_of_text()));
        if open_metrics > 0 && open_metrics >= text { Self::OpenMetrics } else { Self::Text }
    }

    /// The value of the `Content-Type` header of an answer in this format.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// One item of an `Accept` header.
struct MediaRange<'a> {
    name: &'a str,
    version: Option<&'a str>,
    /// In thousandths.
    weight: u16,
}

impl<'a> MediaRange<'a> {
    /// `None` where its weight is none.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let mut range = Self { name: parts.next()?, version: None, weight: 1000 };
        for (key, value) in parts.filter_map(|part| part.split_once('=')) {
            if key.eq_ignore_ascii_case("q") {
                let weight: f32 = value.parse().ok().filter(|weight| (0.0..=1.0).contains(weight))?;
                // At most 1000, as was just seen.
                range.weight = (weight * 1000.0) as u16;
            } else if key.eq_ignore_ascii_case("version") {
                range.version = Some(value.trim_matches('"'));
            }
        }
        Some(range)
    }

    /// How exactly it names OpenMetrics, where it does. A wildcard does not: what accepts anything gets the older format.
    fn rank_of_open_metrics(&self) -> Option<u8> {
        let is_named = self.name.eq_ignore_ascii_case("application/openmetrics-text");
        (is_named && self.has_version("1.0.0")).then_some(0)
    }

    /// How exactly it names plain text, where it does.
    fn rank_of_text(&self) -> Option<u8> {
        let ranges = ["*/*", "text/*", "text/plain"];
        let rank = ranges.iter().position(|range| self.name.eq_ignore_ascii_case(range))?;
        if self.has_version("0.0.4") { u8::try_from(rank).ok() } else { None }
    }

    fn has_version(&self, version: &str) -> bool {
        self.version.is_none_or(|named| named == version)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Exposition::{self, OpenMetrics, Text};

    #[test]
    fn a_scraper_gets_what_it_prefers() {
        for (accept, expected) in [
            ("", Text),
            ("*/*", Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Text),
            ("text/plain", Text),
            ("application/openmetrics-text", OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8", OpenMetrics),
            ("application/openmetrics-text; version=1.0.0, text/plain; version=0.0.4", OpenMetrics),
            ("application/openmetrics-text;q=0.4, text/plain;q=0.5", Text),
            ("application/openmetrics-text;q=0.4, text/plain;q=0.3, */*;q=0.9", OpenMetrics),
            ("application/openmetrics-text;q=0, */*", Text),
            ("application/*", Text),
            // Versions that are not written.
            ("application/openmetrics-text;version=0.0.1, text/plain;version=0.0.4;q=0.5", Text),
            (
                "application/openmetrics-text;version=2.0.0;q=0.9, application/openmetrics-text;version=1.0.0;q=0.5",
                OpenMetrics,
            ),
            ("text/plain;version=1.0.0, application/openmetrics-text;version=1.0.0;q=0.5", OpenMetrics),
            // What Prometheus 2 and 3 ask with.
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
                OpenMetrics,
            ),
            (
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,text/plain;version=0.0.4;q=0.5,application/openmetrics-text;q=0.4",
                Text,
            ),
            // Nonsense.
            (",;=,q=,application/openmetrics-text;q=2, application/openmetrics-text;q=NaN", Text),
        ] {
            assert_eq!(Exposition::from_accept(accept), expected, "{accept}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_asked_for_something_is_chosen(accept in ".{0,200}", named in any::<bool>()) {
            let chosen = Exposition::from_accept(&accept);
            prop_assert!(chosen == Text || accept.to_ascii_lowercase().contains("openmetrics"));
            if named {
                let accept = format!("{},application/openmetrics-text", accept.replace("text", ""));
                prop_assert!(Exposition::from_accept(&accept) == OpenMetrics || accept.contains('*'));
            }
        }
    }
}
