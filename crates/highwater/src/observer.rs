//! A handle for who looks on: all that the agent knows, without keeping it running.
//!
//! A page, an admin endpoint or a test lives beside the agent and may outlive it. With a handle of the agent in it the agent
//! would end with the onlooker, on the onlooker's thread, and what waits to be delivered at the end of `main` with it.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

use highwater_model::Levels;
use highwater_sources::AllocatorKind;

use crate::black_box::Value;
use crate::config::{Config, Page};
use crate::delivery::{DeliveryReport, Target};
use crate::event::{Event, Severity};
use crate::outlet::Subscriptions;
use crate::prometheus::{Exposed, Exposition};
use crate::shared::Shared;
use crate::status::Status;
use crate::voice;

/// What is settled when an agent starts.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) allocator: AllocatorKind,
    pub(crate) levels: Levels,
    pub(crate) target: Target,
    pub(crate) heap_profiles: bool,
    /// Who runs, as the resource says it.
    pub(crate) resource: Vec<(String, Value)>,
    /// What is rendered for Prometheus.
    pub(crate) exposed: Exposed,
    /// What the live page was told.
    pub(crate) page: Page,
}

impl About {
    /// Of an agent that only gives readings on demand.
    pub(crate) fn without_threads(config: &Config, allocator: AllocatorKind) -> Self {
        Self {
            allocator,
            levels: config.levels().unwrap_or_default(),
            target: Target::NotRunning,
            heap_profiles: false,
            resource: Vec::new(),
            exposed: Exposed::default(),
            page: config.page.clone(),
        }
    }
}

/// All that an agent knows, for who looks on: a handle that does not keep it running. Of
/// [`Agent::observer`](crate::Agent::observer).
///
/// After the agent's end it says how things stood then, and [`is_running`](Self::is_running) that they do so no more. In a
/// child that was forked it knows nothing.
#[derive(Clone)]
pub struct Observer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) about: Arc<About>,
    pub(crate) subscriptions: Subscriptions,
}

impl Observer {
    /// Whether the agent watches: started, not disabled, not shut down, and in this process.
    pub fn is_running(&self) -> bool {
        !self.shared.pressure.has_ended()
    }

    /// How things stand as of the last sample that was judged. One lock for the time of a copy.
    pub fn status(&self) -> Status {
        Status::of(&self.shared, &self.about)
    }

    /// What became of what the agent sent. One lock for the time of a copy.
    pub fn delivery(&self) -> DeliveryReport {
        let target = self.about.target.clone();
        if !self.shared.process.is_current() {
            return DeliveryReport::none(target);
        }
        self.shared.delivery.report(target)
    }

    /// The page for Prometheus, as [`Agent::render_prometheus`](crate::Agent::render_prometheus) has it.
    pub fn render_prometheus(&self, format: Exposition) -> String {
        self.about.exposed.render(&self.shared, self.shared.clock.now(), format)
    }

    /// Who this process is: the attributes of the resource that the agent sends, by name. Settled when it started.
    pub fn resource(&self) -> &[(String, Value)] {
        &self.about.resource
    }

    /// Calls `callback` with each event from now on, as [`Agent::on_event`](crate::Agent::on_event) does, and returns the last
    /// that were told before, the oldest first: each event is in one of the two. Where the callback breaks, it is dropped and not
    /// called again.
    ///
    /// 16 are kept, for who comes late: how the run before ended is told at the start, before anybody can listen, and of a
    /// folder of black boxes there may be several. They are kept until the agent ends.
    pub fn follow(&self, callback: impl FnMut(&Event) -> ControlFlow<()> + Send + 'static) -> Vec<Event> {
        if !self.shared.process.is_current() {
            return Vec::new();
        }
        self.subscriptions.add_until(callback)
    }

    /// What the live page was told, from the environment and code. For `highwater-page`.
    #[doc(hidden)]
    pub fn page(&self) -> &Page {
        &self.about.page
    }

    /// Says one line in the service's log, as the agent does. For `highwater-page`.
    #[doc(hidden)]
    pub fn say(&self, severity: Severity, text: &str) {
        voice::say(severity, text);
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").field("is_running", &self.is_running()).finish_non_exhaustive()
    }
}
