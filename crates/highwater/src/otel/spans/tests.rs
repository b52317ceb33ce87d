use std::sync::Arc;

use highwater_model::{Bytes, Judge, Limit, LimitSource, Rules, Sample, SinceStart};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};

use super::*;
use crate::identity::EpisodeHandle;

/// The spans of one sample a second, each at `used(second)` of 1,000 MiB.
fn spans(seconds: u64, used: impl Fn(u64) -> u64) -> Vec<SpanData> {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let mut spans = EpisodeSpans::new(provider.tracer("highwater"));
    let mut judge = Judge::new(Rules::default());
    let mut episode: Option<Arc<EpisodeHandle>> = None;
    for second in 0..seconds {
        let sample = Sample {
            at: SinceStart::from_secs(second),
            used: Some(Bytes::mib(used(second))),
            limit: Some(Limit { bytes: Bytes::mib(1000), source: LimitSource::Cgroup, scope: 1 }),
            ..Sample::default()
        };
        for transition in judge.judge(&sample).iter() {
            let at = |moment: SinceStart| SystemTime::UNIX_EPOCH + moment.elapsed();
            if let Change::Begun(begun) = transition.change {
                let first_half = episode.take();
                episode = Some(EpisodeHandle::new(at(begun.began), begun.began, None, first_half.as_deref()));
            }
            let event = Event::new(at(transition.at), What::Memory(*transition), sample, episode.clone());
            spans.enter(&event);
            spans.leave(&event);
        }
    }
    exporter.get_finished_spans().unwrap()
}

fn roots(spans: &[SpanData]) -> Vec<&SpanData> {
    spans.iter().filter(|span| span.name == "memory episode").collect()
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    span.attributes.iter().find(|pair| pair.key.as_str() == name).map(|pair| pair.value.to_string())
}

#[test]
fn the_halves_of_a_split_are_two_traces_that_follow_one_another_and_are_linked() {
    let spans = spans(7_300, |second| if second < 7_000 { 860 } else { 100 });
    let roots = roots(&spans);
    let [first, second] = roots[..] else { panic!("{} roots", roots.len()) };
    assert_ne!(first.span_context.trace_id(), second.span_context.trace_id());
    assert_eq!(first.end_time, second.start_time);
    let linked: Vec<_> = second.links.iter().map(|link| link.span_context.clone()).collect();
    assert_eq!(linked, std::slice::from_ref(&first.span_context));
    assert!(first.links.is_empty());
    assert_eq!(attribute(first, "highwater.ended_by").as_deref(), Some("split"));
    assert_eq!(attribute(first, "highwater.level").as_deref(), Some("high"), "it goes on");
    assert_eq!(attribute(second, "highwater.ended_by").as_deref(), Some("recovered"));
    let previous = attribute(second, "highwater.previous_episode.id");
    assert_eq!(previous, attribute(first, "highwater.episode.id"));
    assert_eq!(attribute(first, "highwater.previous_episode.id"), None);
    let told: Vec<_> = first.events.iter().map(|event| event.name.to_string()).collect();
    let changed = "highwater.memory.episode.changed";
    assert_eq!(told[0], "highwater.memory.episode.begun");
    assert_eq!(told[1..4], [changed; 3], "heartbeats");
    assert_eq!(told[4..], ["highwater.memory.episode.ended"]);
    for root in [first, second] {
        let children = spans.iter().filter(|span| span.parent_span_id == root.span_context.span_id());
        let children: Vec<_> = children.map(|span| (span.name.as_ref(), span.start_time, span.end_time)).collect();
        assert_eq!(children[0].0, "memory episode begun");
        assert_eq!(children[1..], [("memory high", root.start_time, root.end_time)]);
    }
}

#[test]
fn an_episode_that_follows_another_is_not_linked_to_it() {
    let spans = spans(400, |second| if second % 200 < 100 { 860 } else { 100 });
    let roots = roots(&spans);
    assert_eq!(roots.len(), 2);
    assert!(roots.iter().all(|root| root.links.is_empty()));
}

#[test]
fn the_stays_of_what_flaps_fill_its_episode() {
    let spans = spans(8_000, |second| if second < 4_000 && second % 400 < 60 { 960 } else { 100 });
    let roots = roots(&spans);
    assert_eq!(roots.len(), 6);
    let last = roots[5];
    assert_eq!(attribute(last, "highwater.count").as_deref(), Some("4"));
    let children = spans.iter().filter(|span| span.parent_span_id == last.span_context.span_id());
    let stays: Vec<_> = children.filter(|span| span.name == "memory critical").collect();
    assert_eq!(stays.len(), 1);
    assert_eq!((stays[0].start_time, stays[0].end_time), (last.start_time, last.end_time));
}
