use highwater::Bytes;
use highwater::model::{Judge, Limit, LimitSource, Rules, Sample};

use super::*;

fn begun() -> Event {
    let limit = Some(Limit { bytes: Bytes::mib(512), source: LimitSource::Config, scope: 0 });
    let sample = Sample { used: Some(Bytes::mib(500)), limit, ..Sample::default() };
    let mut judge = Judge::new(Rules::default());
    let transitions = judge.judge(&sample);
    let transition = *transitions.iter().next().unwrap();
    Event::judged(transition, sample)
}

fn json(event: &Encoded) -> serde_json::Value {
    serde_json::from_str(&Json::of(|json| event.write(json))).unwrap()
}

#[test]
fn an_event_is_written_with_all_its_attributes_and_without_what_is_unknown() {
    let json = json(&encoded(&begun(), 1_200));
    assert_eq!(json["seq"], 1_200);
    assert_eq!(json["time"], 0.0);
    assert_eq!(json["name"], "highwater.memory.episode.begun");
    assert_eq!((&json["severity"], &json["level"]), (&"error".into(), &"critical".into()));
    assert_eq!(json["previous_level"], "normal");
    assert_eq!(json["attributes"]["highwater.memory.used"], 500 << 20);
    assert_eq!(json["attributes"]["highwater.limit.source"], "config");
    assert!(json["text"].as_str().unwrap().contains("500"));
    assert!(json.get("episode").is_none() && !json.to_string().contains("null"), "{json}");
}

#[test]
fn of_a_file_only_its_name_is_shown() {
    for (text, shown) in [
        ("/var/lib/my app/cart-1.pb.gz", "cart-1.pb.gz"),
        (
            "heap profile in 8ms: 3MiB by a::b, 98 % of 4MiB; /profiles/cart-1.pb.gz",
            "heap profile in 8ms: 3MiB by a::b, 98 % of 4MiB; cart-1.pb.gz",
        ),
        (
            "no heap profile: /my profiles/cart-1.pb.gz: No space left on device",
            "no heap profile: cart-1.pb.gz: No space left on device",
        ),
        ("stalls of reads/writes", "stalls of reads/writes"),
        ("", ""),
    ] {
        assert_eq!(without_folder(text), shown);
    }
}

#[test]
fn the_oldest_go_where_there_are_too_many_or_they_are_too_large() {
    let mut told = Told::default();
    let event = |fields: String| Encoded { at: 0, fields };
    (0..MOST + 5).for_each(|number| told.push(event(number.to_string())));
    assert_eq!((told.events.len(), told.events.front().map(|event| event.fields.as_str())), (MOST, Some("5")));
    let large = "x".repeat(MOST_BYTES / 3);
    (0..5).for_each(|_| told.push(event(large.clone())));
    assert_eq!((told.events.len(), told.bytes()), (3, 3 * large.len()));
    told.push(event("x".repeat(MOST_BYTES + 1)));
    assert_eq!((told.events.len(), told.bytes()), (0, 0));
}

#[test]
fn where_the_clock_is_set_events_get_new_dates_as_rows_do() {
    let mut told = Told::default();
    told.push(Encoded { at: 61_500, fields: String::new() });
    let mut date = |before, start| {
        told.redate(before, start);
        told.events[0].at
    };
    assert_eq!(date(60_000, 3_660_000), 3_661_500, "set forward by an hour");
    assert_eq!(date(3_660_000, 50_000), 51_500, "and back by more");
}
