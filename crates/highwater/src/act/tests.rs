use std::sync::mpsc::{Sender, channel};

use highwater_model::{Bytes, Sample, SinceStart, Transitions};

use super::*;
use crate::event::Attribute;
use crate::finished::Finished;
use crate::pressure::Publisher;

const PATIENCE: Duration = Duration::from_secs(60);

/// An action that is a function.
struct Does<F>(&'static str, F);

impl<F: FnMut(&PressureReading) -> Result<(), Box<dyn Error + Send + Sync>> + Send> Action for Does<F> {
    fn name(&self) -> &'static str {
        self.0
    }

    fn act(&mut self, reading: &PressureReading) -> Result<(), Box<dyn Error + Send + Sync>> {
        (self.1)(reading)
    }
}

fn does<F>(name: &'static str, action: F) -> Does<F>
where
    F: FnMut(&PressureReading) -> Result<(), Box<dyn Error + Send + Sync>> + Send,
{
    Does(name, action)
}

/// Says its name on a channel.
fn says(name: &'static str, to: &Sender<(&'static str, Level)>) -> impl Action + use<> {
    let to = to.clone();
    does(name, move |reading| Ok(to.send((name, reading.level))?))
}

/// The thread, and the level that it acts upon.
struct Acting {
    actor: Option<Actor>,
    publisher: Publisher,
    finished: Finished,
}

impl Acting {
    fn start(planned: Vec<Planned>) -> Self {
        let (shared, finished) = (Shared::new(), Finished::default());
        let (actor, _) = spawn(planned, &shared, Options::default(), finished.wait_for()).unwrap();
        Self { actor: Some(actor), publisher: Publisher::new(&shared.pressure), finished }
    }

    fn at(&mut self, level: Level) {
        self.publisher.publish(&Snapshot { level, ..Snapshot::default() }, &Transitions::default());
        self.actor.as_ref().unwrap().level_changed();
    }

    fn next_outcome(&self) -> Outcome {
        self.actor.as_ref().unwrap().outcomes.recv_timeout(PATIENCE).unwrap()
    }

    #[track_caller]
    fn says(&self, expected: &str) {
        let Outcome::Broken(text) = self.next_outcome() else { panic!("it acted") };
        assert_eq!(text, expected);
    }

    #[track_caller]
    fn acted(&self) -> Acted {
        match self.next_outcome() {
            Outcome::Acted(acted) => *acted,
            Outcome::Broken(text) => panic!("{text}"),
        }
    }

    fn end(mut self) -> bool {
        drop(self.actor.take());
        self.finished.wait(PATIENCE)
    }
}

#[test]
fn an_action_runs_at_its_level_and_above_in_the_order_of_the_list() {
    let (to, said) = channel();
    let plan = [("later", Level::Critical), ("first", Level::High), ("second", Level::High)];
    let mut acting = Acting::start(plan.map(|(name, level)| Planned::of_host(level, says(name, &to))).into());
    acting.at(Level::Elevated);
    acting.at(Level::High);
    assert_eq!(said.recv_timeout(PATIENCE), Ok(("first", Level::High)), "what stands first is not reached yet");
    assert_eq!(said.recv_timeout(PATIENCE), Ok(("second", Level::High)));
    acting.at(Level::Critical);
    assert_eq!(said.recv_timeout(PATIENCE), Ok(("later", Level::Critical)));
    for (name, level) in [("first", Level::High), ("second", Level::High), ("later", Level::Critical)] {
        let acted = acting.acted();
        assert_eq!((acted.name, acted.level, &*acted.span), (name, level, format!("action {name}").as_str()));
    }
    assert!(acting.end());
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the test's own clock")]
fn an_action_does_not_run_again_before_its_pause_is_over_however_often_its_level_is_entered() {
    let (to, said) = channel();
    let start = std::time::Instant::now();
    let plan = [("paced", Level::High), ("last", Level::Critical)];
    let mut acting = Acting::start(plan.map(|(name, level)| Planned::of_host(level, says(name, &to))).into());
    acting.at(Level::High);
    assert_eq!(said.recv_timeout(PATIENCE), Ok(("paced", Level::High)));
    for _ in 0..100 {
        acting.at(Level::Normal);
        acting.at(Level::High);
    }
    acting.at(Level::Critical);
    let next = said.recv_timeout(PATIENCE);
    assert!(next == Ok(("last", Level::Critical)) || start.elapsed() > pace::SHORTEST, "{next:?}");
    assert_eq!(acting.acted().rest, pace::SHORTEST * 2, "it freed nothing");
}

#[test]
fn an_action_that_panics_is_said_once_and_not_called_again_and_the_others_are() {
    let (to, said) = channel();
    let panics = does("clumsy", |_| std::panic::panic_any("the host's fault"));
    let mut acting =
        Acting::start(vec![Planned::of_host(Level::High, panics), Planned::of_host(Level::High, says("careful", &to))]);
    acting.at(Level::High);
    acting.says("clumsy panicked, and is not called again");
    assert_eq!(said.recv_timeout(PATIENCE), Ok(("careful", Level::High)));
    assert_eq!(acting.acted().name, "careful");
    assert!(acting.end());
}

#[test]
fn what_an_action_could_not_do_is_said() {
    let fails = does("shrink", |_| Err("the cache is busy".into()));
    let mut acting = Acting::start(vec![Planned::of_host(Level::Elevated, fails)]);
    acting.at(Level::Elevated);
    acting.says("shrink failed: the cache is busy");
}

#[test]
fn an_error_that_panics_when_it_is_said_or_dropped_is_a_panic_of_the_action() {
    struct Panics(bool);
    impl fmt::Debug for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Ok(())
        }
    }
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            if self.0 { std::panic::panic_any("the host's fault") } else { Ok(()) }
        }
    }
    impl Error for Panics {}
    impl Drop for Panics {
        fn drop(&mut self) {
            if !self.0 {
                std::panic::panic_any("the host's fault");
            }
        }
    }
    let (to, said) = channel();
    let mut plan: Vec<_> = [true, false]
        .map(|said| Planned::of_host(Level::High, does("clumsy", move |_| Err(Panics(said).into()))))
        .into();
    plan.push(Planned::of_host(Level::High, says("careful", &to)));
    let mut acting = Acting::start(plan);
    acting.at(Level::High);
    acting.says("clumsy panicked, and is not called again");
    acting.says("clumsy panicked, and is not called again");
    assert_eq!(said.recv_timeout(PATIENCE), Ok(("careful", Level::High)));
    assert_eq!(acting.acted().name, "careful");
    assert!(acting.end());
}

#[test]
fn the_turn_of_each_action_comes_however_long_the_first_of_the_list_take() {
    const LONGER_THAN_A_PAUSE: Duration = Duration::from_secs(400);
    let names = ["slow", "slow too", "purge"];
    let mut slots: Vec<_> = names.map(|name| Slot::new(Planned::of_host(Level::High, does(name, |_| Ok(()))))).into();
    let mut now = SinceStart::from_secs(7);
    let mut round = |slots: &mut [Slot], level| {
        let (due, index) = next(slots, level, now)?;
        let slot = &mut slots[index];
        now = now.max(due).after(if index < 2 { LONGER_THAN_A_PAUSE } else { Duration::ZERO });
        slot.pace.acted(now, Some(false));
        Some(slot.planned.name)
    };
    for _ in 0..20 {
        assert_eq!([(); 3].map(|()| round(&mut slots, Level::High).unwrap()), names);
    }
    // One rests for longer than the others when the level is left.
    slots[0].pace.acted(SinceStart::from_secs(1_000_000), Some(false));
    assert_eq!([(); 2].map(|()| round(&mut slots, Level::High).unwrap()), ["slow too", "purge"]);
    assert_eq!(round(&mut slots, Level::Elevated), None);
    let entered = SinceStart::from_secs(2_000_000);
    assert_eq!(next(&mut slots, Level::High, entered), Some((entered, 0)), "entered anew: the first of the list");
}

#[test]
fn an_action_that_hangs_keeps_nobody_who_speaks_to_the_thread_waiting() {
    let (release, released) = channel::<()>();
    let (entered, inside) = channel();
    let hangs = does("slow", move |_| {
        entered.send(())?;
        let _ = released.recv();
        Ok(())
    });
    let mut acting = Acting::start(vec![Planned::of_host(Level::High, hangs)]);
    acting.at(Level::High);
    inside.recv_timeout(PATIENCE).unwrap();
    for _ in 0..1_000 {
        acting.at(Level::Normal);
        acting.at(Level::High);
    }
    let hangs = |seconds| acting.actor.as_ref().unwrap().hangs(SinceStart::from_secs(seconds));
    assert_eq!(hangs(59), None);
    let words = Some("slow has been running for 1m: no other action runs meanwhile".to_owned());
    assert_eq!([hangs(3_600), hangs(3_601)], [words, None], "said once");
    drop(acting.actor.take());
    assert!(!acting.finished.wait(Duration::from_millis(1)), "it runs on");
    drop(release);
    assert!(acting.end());
}

fn acted(before: Option<u64>, after: Option<u64>) -> Acted {
    let sample = |used: Option<u64>| {
        let used = used.map(Bytes::mib);
        let process = highwater_model::Process { rss: used, ..highwater_model::Process::default() };
        Sample { used, process, ..Sample::default() }
    };
    Acted {
        name: "purge",
        span: "purge".into(),
        level: Level::High,
        from: SinceStart::from_secs(7),
        to: SinceStart::from_secs(7).after(Duration::from_micros(41_700)),
        before: sample(before),
        after: sample(after),
        rest: Duration::from_secs(10),
        episode: None,
    }
}

#[test]
fn less_than_5_percent_is_no_effect_and_neither_is_what_is_unknown() {
    let effective = |before, after| acted(before, after).effect().unwrap();
    assert!(effective(Some(100), Some(95)) && effective(Some(100), Some(0)));
    assert!(!effective(Some(100), Some(96)) && !effective(Some(100), Some(130)) && !effective(Some(0), Some(0)));
    assert!(!effective(None, Some(1)) && !effective(Some(100), None));
}

#[test]
fn where_another_limit_binds_after_an_action_its_effect_is_unknown() {
    let limit = |mib, scope| {
        let source = highwater_model::LimitSource::Cgroup;
        Some(highwater_model::Limit { bytes: Bytes::mib(mib), source, scope })
    };
    let mut acted = acted(Some(437), Some(137));
    (acted.before.limit, acted.after.limit) = (limit(512, 7), limit(256, 7));
    assert_eq!(acted.effect(), Some(true), "a limit that was changed is of the same memory");
    for after in [limit(512, 8), None] {
        acted.after.limit = after;
        assert_eq!(acted.effect(), None);
        acted.attributes(&mut |name, _| assert_ne!(name, "highwater.after"));
        assert_eq!(acted.to_string(), "purge ran, what it freed is unknown, in 41ms; not again for 10s");
    }
}

#[test]
fn an_action_is_one_line_in_the_log() {
    let line = |before, after| acted(before, after).to_string();
    assert_eq!(line(Some(437), Some(137)), "purge freed 300MiB of 437MiB in 41ms; not again for 10s");
    assert_eq!(line(Some(437), Some(438)), "purge freed nothing of 437MiB in 41ms; not again for 10s");
    assert_eq!(line(None, Some(1)), "purge ran, what it freed is unknown, in 41ms; not again for 10s");
}

#[test]
fn the_span_of_an_action_has_what_was_used_before_and_after_and_the_change_of_resident_memory() {
    let attributes = |acted: Acted| {
        let mut attributes = Vec::new();
        acted.attributes(&mut |name, value| attributes.push((name, value)));
        attributes
    };
    let mib = |mib: i64| mib << 20;
    assert_eq!(
        attributes(acted(Some(437), Some(137))),
        [
            ("highwater.level", Attribute::Text("high".into())),
            ("highwater.before", Attribute::Int(437 << 20)),
            ("highwater.after", Attribute::Int(137 << 20)),
            ("highwater.rss_delta", Attribute::Difference(mib(-300))),
        ]
    );
    assert_eq!(attributes(acted(None, None)).len(), 1, "unknown is absent");
}
