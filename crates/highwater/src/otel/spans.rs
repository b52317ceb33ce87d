//! An episode as the spans of one trace.
//!
//! A span is exported at its end, so the root alone would show an episode only when it is over. A short child at the
//! beginning makes it visible while it goes on, and each stay at a level is a child of its own, sent when the level is left.
//! The second half of a split is a trace of its own, whose root is linked to that of the first.

use std::borrow::Cow;
use std::fmt::Write;
use std::time::SystemTime;

use opentelemetry::trace::{
    Link, Span, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue, StringValue, Value};

use highwater_model::{Change, Episode, Level, Reason, Stay, Transition, Verdict};

use super::int;
use crate::act::Acted;
use crate::black_box::{BlackBox, PreviousRun};
use crate::capture::Capture;
use crate::event::{Attribute, Event, What, episode_attributes};
use crate::identity::{EpisodeId, fingerprint};
use crate::site::Site;

/// Makes the spans of episodes. Boxed, so that the agent does not carry a host's types.
pub(super) trait Spans: Send {
    /// The root span does not repeat the events of its episode from now on.
    fn leave_out_events(&mut self);

    /// Opens the root span where the event begins an episode. Returns the root's context while an episode is open.
    fn enter(&mut self, event: &Event) -> Option<SpanContext>;

    /// Ends the spans that are over with the event.
    fn leave(&mut self, event: &Event);

    /// Makes the span of an action, also where its episode is over.
    fn acted(&mut self, acted: &Acted);
}

pub(super) struct EpisodeSpans<T: Tracer> {
    tracer: T,
    root: Option<T::Span>,
    /// The root of the first half, between the two events of a split.
    first_half: Option<SpanContext>,
    without_events: bool,
}

impl<T: Tracer> EpisodeSpans<T> {
    pub(super) fn new(tracer: T) -> Self {
        Self { tracer, root: None, first_half: None, without_events: false }
    }

    /// The ids that the records of an open episode carry.
    fn context(&self) -> Option<SpanContext> {
        self.root.as_ref().map(|root| root.span_context().clone()).filter(SpanContext::is_valid)
    }

    fn child(&self, name: &'static str, from: SystemTime, to: SystemTime, attributes: Vec<KeyValue>) {
        if let Some(root) = &self.root {
            self.child_of(root.span_context(), name, from, to, attributes);
        }
    }

    fn child_of(
        &self,
        root: &SpanContext,
        name: impl Into<Cow<'static, str>>,
        from: SystemTime,
        to: SystemTime,
        attributes: Vec<KeyValue>,
    ) {
        let parent = Context::new().with_remote_span_context(root.clone());
        let builder = self
            .tracer
            .span_builder(name)
            .with_kind(SpanKind::Internal)
            .with_start_time(from)
            .with_attributes(attributes);
        self.tracer.build_with_context(builder, &parent).end_with_timestamp(to);
    }

    /// Also where the episode is over.
    fn captured(&self, event: &Event, capture: &Capture) {
        let Some(root) = event.episode().and_then(|episode| episode.root.get()) else { return };
        let mut attributes = vec![KeyValue::new("highwater.level", capture.level.as_str())];
        capture.attributes(&mut |name, value| attributes.push(key_value(name, value)));
        self.child_of(root, "heap profile", event.wall(capture.from), event.wall(capture.to), attributes);
    }

    /// The end of an episode that its own run could not tell, in the trace of that run. Returns its context.
    fn killed(&self, event: &Event, run: &PreviousRun) -> Option<SpanContext> {
        let (left, episode) = (run.black_box(), run.black_box().episode()?);
        let trace = TraceId::from_bytes(episode.trace?);
        // Where the root was not known yet, its place is taken by an id that nobody has.
        let root = episode.root.map_or_else(|| of_run(left, "memory episode"), SpanId::from_bytes);
        let parent = SpanContext::new(trace, root, TraceFlags::SAMPLED, true, TraceState::default());
        let (began, ended) = (episode.began?, left.last_seen()?);
        let ended_by = if run.verdict() == Verdict::ShutDown { "shutdown" } else { "killed" };
        let mut attributes = vec![
            KeyValue::new("highwater.episode.id", trace.to_string()),
            KeyValue::new("highwater.ended_by", ended_by),
            KeyValue::new("highwater.level", episode.level.as_str()),
            KeyValue::new("highwater.cause", episode.cause.as_str()),
            KeyValue::new("highwater.exit.verdict", run.verdict().as_str()),
            KeyValue::new("highwater.exit.confidence", run.confidence().as_str()),
            KeyValue::new("highwater.peak.used", int(episode.peak.get())),
            KeyValue::new("highwater.duration", ended.duration_since(began).unwrap_or_default().as_secs_f64()),
        ];
        if let Some(utilization) = episode.peak_utilization {
            attributes.push(KeyValue::new("highwater.peak.utilization", utilization));
        }
        let names = ["highwater.time_at.elevated", "highwater.time_at.high", "highwater.time_at.critical"];
        attributes
            .extend(names.into_iter().zip(episode.time_at).map(|(name, at)| KeyValue::new(name, at.as_secs_f64())));
        if let Some(limit) = left.limit() {
            attributes.push(KeyValue::new("highwater.memory.limit", int(limit.bytes.get())));
            attributes.push(KeyValue::new("highwater.limit.source", limit.source.as_str()));
        }
        if !left.sites().is_empty() {
            let sites = left.sites().iter().map(Site::attributes).collect();
            attributes.push(key_value("highwater.capture.sites", Attribute::Maps(sites)));
        }
        let builder = self
            .tracer
            .span_builder(KILLED)
            .with_kind(SpanKind::Internal)
            .with_start_time(began)
            .with_attributes(attributes);
        let mut span = self.tracer.build_with_context(builder, &Context::new().with_remote_span_context(parent));
        span.set_status(Status::error(event.to_string()));
        let context = span.span_context().clone();
        span.end_with_timestamp(ended);
        Some(context).filter(SpanContext::is_valid)
    }

    fn stay(&self, event: &Event, stay: Stay) {
        let name = match stay.level {
            Level::Normal | Level::Elevated => "memory elevated",
            Level::High => "memory high",
            Level::Critical => "memory critical",
        };
        let level = KeyValue::new("highwater.level", stay.level.as_str());
        self.child(name, event.wall(stay.from), event.wall(stay.to), vec![level]);
    }
}

impl<T> Spans for EpisodeSpans<T>
where
    T: Tracer + Send,
    T::Span: Send,
{
    fn leave_out_events(&mut self) {
        self.without_events = true;
    }

    fn enter(&mut self, event: &Event) -> Option<SpanContext> {
        if let What::PreviousRun(run) = event.what() {
            return self.killed(event, run);
        }
        let What::Memory(transition) = event.what() else { return self.context() };
        if let Change::Begun(episode) = transition.change {
            let builder = self
                .tracer
                .span_builder("memory episode")
                .with_kind(SpanKind::Internal)
                .with_start_time(event.wall(episode.began))
                .with_links(self.first_half.take().map(Link::with_context).into_iter().collect());
            // A root, whatever the thread or the host has active.
            let mut root = self.tracer.build_with_context(builder, &Context::new());
            if let Some(handle) = event.episode() {
                // The agent's own id generator was given this id; a host's tracer chose one. One that does nothing has none.
                let id = handle.id.get_or_init(|| match root.span_context() {
                    context if context.is_valid() => EpisodeId::from_bytes(context.trace_id().to_bytes()),
                    _ => EpisodeId::random(),
                });
                root.set_attribute(KeyValue::new("highwater.episode.id", id.to_string()));
                if let Some(id) = handle.previous() {
                    root.set_attribute(KeyValue::new("highwater.previous_episode.id", id.to_string()));
                }
                let _ = handle.root.set(root.span_context().clone());
            }
            self.root = Some(root);
        }
        if let Some(root) = self.root.as_mut().filter(|_| !self.without_events) {
            root.add_event_with_timestamp(event.name(), event.at(), attributes(event));
        }
        self.context()
    }

    fn leave(&mut self, event: &Event) {
        let transition = match event.what() {
            What::Memory(transition) => transition,
            What::CaptureWritten(capture) => return self.captured(event, capture),
            _ => return,
        };
        match transition.change {
            Change::Begun(episode) => {
                self.child("memory episode begun", event.wall(episode.began), event.at(), attributes(event));
            }
            Change::Changed(_, stay) => self.stay(event, stay),
            Change::Ended(episode, stay) => {
                self.stay(event, stay);
                self.first_half = self.context().filter(|_| transition.reason == Reason::Split);
                if let Some(mut root) = self.root.take() {
                    root.set_attributes(end_attributes(event, &episode, transition));
                    if transition.reason == Reason::Shutdown {
                        root.set_status(Status::error("the process shut down while the episode was open"));
                    }
                    root.end_with_timestamp(event.wall(episode.until));
                }
            }
            _ => {}
        }
    }
    fn acted(&mut self, acted: &Acted) {
        let Some((episode, root)) = acted.episode.as_ref().and_then(|episode| Some((episode, episode.root.get()?)))
        else {
            return;
        };
        let mut attributes = Vec::new();
        acted.attributes(&mut |name, value| attributes.push(key_value(name, value)));
        self.child_of(root, acted.span.to_string(), episode.wall(acted.from), episode.wall(acted.to), attributes);
    }
}

/// The id of a span that is made of a run that is over: the same each time it is made, so that a backend that gets it twice
/// has it once.
pub(super) fn of_run(left: &BlackBox, name: &str) -> SpanId {
    SpanId::from(fingerprint(&[name.as_bytes(), left.run().as_bytes()]) | 1)
}

/// The name of the span that ends an episode in the trace of the run that was killed in it.
pub(super) const KILLED: &str = "memory episode killed";

/// The attributes of an ended episode's root: its outcome, and the limit that it stood under.
fn end_attributes(event: &Event, episode: &Episode, transition: &Transition) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("highwater.ended_by", transition.reason.as_str()),
        KeyValue::new("highwater.level", transition.level.as_str()),
        KeyValue::new("highwater.previous_level", episode.level.as_str()),
    ];
    if let Some(limit) = event.sample().limit {
        attributes.push(KeyValue::new("highwater.memory.limit", int(limit.bytes.get())));
        attributes.push(KeyValue::new("highwater.limit.source", limit.source.as_str()));
    }
    if let Some(cause) = event.cause() {
        attributes.push(KeyValue::new("highwater.cause", cause.as_str()));
    }
    episode_attributes(episode, &mut |name, value| attributes.push(key_value(name, value)));
    attributes
}

fn attributes(event: &Event) -> Vec<KeyValue> {
    let mut attributes = Vec::new();
    event.attributes(&mut |name, value| attributes.push(key_value(name, value)));
    attributes
}

fn key_value(name: &'static str, attribute: Attribute) -> KeyValue {
    let value = match attribute {
        Attribute::Int(whole) => Value::I64(int(whole)),
        Attribute::Difference(whole) => Value::I64(whole),
        Attribute::Double(real) => Value::F64(real),
        Attribute::Text(text) => Value::String(text.into()),
        // The values of a span know no maps: one string each.
        Attribute::Maps(maps) => Value::Array(maps.into_iter().map(in_words).collect::<Vec<StringValue>>().into()),
    };
    KeyValue::new(name, value)
}

/// "function=cart::add bytes=3145728".
fn in_words(values: Vec<(&'static str, Attribute)>) -> StringValue {
    let mut words = String::new();
    for (name, value) in values {
        let space = if words.is_empty() { "" } else { " " };
        // A string takes everything.
        let _ = match key_value(name, value).value {
            Value::String(text) => write!(words, "{space}{name}={text}"),
            value => write!(words, "{space}{name}={value}"),
        };
    }
    words.into()
}

#[cfg(test)]
mod tests;
