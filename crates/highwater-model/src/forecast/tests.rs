use std::vec::Vec;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn trend(points: impl IntoIterator<Item = Option<u64>>) -> Option<Trend> {
    Trend::of(points.into_iter().map(|point| point.map(Bytes::new)), MINUTE)
}

fn rising(points: u64) -> impl Iterator<Item = Option<u64>> {
    (0..points).map(|point| Some(1000 + 60 * point))
}

#[test]
fn a_straight_rise_reaches_the_limit_when_the_line_does() {
    let trend = trend(rising(25)).unwrap();
    assert!((trend.slope().unwrap() - 1.0).abs() < 1e-9);
    let forecast = trend.forecast(Bytes::new(1000 + 60 * 84)).unwrap();
    assert_eq!(forecast.likely, Duration::from_secs(3600));
    assert_eq!(forecast.earliest, Duration::from_secs(3600).div_f64(FASTER));
    assert_eq!(forecast.latest, Duration::from_secs(3600).div_f64(SLOWER));
}

#[test]
fn one_odd_point_does_not_bend_the_line() {
    let odd = rising(25).enumerate().map(|(index, point)| if index == 12 { Some(9000) } else { point });
    assert!((trend(odd).unwrap().slope().unwrap() - 1.0).abs() < 0.05);
}

#[test]
fn there_is_no_forecast_where_use_may_not_rise() {
    let flat = trend((0..25).map(|point| Some(1000 + 10 * (point * 7 % 5)))).unwrap();
    assert_eq!((flat.slope(), flat.forecast(Bytes::new(2000))), (None, None));
    let still = trend([Some(1000); 25]).unwrap();
    assert_eq!((still.slope(), still.forecast(Bytes::new(2000))), (None, None));
    let falling = trend((0..25).map(|point| Some(3000 - 60 * point))).unwrap();
    assert!(falling.slope().unwrap() < 0.0);
    assert_eq!(falling.forecast(Bytes::new(5000)), None);
}

#[test]
fn too_few_points_say_nothing_and_missing_ones_are_passed_over() {
    assert!(trend(rising(7)).is_none());
    assert!(trend([None; 25]).is_none());
    let gaps = rising(25).enumerate().map(|(index, point)| point.filter(|_| index % 3 != 1));
    assert!((trend(gaps).unwrap().slope().unwrap() - 1.0).abs() < 1e-9);
}

#[test]
fn a_limit_that_is_reached_is_reached_now() {
    let forecast = trend(rising(25)).unwrap().forecast(Bytes::new(1500)).unwrap();
    assert_eq!([forecast.earliest, forecast.likely, forecast.latest], [Duration::ZERO; 3]);
}

#[test]
fn most_likely_is_nearer_to_the_line_of_the_peaks_than_to_the_middle() {
    // Every fifth point lies 600 above the line, which makes 10 minutes of 60 a minute; another fifth lies as far below.
    let off = [600, 600, 0, 1200, 600];
    let points = off.into_iter().cycle().zip(0..25).map(|(off, point)| Some(400 + off + 60 * point));
    let forecast = trend(points).unwrap().forecast(Bytes::new(1000 + 60 * 84)).unwrap();
    let minutes = forecast.likely.as_secs_f64() / 60.0;
    assert!((minutes - 53.0).abs() < 0.1, "{minutes}: 60 less seven tenths of ten");
}

#[test]
fn a_wider_scatter_widens_the_range() {
    let width = |scatter: u64| {
        let points: Vec<_> = (0..25).map(|point| Some(1000 + 60 * point + scatter * (point * 7 % 5))).collect();
        let forecast = trend(points).unwrap().forecast(Bytes::new(10_000)).unwrap();
        forecast.latest - forecast.earliest
    };
    assert!(width(0) < width(20) && width(20) < width(60));
}

#[test]
fn doubt_is_twice_the_deviation_of_kendalls_statistic() {
    // sqrt(25 * 24 * 55 / 18) = 42.8 of 300 pairs.
    assert_eq!(doubt(25), 85);
}
