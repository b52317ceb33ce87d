//! Names as Prometheus spells them where it translates OTLP by its default strategy, `UnderscoreEscapingWithSuffixes`.

use std::collections::BTreeMap;

use crate::telemetry::{Kind, Metric};

/// The name of a metric without the `_total` of a counter, and its unit as a word where it has one.
pub(super) fn family(metric: &Metric) -> (String, Option<&'static str>) {
    let unit = unit(metric);
    let mut name = metric.name.replace('.', "_");
    if let Some(unit) = unit {
        name.push('_');
        name.push_str(unit);
    }
    (name, unit)
}

/// The name of its series.
pub(crate) fn series(metric: &Metric) -> String {
    let (family, _) = family(metric);
    if metric.kind == Kind::Counter { family + "_total" } else { family }
}

/// What units are called; those in braces only say what is counted.
fn unit(metric: &Metric) -> Option<&'static str> {
    match metric.unit {
        "By" => Some("bytes"),
        "s" => Some("seconds"),
        "By/s" => Some("bytes_per_second"),
        "1" if metric.kind == Kind::Gauge => Some("ratio"),
        _ => None,
    }
}

/// The labels of attributes, in their order by name, each name once: the values of attributes that become the same label
/// are joined. An attribute whose name cannot be a label's is left out, and so is one that Prometheus keeps for itself.
pub(super) fn labels(mut attributes: Vec<(String, String)>) -> Vec<(String, String)> {
    attributes.sort();
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    for (key, value) in attributes {
        let Some(name) = label(&key) else { continue };
        let joined = labels.get(&name).map(|first| format!("{first};{value}"));
        labels.insert(name, joined.unwrap_or(value));
    }
    labels.into_iter().collect()
}

/// The label of an attribute.
pub(super) fn label(attribute: &str) -> Option<String> {
    let name: String = attribute.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = match name.as_bytes() {
        [b'0'..=b'9', ..] => format!("key_{name}"),
        [b'_', b'_', ..] | [] => return None,
        [b'_', ..] => format!("key{name}"),
        _ => name,
    };
    Some(name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::telemetry::METRICS;

    #[test]
    fn every_unit_of_the_list_has_its_word() {
        for metric in METRICS {
            let counts = metric.unit.starts_with('{') && metric.unit.ends_with('}');
            assert_ne!(unit(metric).is_some(), counts, "{} in {}", metric.name, metric.unit);
        }
    }

    #[test]
    fn no_two_metrics_become_one() {
        let names: HashSet<_> = METRICS.iter().map(family).collect();
        assert_eq!(names.len(), METRICS.len());
    }

    #[test]
    fn attributes_become_the_labels_that_prometheus_makes_of_them() {
        for (attribute, expected) in [
            ("service.name", Some("service_name")),
            ("a-b/c d", Some("a_b_c_d")),
            ("a..b__c", Some("a__b__c")),
            ("größe", Some("gr__e")),
            ("7th", Some("key_7th")),
            ("_own", Some("key_own")),
            (".own", Some("key_own")),
            ("__name__", None),
            ("..", None),
            ("", None),
        ] {
            assert_eq!(label(attribute).as_deref(), expected, "{attribute}");
        }
    }

    #[test]
    fn attributes_that_become_one_label_are_joined_in_the_order_of_their_names() {
        let attributes = [("a.b", "dot"), ("z", "last"), ("a-b", "dash"), ("", "nameless")];
        let owned = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let expected = [("a_b", "dash;dot"), ("z", "last")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(labels(owned.to_vec()), expected);
    }

    proptest! {
        #[test]
        fn any_attributes_become_labels_with_valid_names_each_once(
            attributes in proptest::collection::vec((".{0,8}", ".{0,8}"), 0..20),
        ) {
            let labels = labels(attributes);
            let is_name = |name: &str| {
                let mut chars = name.chars();
                chars.next().is_some_and(|c| c.is_ascii_alphabetic())
                    && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
            };
            prop_assert!(labels.iter().all(|(name, _)| is_name(name)));
            prop_assert!(labels.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}
