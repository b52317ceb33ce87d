use super::*;

const fn mib(n: u64) -> Bytes {
    Bytes::mib(n)
}

#[test]
fn the_same_name_is_the_same_region() {
    let regions = Arc::new(Regions::new());
    regions.region("staging").add(mib(3));
    regions.region("mmap").add(mib(1));
    regions.region("staging").add(mib(2));
    assert_eq!(regions.iter().collect::<Vec<_>>(), [("staging", mib(5)), ("mmap", mib(1))]);
    assert_eq!(regions.total(), mib(6));
}

#[test]
fn a_region_never_falls_below_zero() {
    let regions = Arc::new(Regions::new());
    let region = regions.region("staging");
    region.add(mib(1));
    region.remove(mib(2));
    assert_eq!(region.usage(), Bytes::ZERO);
    region.add(mib(4));
    assert_eq!(regions.total(), mib(4));
}

#[test]
fn set_replaces_what_was_counted() {
    let regions = Arc::new(Regions::new());
    let region = regions.region("staging");
    region.add(mib(7));
    region.set(mib(2));
    assert_eq!(region.usage(), mib(2));
}

#[test]
fn dropping_a_handle_removes_nothing() {
    let regions = Arc::new(Regions::new());
    regions.region("staging").add(mib(1));
    assert_eq!(regions.region("staging").usage(), mib(1));
}

#[test]
fn the_seventeenth_region_counts_in_the_total_only() {
    let regions = Arc::new(Regions::new());
    for index in 0..NAMED {
        regions.region(&format!("region-{index}")).set(mib(1));
    }
    let (one, other) = (regions.region("one-more"), regions.region("another"));
    one.set(mib(10));
    other.set(mib(5));
    one.set(mib(20));
    one.remove(mib(1));
    other.remove(mib(100));
    assert_eq!((one.usage(), other.usage()), (mib(19), Bytes::ZERO));
    assert_eq!(regions.iter().count(), NAMED);
    assert!(regions.iter().all(|(name, _)| name.starts_with("region-")));
    assert_eq!(regions.total(), mib(16 + 19));
    assert_eq!(regions.region("region-15").usage(), mib(1), "a known name is found when the table is full");
}

#[test]
fn rivals_for_one_name_get_one_region() {
    let regions = Arc::new(Regions::new());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for index in 0..NAMED {
                    regions.region(&format!("region-{index}")).add(mib(1));
                }
            });
        }
    });
    assert_eq!(regions.iter().count(), NAMED);
    assert!(regions.iter().all(|(_, usage)| usage == mib(8)));
}
