use std::time::SystemTime;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use super::*;
use crate::black_box::tests::left_within_an_episode;

/// The ids of the span that tells of this run, and of its parent.
fn told(run: &Arc<PreviousRun>) -> (Vec<u8>, Vec<u8>) {
    let mut config = Config::default();
    config.set("OTEL_METRICS_EXPORTER", "none").unwrap();
    assert_eq!(config.settle(), []);
    let (shared, finished) = (Shared::new(), Finished::default());
    let words = Queue::spawn("words", Vec::new(), finished.wait_for()).unwrap();
    let mut pipeline = Pipeline::build_for(Vec::new(), &config, &shared, &words).unwrap();
    pipeline.encode(&Event::of_previous(SystemTime::UNIX_EPOCH, Arc::clone(run)));
    let encodings = pipeline.encodings.lock().unwrap();
    let (_, body) = encodings.iter().find(|(signal, _)| *signal == Signal::Traces).unwrap();
    let mut request = ExportTraceServiceRequest::decode(&body.bytes[..]).unwrap();
    let span = request.resource_spans.remove(0).scope_spans.remove(0).spans.remove(0);
    assert_eq!(span.name, "memory episode killed");
    (span.span_id, span.parent_span_id)
}

#[test]
fn a_run_that_is_told_twice_is_told_by_the_same_span_below_the_same_root() {
    let run = |id| Arc::new(PreviousRun::judged(left_within_an_episode(id)));
    let (span, root) = told(&run("one"));
    assert_eq!(told(&run("one")), (span.clone(), root.clone()));
    assert!(span != root && told(&run("another")).0 != span);
}
