use std::collections::BTreeMap;

use highwater_model::{Judge, Limit, LimitSource, Peak, Rules, SinceStart};

use super::*;

fn sample(used: u64) -> Sample {
    Sample {
        used: Some(Bytes::mib(used)),
        limit: Some(Limit { bytes: Bytes::mib(512), source: LimitSource::Cgroup, scope: 1 }),
        ..Sample::default()
    }
}

/// What a judge says of the first critical sample.
fn begun() -> (Transition, Episode) {
    let mut judge = Judge::new(Rules::default());
    let begun = judge.judge(&sample(500));
    (*begun.iter().next().unwrap(), judge.episode().unwrap())
}

fn episode(level: Level) -> Episode {
    let (_, mut episode) = begun();
    (episode.began, episode.until) = (SinceStart::from_secs(10), SinceStart::from_secs(75));
    (episode.level, episode.cause) = (level, Cause::Heap);
    episode.peak = Peak { used: Bytes::mib(500), utilization: Some(500.0 / 512.0) };
    episode.time_at = [40, 20, 5].map(Duration::from_secs);
    episode
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
    event_at(level, change, reason, cause, used)
}

fn event_at(level: Level, change: Change, reason: Reason, cause: Cause, used: u64) -> Event {
    let (mut transition, _) = begun();
    transition.at = SinceStart::from_secs(75);
    (transition.reason, transition.level, transition.cause, transition.change) = (reason, level, cause, change);
    let handle = EpisodeHandle::new(SystemTime::UNIX_EPOCH, SinceStart::from_secs(10), Some(EpisodeId::random()), None);
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

/// What a judge says of a leak that takes twelve hours.
fn growing(limit: Option<Limit>) -> Event {
    const HOURS: u64 = 12;
    let mut judge = Judge::new(Rules::default());
    let growth = (0..HOURS * 360).find_map(|step| {
        let used = Some(Bytes::new((100 << 20) + step * (412 << 20) / (HOURS * 360)));
        let sample = Sample { at: SinceStart::from_secs(step * 10), used, limit, ..Sample::default() };
        let told = judge.judge(&sample);
        let growth = told.iter().find(|transition| matches!(transition.change, Change::Growth(_))).copied();
        Some(Event::new(SystemTime::UNIX_EPOCH, What::Memory(growth?), sample, None))
    });
    growth.unwrap()
}

#[test]
fn growth_carries_its_slope_its_window_and_when_the_limit_is_reached() {
    let event = growing(sample(0).limit);
    assert_eq!((event.name(), event.severity()), ("highwater.memory.growth.detected", Severity::Warn));
    let attributes = attributes(&event);
    let number = |name: &str| match attributes.get(name) {
        Some(Attribute::Double(number)) => *number,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(attributes.get("highwater.reason").cloned(), text("slow"));
    assert_eq!(attributes.get("highwater.cause").cloned(), text("unknown"));
    assert!((number("highwater.growth.slope") / (412.0 * f64::from(1 << 20) / 43_200.0) - 1.0).abs() < 0.02);
    assert!((8_100.0..=21_600.0).contains(&number("highwater.growth.window")));
    let [earliest, likely, latest] =
        ["earliest", "likely", "latest"].map(|moment| number(&format!("highwater.time_to_limit.{moment}")));
    assert!(0.0 < earliest && earliest < likely && likely < latest, "{earliest} {likely} {latest}");
    let said = event.to_string();
    assert!(
        said.starts_with("memory grows by 34.3MiB an hour, for ") && said.contains("; the limit is reached in "),
        "{said}"
    );
}

#[test]
fn growth_without_a_limit_says_nothing_of_one() {
    let event = growing(None);
    assert!(!attributes(&event).keys().any(|name| name.contains("limit")));
    assert!(!event.to_string().contains("limit"), "{event}");
}

#[test]
fn what_is_told_again_is_as_severe_as_the_level_and_carries_the_episode_so_far() {
    let again = |level, reason| event_at(level, Change::Again(episode(level)), reason, Cause::Heap, 437);
    let severity = |level| again(level, Reason::Peak).severity();
    assert_eq!(
        [Level::Normal, Level::Elevated, Level::High, Level::Critical].map(severity),
        [Severity::Info, Severity::Warn, Severity::Warn, Severity::Error]
    );
    let peak = again(Level::High, Reason::Peak);
    assert_eq!((peak.name(), peak.previous_level()), ("highwater.memory.episode.changed", None));
    let attributes = attributes(&peak);
    assert_eq!(attributes.get("highwater.reason").cloned(), text("peak"));
    assert_eq!(attributes.get("highwater.level").cloned(), text("high"));
    assert_eq!(attributes.get("highwater.peak.used"), Some(&Attribute::Int(500 << 20)));
    assert_eq!(attributes.get("highwater.duration"), Some(&Attribute::Double(65.0)));
    assert!(!attributes.contains_key("highwater.count"), "nothing was merged");
    assert_eq!(
        peak.to_string(),
        "memory is high and at a new peak after 1m 5s: 437MiB used, 85 % of 512MiB; what grew most is heap"
    );
    assert_eq!(
        again(Level::High, Reason::Heartbeat).to_string(),
        "memory is still high after 1m 5s: 437MiB used, 85 % of 512MiB; what grew most is heap"
    );
}

#[cfg(feature = "otlp")]
#[test]
fn a_heartbeat_gives_way_first_whatever_the_level() {
    let again = |reason| event_at(Level::Critical, Change::Again(episode(Level::Critical)), reason, Cause::Heap, 500);
    assert_eq!(again(Reason::Heartbeat).priority(), Priority::Low);
    assert_eq!(again(Reason::Peak).priority(), Priority::High);
}

#[test]
fn what_flaps_says_how_often() {
    let begun = event(Change::Begun(episode(Level::High)), Reason::Flapping, Cause::Unknown, 437);
    assert_eq!(
        begun.to_string(),
        "memory is high again, too often to tell: from now on it is counted: 437MiB used, 85 % of 512MiB"
    );
    let mut counted = episode(Level::High);
    counted.merged = 12;
    let heartbeat = event_at(Level::Normal, Change::Again(counted), Reason::Heartbeat, Cause::Unknown, 100);
    assert_eq!(attributes(&heartbeat).get("highwater.count"), Some(&Attribute::Int(12)));
    assert_eq!(attributes(&heartbeat).get("highwater.level").cloned(), text("normal"));
    assert_eq!(
        heartbeat.to_string(),
        "memory is normal for now after 1m 5s, raised 12 times more than was told: 100MiB used, 20 % of 512MiB"
    );
    let ended = event(Change::Ended(counted, stay(Level::High)), Reason::Recovered, Cause::Unknown, 100);
    assert_eq!(
        ended.to_string(),
        "memory is normal again after 1m 5s, raised 12 times more than was told: 100MiB used, 20 % of 512MiB, \
         at the peak 500MiB"
    );
}

#[test]
fn the_second_half_of_a_split_names_the_first() {
    let level = Level::High;
    let ended = event_at(level, Change::Ended(episode(level), stay(level)), Reason::Split, Cause::Unknown, 437);
    assert_eq!(attributes(&ended).get("highwater.ended_by").cloned(), text("split"));
    assert_eq!(attributes(&ended).get("highwater.level").cloned(), text("high"), "it goes on");
    assert_eq!(
        ended.to_string(),
        "memory was still raised after 1m 5s: 437MiB used, 85 % of 512MiB, at the peak 500MiB"
    );
    let mut begun = event(Change::Begun(episode(level)), Reason::Split, Cause::Unknown, 437);
    let first = ended.episode.as_deref();
    begun.episode = Some(EpisodeHandle::new(SystemTime::UNIX_EPOCH, SinceStart::from_secs(75), None, first));
    let id = ended.episode_id().unwrap().to_string();
    assert_eq!(attributes(&begun).get("highwater.previous_episode.id"), Some(&Attribute::Text(id.into())));
    assert_eq!(
        begun.to_string(),
        "memory is still high, which goes on as another episode: 437MiB used, 85 % of 512MiB"
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
