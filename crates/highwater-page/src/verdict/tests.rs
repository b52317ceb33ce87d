use proptest::prelude::*;

use super::*;

/// A service that is well: 117 of 512 MiB, warm, watched for two hours.
fn well() -> Facts {
    Facts {
        is_running: true,
        age: Some(Duration::from_millis(400)),
        used: Some(Bytes::mib(117)),
        used_lately: None,
        limit: Some(Bytes::mib(512)),
        available: Some(Bytes::mib(395)),
        level: Level::Normal,
        levels: Levels::default(),
        growth: None,
        is_growing: false,
        forecast: None,
        warm_up_left: Duration::ZERO,
        allocated: Some(Bytes::mib(100)),
        held: Some(Bytes::mib(110)),
        usage: Some(Bytes::mib(150)),
        cache: Some(Bytes::mib(30)),
        stalled: [Some(0.0), Some(0.0)],
        others_hold_most: false,
        heap_profiles: true,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// As the model makes one: it has no constructor.
fn forecast(earliest: u64, likely: u64, latest: u64) -> Forecast {
    use highwater::model::{Judge, Limit, LimitSource, Rules, Sample, SinceStart};

    let limit = Some(Limit { bytes: Bytes::mib(512), source: LimitSource::Config, scope: 0 });
    let mut judge = Judge::new(Rules::default());
    for second in 0..3_600 {
        let used = Some(Bytes::kib(100_000 + second * 50));
        judge.judge(&Sample { at: SinceStart::from_secs(second), used, limit, ..Sample::default() });
    }
    let mut forecast = judge.time_to_limit().unwrap();
    (forecast.earliest, forecast.likely, forecast.latest) = (seconds(earliest), seconds(likely), seconds(latest));
    forecast
}

#[track_caller]
fn is(facts: Facts, kind: Kind, tone: Tone, reason: &str) {
    let verdict = verdict(&facts);
    assert_eq!((verdict.kind, verdict.tone), (kind, tone), "{verdict:?}");
    assert_eq!(verdict.reason, reason);
    assert!(!verdict.title.is_empty() && !verdict.next.is_empty());
}

#[test]
fn each_verdict_has_its_reason_and_its_numbers() {
    is(well(), Kind::Healthy, Tone::Good, "23 % of 512 MiB used. No growth is told now.");
    is(
        Facts { growth: Some(2_330.17), ..well() },
        Kind::Healthy,
        Tone::Good,
        "23 % of 512 MiB used. Use rises by 8.0 MiB an hour, too little or too unsteady to be told as growth.",
    );
    for none in [0.0, -2_330.17, 0.000_1, f64::NAN] {
        is(
            Facts { growth: Some(none), ..well() },
            Kind::Healthy,
            Tone::Good,
            "23 % of 512 MiB used. No growth is told now.",
        );
    }
    is(
        Facts { is_running: false, age: Some(seconds(95)), ..well() },
        Kind::Stale,
        Tone::Unknown,
        "What is shown is 2 min old, and nothing follows.",
    );
    is(Facts { is_running: false, age: None, ..well() }, Kind::Stale, Tone::Unknown, "Nothing was sampled.");
    is(
        Facts { age: Some(STALE), ..well() },
        Kind::Stale,
        Tone::Unknown,
        "The last one is 30 s old; one is due every second.",
    );
    is(Facts { age: None, ..well() }, Kind::NotEnoughData, Tone::Unknown, "The first sample was not taken yet.");
    is(
        Facts { used: None, ..well() },
        Kind::NotEnoughData,
        Tone::Unknown,
        "How much memory is used cannot be read here.",
    );
    is(
        Facts { limit: None, available: None, ..well() },
        Kind::NotEnoughData,
        Tone::Unknown,
        "117 MiB used, and no limit is known: how near it is cannot be said.",
    );
    is(
        Facts { stalled: [Some(0.25), Some(0.02)], ..well() },
        Kind::Stalled,
        Tone::Bad,
        "For 25 % of the last ten seconds tasks waited for memory.",
    );
    is(
        Facts { stalled: [Some(0.6), Some(0.4)], level: Level::Critical, used: Some(Bytes::mib(500)), ..well() },
        Kind::Stalled,
        Tone::Bad,
        "For 60 % of the last ten seconds tasks waited for memory, for 40 % all of them, and memory is near its limit.",
    );
    let near = Facts { used: Some(Bytes::mib(461)), available: Some(Bytes::mib(51)), level: Level::High, ..well() };
    is(near, Kind::NearLimit, Tone::Bad, "90 % of 512 MiB used. 51 MiB are left.");
    is(
        Facts { level: Level::Elevated, forecast: Some(forecast(300, 600, 900)), ..near },
        Kind::NearLimit,
        Tone::Watch,
        "90 % of 512 MiB used. 51 MiB are left. At this pace the limit is reached in 5 min to 15 min, most likely in 10 min.",
    );
    is(
        Facts { is_growing: true, growth: Some(5_825.4), forecast: Some(forecast(50_000, 70_000, 200_000)), ..well() },
        Kind::Growing,
        Tone::Watch,
        "Use rises by 20.0 MiB an hour and does not come down. The limit is reached in 14 h to 2 days, most likely in 19 h. \
         23 % of 512 MiB used.",
    );
    is(
        Facts { used: Some(Bytes::mib(250)), allocated: Some(Bytes::mib(20)), held: Some(Bytes::mib(240)), ..well() },
        Kind::AllocatorHolds,
        Tone::Info,
        "The program holds 20 MiB of the 240 MiB that its allocator has in memory: 220 MiB are freed, or lost between \
         allocations. 49 % of 512 MiB used.",
    );
    is(
        Facts { usage: Some(Bytes::mib(500)), cache: Some(Bytes::mib(380)), ..well() },
        Kind::PageCache,
        Tone::Good,
        "500 MiB are charged to the cgroup, of which 380 MiB are page cache that the kernel takes back when it needs to. 23 \
         % of 512 MiB used.",
    );
    is(
        Facts { warm_up_left: seconds(25 * 60), ..well() },
        Kind::WarmingUp,
        Tone::Info,
        "23 % of 512 MiB used. Growth is judged in 25 min: most services grow while they warm up.",
    );
}

#[test]
fn a_limit_that_is_reached_within_the_hour_is_said_in_the_warm_up_too() {
    let warming = Facts { warm_up_left: seconds(1_200), growth: Some(1e6), ..well() };
    let kind = |latest| verdict(&Facts { forecast: Some(forecast(60, 120, latest)), ..warming }).kind;
    assert_eq!(kind(3_600), Kind::Growing);
    assert_eq!(kind(3_601), Kind::WarmingUp);
}

/// A linear leak at 60 %, whose likely end is in two and a half hours: an alert tells it.
#[test]
fn what_alerts_call_growth_is_not_called_healthy() {
    let leak = Facts { used: Some(Bytes::mib(307)), growth: Some(23_302.0), ..well() };
    let range = |likely: u64| Some(forecast(likely / 2, likely, 2 * likely));
    is(
        Facts { forecast: range(9_000), ..leak },
        Kind::Growing,
        Tone::Watch,
        "Use rises by 80.0 MiB an hour and does not come down. The limit is reached in 75 min to 5.0 h, most likely in 2.5 h. \
         60 % of 512 MiB used.",
    );
    let kind = |facts| verdict(&facts).kind;
    assert_eq!(kind(Facts { forecast: range(14_400), ..leak }), Kind::Growing);
    assert_eq!(kind(Facts { forecast: range(14_400), warm_up_left: seconds(60), ..leak }), Kind::Growing);
    assert_eq!(kind(Facts { forecast: range(14_401), ..leak }), Kind::Healthy);
    assert_eq!(kind(Facts { forecast: range(9_000), used: Some(Bytes::mib(256)), ..leak }), Kind::Healthy);
    assert_eq!(kind(Facts { forecast: range(9_000), limit: None, ..leak }), Kind::NotEnoughData);
}

#[test]
fn where_the_limit_is_reached_at_all_the_range_is_said_and_something_is_to_be_done() {
    let far = Facts { growth: Some(2_330.17), forecast: Some(forecast(100_000, 200_000, 400_000)), ..well() };
    let pace = "At this pace the limit is reached in 28 h to 5 days, most likely in 2 days.";
    is(far, Kind::Healthy, Tone::Good, &format!("23 % of 512 MiB used. Use rises by 8.0 MiB an hour. {pace}"));
    is(Facts { growth: None, ..far }, Kind::Healthy, Tone::Good, &format!("23 % of 512 MiB used. {pace}"));
    let cached = Facts { usage: Some(Bytes::mib(500)), cache: Some(Bytes::mib(380)), ..far };
    assert_eq!(verdict(&cached).kind, Kind::PageCache);
    assert!(verdict(&cached).reason.ends_with(pace));
    for facts in [far, cached] {
        let next = verdict(&facts).next;
        assert!(next.contains("Look again") && next.contains("mark A") && !next.contains("Nothing to do"), "{next}");
    }
    assert_eq!(verdict(&well()).next, "Nothing to do.");
}

#[test]
fn growth_that_was_told_and_does_not_go_on_for_certain_is_not_said_to_rise() {
    let told = Facts { is_growing: true, ..well() };
    for growth in [None, Some(0.0), Some(-2_330.17), Some(0.000_1), Some(f64::NAN)] {
        is(
            Facts { growth, ..told },
            Kind::Growing,
            Tone::Watch,
            "Growth was told and has not been given back; it is not certain that use rises now. 23 % of 512 MiB used.",
        );
        assert_eq!(verdict(&Facts { growth, ..told }).title, "Has grown");
    }
    assert_eq!(verdict(&Facts { growth: Some(2_330.17), ..told }).title, "Grows steadily");
}

#[test]
fn below_the_line_where_the_lowest_level_is_left_nothing_is_near_the_limit() {
    for level in Level::RAISED {
        let released = Facts { level, used: Some(Bytes::mib(5)), available: Some(Bytes::mib(507)), ..well() };
        let reason = format!(
            "1 % of 512 MiB used. That is below where level {level} is left; normal is told once that has held."
        );
        is(released, Kind::Leaving, Tone::Info, &reason);
        // What was seen of the rise may last for longer.
        is(
            Facts { is_growing: true, forecast: Some(forecast(60, 120, 180)), ..released },
            Kind::Leaving,
            Tone::Info,
            &reason,
        );
        let stalled = verdict(&Facts { stalled: [Some(0.6), None], ..released });
        assert!(!stalled.reason.contains("near its limit") && stalled.kind == Kind::Stalled, "{stalled:?}");
    }
    // 75 % less 5 points: here elevated goes on.
    let kind = |used| verdict(&Facts { level: Level::High, used: Some(used), ..well() }).kind;
    let left = Levels::default().lines(Some(Bytes::mib(512)))[0].unwrap().leave;
    assert_eq!(kind(left), Kind::NearLimit);
    assert_eq!(kind(left.saturating_sub(Bytes::new(1))), Kind::Leaving);
}

fn amounts_of(mib: u64) -> Levels {
    let [elevated, high, critical] = [mib, mib + 50, mib + 100].map(|mib| Threshold::Amount(Bytes::mib(mib)));
    Levels::try_new(elevated, high, critical).unwrap()
}

#[test]
fn a_level_in_bytes_says_nothing_of_a_limit() {
    let above = Facts { level: Level::Elevated, levels: amounts_of(100), ..well() };
    is(above, Kind::NearLimit, Tone::Watch, "23 % of 512 MiB used. The level begins at 100 MiB. 395 MiB are left.");
    assert_eq!(verdict(&above).title, "Above its level: elevated");
    let unlimited = Facts { level: Level::High, used: Some(Bytes::mib(160)), limit: None, available: None, ..above };
    is(unlimited, Kind::NearLimit, Tone::Bad, "160 MiB used. The level begins at 150 MiB.");
    assert_eq!(verdict(&unlimited).title, "Above its level: high");
    let stalled = Facts { stalled: [Some(0.25), None], ..unlimited };
    is(
        stalled,
        Kind::Stalled,
        Tone::Bad,
        "For 25 % of the last ten seconds tasks waited for memory, and use is above its level.",
    );
    assert!(!verdict(&stalled).next.contains("limit"));
    let near = Facts { level: Level::High, used: Some(Bytes::mib(461)), ..well() };
    assert_eq!(verdict(&near).title, "Near the limit: high");
}

/// Each line of the table at the top of the module, with all that comes after it true as well.
#[test]
fn the_order_is_that_of_the_table() {
    let mut facts = Facts {
        used_lately: None,
        is_running: false,
        age: None,
        used: None,
        limit: Some(Bytes::mib(320)),
        available: None,
        level: Level::High,
        levels: Levels::default(),
        growth: Some(1e6),
        is_growing: true,
        forecast: None,
        warm_up_left: seconds(60),
        allocated: Some(Bytes::mib(10)),
        held: Some(Bytes::mib(300)),
        usage: Some(Bytes::mib(512)),
        cache: Some(Bytes::mib(400)),
        stalled: [Some(0.5), Some(0.5)],
        others_hold_most: true,
        heap_profiles: true,
    };
    let mut order = Vec::new();
    let mut next = |change: &dyn Fn(&mut Facts)| {
        order.push(verdict(&facts).kind);
        change(&mut facts);
    };
    next(&|facts| facts.is_running = true);
    next(&|facts| (facts.age, facts.used) = (Some(Duration::ZERO), Some(Bytes::mib(310))));
    next(&|facts| facts.stalled = [None; 2]);
    next(&|facts| (facts.limit, facts.levels) = (None, amounts_of(350)));
    next(&|facts| facts.level = Level::Normal);
    next(&|facts| facts.is_growing = false);
    next(&|facts| facts.limit = Some(Bytes::mib(512)));
    next(&|facts| facts.held = Some(Bytes::mib(12)));
    next(&|facts| facts.cache = None);
    next(&|facts| facts.warm_up_left = Duration::ZERO);
    next(&|_| ());
    let expected = [
        Kind::Stale,
        Kind::NotEnoughData,
        Kind::Stalled,
        Kind::NearLimit,
        Kind::Leaving,
        Kind::Growing,
        Kind::NotEnoughData,
        Kind::AllocatorHolds,
        Kind::PageCache,
        Kind::WarmingUp,
        Kind::Healthy,
    ];
    assert_eq!(order, expected);
}

#[test]
fn near_the_limit_the_next_step_is_one_that_can_be_taken() {
    for (others_hold_most, heap_profiles, step) in [
        (true, true, "the other processes of the cgroup"),
        (true, false, "the other processes of the cgroup"),
        (false, true, "the functions that hold the memory, in the last heap profile below"),
        (false, false, "which part grew: \"What changed\" below tells it. Heap profiles, which are off,"),
    ] {
        let used = Some(Bytes::mib(461));
        let next = verdict(&Facts { level: Level::High, used, others_hold_most, heap_profiles, ..well() }).next;
        assert!(next.contains(step), "{next}");
    }
}

#[test]
fn times_are_said_as_people_say_them() {
    let said = [0, 42, 90, 3_599, 5_400, 36_000, 129_600].map(|time| Time(seconds(time)).to_string());
    assert_eq!(said, ["0 s", "42 s", "2 min", "60 min", "1.5 h", "10 h", "2 days"]);
}

fn amounts() -> impl Strategy<Value = Option<Bytes>> {
    let near = prop_oneof![0_u64..1 << 12, 0_u64..1 << 32, any::<u64>()];
    proptest::option::of(near.prop_map(Bytes::new))
}

fn times() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), Just(Duration::MAX), (0_u64..100_000).prop_map(Duration::from_secs)]
}

fn numbers() -> impl Strategy<Value = Option<f64>> {
    proptest::option::of(prop_oneof![0.0..1.0, any::<f64>()])
}

proptest! {
    #[test]
    fn any_facts_give_exactly_one_verdict_in_words(
        (is_running, is_growing, others_hold_most, heap_profiles) in any::<(bool, bool, bool, bool)>(),
        age in proptest::option::of(times()),
        [used, limit, available, allocated, held, usage, cache] in
            [amounts(), amounts(), amounts(), amounts(), amounts(), amounts(), amounts()],
        level in prop_oneof![Just(Level::Normal), Just(Level::Elevated), Just(Level::High), Just(Level::Critical)],
        levels in prop_oneof![Just(Levels::default()), Just(amounts_of(100))],
        growth in numbers(),
        forecasts in proptest::option::of([times(), times(), times()]),
        warm_up_left in times(),
        stalled in [numbers(), numbers()],
    ) {
        let forecast = forecasts.map(|[earliest, likely, latest]| {
            let mut forecast = forecast_once();
            (forecast.earliest, forecast.likely, forecast.latest) = (earliest, likely, latest);
            forecast
        });
        let facts = Facts {
            used_lately: None,
            is_running, age, used, limit, available, level, levels, growth, is_growing, forecast, warm_up_left, allocated, held,
            usage, cache, stalled, others_hold_most, heap_profiles,
        };
        let verdict = verdict(&facts);
        prop_assert!(!verdict.title.is_empty() && !verdict.next.is_empty(), "{:?}", verdict);
        prop_assert!(verdict.reason.ends_with('.'), "{:?}", verdict);
        prop_assert_eq!(&verdict, &super::verdict(&facts), "of equal facts the same");
        // Nothing is called well that is not known.
        if used.is_none() || limit.is_none() || age.is_none() || !is_running || level > Level::Normal {
            prop_assert!(!matches!(verdict.kind, Kind::Healthy | Kind::WarmingUp));
        }
        // Nor is there nothing to do where the limit is reached for certain.
        if forecast.is_some() {
            prop_assert!(!verdict.next.contains("Nothing to do"), "{:?}", verdict);
        }
    }
}

fn forecast_once() -> Forecast {
    static FORECAST: std::sync::OnceLock<Forecast> = std::sync::OnceLock::new();
    *FORECAST.get_or_init(|| forecast(1, 2, 3))
}

#[test]
fn what_hovers_at_a_line_is_above_it_and_what_has_fallen_is_at_the_level_that_it_is_at() {
    let told = |level, mib: u64, lately: u64| {
        let used = Some(Bytes::mib(mib));
        let facts = Facts { level, used, used_lately: Some(Bytes::mib(lately)), ..well() };
        let Verdict { title, tone, .. } = verdict(&facts);
        (title, tone)
    };
    // Elevated begins at 384 of 512 MiB, and is left below 358.
    assert_eq!(told(Level::Elevated, 350, 365), ("Near the limit: elevated".to_owned(), Tone::Watch));
    assert_eq!(told(Level::Elevated, 350, 352), ("Back below its level".to_owned(), Tone::Info));
    assert_eq!(told(Level::Critical, 500, 500), ("Near the limit: critical".to_owned(), Tone::Bad));
    assert_eq!(told(Level::Critical, 390, 390), ("Near the limit: elevated".to_owned(), Tone::Watch));
    assert_eq!(told(Level::Critical, 100, 100), ("Back below its level".to_owned(), Tone::Info));
}
