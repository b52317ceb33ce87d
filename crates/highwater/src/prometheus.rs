//! The metrics of the one list in Prometheus' own text formats, for a service that is scraped.
//!
//! Names, labels and types are those that Prometheus gives to the same metrics where they come by OTLP, so that one
//! dashboard and one set of rules fit both ways. What is unknown or stale is absent here too. Rendering reads the latest
//! sample and takes none: one lock for the time of a copy, and the text.
//!
//! Left out, and why: labels of the instrumentation scope, since Prometheus drops them from OTLP unless it is told
//! otherwise, and a new version of the agent would begin each series anew; timestamps, since a series could then not end
//! with its target; `_created`, which would be one more series a counter.
//!
//! | module | idea |
//! |---|---|
//! | `exposition` | the two formats, and which one a scraper asks for |
//! | `names` | names as Prometheus spells them |
//! | `page` | the text |

use highwater_model::SinceStart;

use crate::shared::Shared;
use crate::telemetry::Selection;

mod exposition;
pub(crate) mod names;
mod page;
#[cfg(test)]
mod tests;

pub use exposition::Exposition;

use page::Page;

/// What an agent renders: the metrics that are exported, and whose they are.
#[derive(Debug, Default)]
pub(crate) struct Exposed {
    selection: Selection,
    /// The labels of `target_info`.
    target: Vec<(String, String)>,
}

impl Exposed {
    /// `resource` describes the process, as pairs of an attribute and its value.
    pub(crate) fn new(selection: Selection, resource: Vec<(String, String)>) -> Self {
        Self { selection, target: names::labels(resource) }
    }

    /// All that is known at `now`. Nothing in a child that was forked: these are its parent's numbers.
    pub(crate) fn render(&self, shared: &Shared, now: SinceStart, format: Exposition) -> String {
        let mut page = Page::new(format);
        if shared.process.is_current() {
            page.target(&self.target);
            if let Some(snapshot) = shared.latest.at(now) {
                let reading = shared.reading(&snapshot);
                self.selection.metrics().for_each(|metric| page.family(metric, &reading));
            }
        }
        page.finish()
    }
}
