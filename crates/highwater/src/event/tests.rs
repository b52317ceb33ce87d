use std::collections::BTreeMap;

use highwater_model::{Limit, LimitSource, Peak, SinceStart};

use super::*;

fn sample(used: u64) -> Sample {
    Sample {
        used: Some(Bytes::mib(used)),
        limit: Some(Limit { bytes: Bytes::mib(512), source: LimitSource::Cgroup, scope: 1 }),
        ..Sample::default()
    }
}

fn episode(level: Level) -> Episode {
    Episode {
        number: 1,
        began: SinceStart::from_secs(10),
        until: SinceStart::from_secs(75),
        level,
        cause: Cause::Heap,
        peak: Peak { used: Bytes::mib(500), utilization: Some(500.0 / 512.0) },
        time_at: [Duration::from_secs(40), Duration::from_secs(20), Duration::from_secs(5)],
    }
}

fn stay(level: Level) -> Stay {
    Stay { level, from: SinceStart::from_secs(10), to: SinceStart::from_secs(50) }
}

fn event(change: Change, reason: Reason, cause: Cause, used: u64) -> Event {
    let level = match change {
        Change::Begun(episode) | Change::Changed(episode, _) => episode.level,
        Change::Ended(..) => Level::Normal,
        _ => Level::High,
    };
    let transition = Transition { at: SinceStart::from_secs(75), reason, level, cause, change };
    let handle = EpisodeHandle::new(SystemTime::UNIX_EPOCH, SinceStart::from_secs(10), Some(EpisodeId::random()));
    Event::new(SystemTime::UNIX_EPOCH, What::Memory(transition), sample(used), Some(handle))
}

fn attributes(event: &Event) -> BTreeMap<&'static str, Attribute> {
    let mut attributes = BTreeMap::new();
    event.attributes(&mut |name, value| assert!(attributes.insert(name, value).is_none(), "{name} twice"));
    attributes
}

fn text(text: &'static str) -> Option<Attribute> {
    Some(Attribute::Text(text.into()))
}

#[test]
fn the_severity_follows_the_level() {
    let begun = |level| event(Change::Begun(episode(level)), Reason::Held, Cause::Heap, 437).severity();
    assert_eq!(begun(Level::Elevated), Severity::Warn);
    assert_eq!(begun(Level::Critical), Severity::Error);
    let changed = |from, to| event(Change::Changed(episode(to), stay(from)), Reason::Held, Cause::Heap, 437).severity();
    assert_eq!(changed(Level::Elevated, Level::High), Severity::Warn);
    assert_eq!(changed(Level::High, Level::Critical), Severity::Error);
    assert_eq!(changed(Level::Critical, Level::High), Severity::Info);
    let ended = event(Change::Ended(episode(Level::High), stay(Level::High)), Reason::Recovered, Cause::Heap, 100);
    assert_eq!(ended.severity(), Severity::Info);
    assert_eq!(event(Change::OomKill(1), Reason::Kernel, Cause::Heap, 437).severity(), Severity::Error);
}

#[test]
fn a_begun_episode_carries_its_id_level_reason_cause_and_evidence() {
    let event = event(Change::Begun(episode(Level::High)), Reason::Held, Cause::Heap, 437);
    let attributes = attributes(&event);
    assert_eq!(event.name(), "highwater.memory.episode.begun");
    let id = event.episode_id().unwrap().to_string();
    assert_eq!(attributes.get("highwater.episode.id"), Some(&Attribute::Text(id.into())));
    assert_eq!(attributes.get("highwater.level").cloned(), text("high"));
    assert_eq!(attributes.get("highwater.previous_level").cloned(), text("normal"));
    assert_eq!(attributes.get("highwater.reason").cloned(), text("held"));
    assert_eq!(attributes.get("highwater.cause").cloned(), text("heap"));
    assert_eq!(attributes.get("highwater.limit.source").cloned(), text("cgroup"));
    assert_eq!(attributes.get("highwater.memory.limit"), Some(&Attribute::Int(512 << 20)));
    assert_eq!(attributes.get("highwater.memory.used"), Some(&Attribute::Int(437 << 20)));
    assert!(!attributes.contains_key("process.memory.usage"), "unknown is absent");
    assert_eq!(event.to_string(), "memory is high: 437MiB used, 85 % of 512MiB; what grew most is heap");
}

#[test]
fn an_ended_episode_carries_its_peak_duration_and_times() {
    let change = Change::Ended(episode(Level::High), stay(Level::High));
    let event = event(change, Reason::Recovered, Cause::Unknown, 100);
    let attributes = attributes(&event);
    assert_eq!(event.name(), "highwater.memory.episode.ended");
    assert_eq!(attributes.get("highwater.ended_by").cloned(), text("recovered"));
    assert_eq!(attributes.get("highwater.level").cloned(), text("normal"));
    assert_eq!(attributes.get("highwater.previous_level").cloned(), text("high"));
    assert_eq!(attributes.get("highwater.peak.used"), Some(&Attribute::Int(500 << 20)));
    assert_eq!(attributes.get("highwater.duration"), Some(&Attribute::Double(65.0)));
    assert_eq!(attributes.get("highwater.time_at.high"), Some(&Attribute::Double(20.0)));
    assert_eq!(
        event.to_string(),
        "memory is normal again after 1m 5s: 100MiB used, 20 % of 512MiB, at the peak 500MiB"
    );
}

#[test]
fn a_kill_says_how_many_and_whose_memory_it_was() {
    let event = event(Change::OomKill(2), Reason::Kernel, Cause::OtherProcess, 437);
    assert_eq!(event.name(), "highwater.memory.oom_kill");
    assert_eq!(attributes(&event).get("highwater.count"), Some(&Attribute::Int(2)));
    assert_eq!((event.level(), event.previous_level()), (Some(Level::High), None));
    assert_eq!(
        event.to_string(),
        "the kernel killed 2 of the cgroup's processes for memory: 437MiB used, 85 % of 512MiB; \
         other processes of the cgroup hold most of it"
    );
}

#[test]
fn a_source_that_comes_back_says_which() {
    let what = What::SourceRecovered { source: Source::Cgroup };
    let event = Event::new(SystemTime::UNIX_EPOCH, what, sample(1), None);
    assert_eq!(event.name(), "highwater.source.recovered");
    assert_eq!(attributes(&event).into_iter().collect::<Vec<_>>(), [("highwater.source", text("cgroup").unwrap())]);
    assert_eq!(event.to_string(), "cgroup can be read again");
    assert_eq!((event.level(), event.reason(), event.cause()), (None, None, None));
}
