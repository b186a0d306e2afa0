//! Registers, good and bad.

use super::{PermitFinding, Register, parse};
use citybrain_types::Timestamp;

const ZONE: &str = "Asia/Shanghai";
const SITE: [f64; 2] = [121.505, 31.205];

const GEOJSON: &str = r#"{"type": "FeatureCollection", "features": [
  {"type": "Feature", "properties": {"id": "P-1", "holder": "Harbour Works", "from": "2026-01-01", "to": "2026-03-31"},
   "geometry": {"type": "Polygon", "coordinates": [[[121.5, 31.2], [121.51, 31.2], [121.51, 31.21], [121.5, 31.21], [121.5, 31.2]]]}},
  {"type": "Feature", "properties": {"id": "P-2", "holder": "bow tie", "from": "2026-01-01", "to": "2026-03-31"},
   "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}},
  {"type": "Feature", "properties": {"id": "P-3", "from": "soon", "to": "2026-03-31"}, "geometry": {"type": "Point", "coordinates": [121.6, 31.3]}},
  {"type": "Feature", "properties": {"id": "P-4", "from": "2026-01-01", "to": "2026-03-31"}, "geometry": {"type": "Point", "coordinates": [400, 31.3]}},
  {"type": "Feature", "properties": {"id": "P-5", "from": "2026-01-01", "to": "2026-03-31"}, "geometry": null}
]}"#;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn register(text: &str) -> Register {
    let (permits, _) = parse(text, ZONE).unwrap();
    Register { names: vec!["sites.geojson".to_owned()], unread: vec![], permits }
}

#[test]
fn an_entry_covers_its_place_from_its_first_to_its_last_day_in_the_time_of_the_city() {
    let register = register(GEOJSON);
    let covered =
        |moment: &str| matches!(register.ask(Some(SITE), None, at(moment)), PermitFinding::Covered { .. });
    // Midnight in Shanghai is 16:00 the day before in UTC.
    assert!(!covered("2025-12-31T15:59:59Z") && covered("2025-12-31T16:00:00Z"));
    assert!(covered("2026-03-31T15:59:59Z") && !covered("2026-03-31T16:00:00Z"));
}

#[test]
fn what_is_missing_is_cited_with_the_entry_that_comes_nearest() {
    let register = register(GEOJSON);
    let finding = register.ask(Some(SITE), None, at("2026-06-01T00:00:00Z"));
    let PermitFinding::Missing { nearest: Some(nearest), entries: 1, .. } = &finding else {
        panic!("{finding:?}")
    };
    assert_eq!((nearest.permit.as_str(), nearest.holder.as_str()), ("P-1", "Harbour Works"));
    assert!(
        finding.words().contains("sites.geojson") && finding.words().contains("P-1"),
        "{}",
        finding.words()
    );
    let elsewhere = register.ask(Some([121.7, 31.2]), None, at("2026-02-01T00:00:00Z"));
    assert!(matches!(elsewhere, PermitFinding::Missing { nearest: None, .. }), "{elsewhere:?}");
}

#[test]
fn entries_that_are_wrong_are_left_out_each_with_its_reason() {
    let (permits, faults) = parse(GEOJSON, ZONE).unwrap();
    assert_eq!(permits.len(), 1);
    let expected = ["crosses itself", "'from' 'soon'", "no place on earth", "nowhere where"];
    assert_eq!(faults.len(), expected.len(), "{faults:?}");
    for (fault, expected) in faults.iter().zip(expected) {
        assert!(fault.contains(expected), "{fault}");
    }
}

#[test]
fn a_csv_register_has_areas_and_points_and_quoted_fields() {
    let text = "id,holder,from,to,area,longitude,latitude,radius_m\r\n\
        C-1,\"Li, Wang & \"\"Sons\"\"\",2026-01-01,2026-12-31,harbour,,,\r\n\
        C-2,Metro,2026-01-01T00:00:00Z,2026-12-31T00:00:00Z,,121.505,31.205,100\r\n\
        C-3,backwards,2026-12-31,2026-01-01,harbour,,,\r\n";
    let (permits, faults) = parse(text, ZONE).unwrap();
    assert_eq!(permits.iter().map(|p| p.id.as_str()).collect::<Vec<_>>(), ["C-1", "C-2"]);
    assert_eq!(permits[0].holder, "Li, Wang & \"Sons\"");
    assert!(faults[0].contains("ends before it begins"), "{faults:?}");
    let register = Register { names: vec!["c".into()], unread: vec![], permits };
    let now = at("2026-06-01T00:00:00Z");
    assert!(
        matches!(register.ask(None, Some("harbour"), now), PermitFinding::Covered { permit, .. } if permit == "C-1")
    );
    assert!(
        matches!(register.ask(Some([121.505_9, 31.205]), None, now), PermitFinding::Covered { permit, .. } if permit == "C-2")
    );
    assert!(matches!(register.ask(Some([121.507, 31.205]), None, now), PermitFinding::Missing { .. }));
}

#[test]
fn what_is_no_register_is_refused_whole() {
    for (text, expected) in [
        ("", "empty"),
        ("{", "no JSON"),
        ("{\"type\": 1}", "no list 'features'"),
        ("a,b\n1,2\n", "no column 'id'"),
        ("id,from,to\n\"never closed", "line 2"),
    ] {
        let error = parse(text, ZONE).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn without_a_register_nothing_is_said_to_be_missing() {
    let unknown = Register::default().ask(Some(SITE), None, at("2026-02-01T00:00:00Z"));
    assert!(matches!(unknown, PermitFinding::Unknown { .. }));
}
