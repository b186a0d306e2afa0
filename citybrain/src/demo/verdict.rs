//! Did every scripted event become exactly one case, in time, on every desk? A pure question over what was seen.

use citybrain_types::{Case, EventKind, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An event of the script, as the simulator says it happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What kind of event.
    pub kind: EventKind,
    /// In front of which camera.
    pub camera: String,
    /// When a person could first see it.
    pub visible_at: Timestamp,
    /// From visible to the first word on a desk.
    pub deadline: Duration,
    /// From visible to the word that the alarm is confirmed, where its kind has two steps.
    pub confirm_within: Option<Duration>,
}

/// One message on a desk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The case it is about.
    pub case: String,
    /// `webhook` or `mqtt`.
    pub via: String,
    /// Its idempotency key.
    pub key: String,
    /// What it tells: its CloudEvents type.
    pub event: Option<String>,
    /// When it came.
    pub at: Timestamp,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// What kind of event.
    pub kind: String,
    /// In front of which camera.
    pub camera: String,
    /// When a person could first see it.
    pub visible_at: Timestamp,
    /// When the first word of its case reached a desk.
    pub case_at: Option<Timestamp>,
    /// Seconds between the two.
    pub delay_s: Option<f64>,
    /// Seconds allowed between the two.
    pub deadline_s: f64,
    /// When a desk was told that the case is on file: of an alarm, that it is confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// Seconds from visible until then.
    pub confirmed_s: Option<f64>,
    /// The one case, where there is one.
    pub case_id: Option<String>,
    /// Channels over which the case arrived, `webhook` and `mqtt`, each with the number of distinct messages.
    pub deliveries: BTreeMap<String, usize>,
    /// Exactly one case, in time, over every channel.
    pub ok: bool,
    /// What is missing, in words.
    #[serde(skip)]
    pub problem: Option<String>,
}

/// Channels a case has to arrive over.
pub const CHANNELS: [&str; 2] = ["webhook", "mqtt"];

/// The event that tells of a case on file.
const OPENED: &str = "citybrain.case.opened";

/// How far a case's first sighting may lie before the moment a person could see the event.
const EARLY: Duration = Duration::from_secs(10);

/// One row an event, in the order of the script.
pub fn rows(events: &[Event], cases: &[Case], arrivals: &[Arrival]) -> Vec<Row> {
    events.iter().map(|event| row(event, cases, arrivals)).collect()
}

/// Cases that belong to no event: of a quiet camera, or of another kind than was shown to it.
pub fn strays<'a>(events: &[Event], cases: &'a [Case]) -> Vec<&'a Case> {
    cases.iter().filter(|case| !events.iter().any(|event| belongs(event, case))).collect()
}

fn belongs(event: &Event, case: &Case) -> bool {
    event.kind == case.kind
        && event.camera == case.camera.as_str()
        && case.first_seen_at.plus(EARLY) >= event.visible_at
}

fn row(event: &Event, cases: &[Case], arrivals: &[Arrival]) -> Row {
    let of_event: Vec<&Case> = cases.iter().filter(|case| belongs(event, case)).collect();
    let case_id = of_event.first().map(|case| case.id.to_string());
    let of_case = || arrivals.iter().filter(|arrival| Some(&arrival.case) == case_id.as_ref());
    let case_at = of_case().map(|arrival| arrival.at).min();
    let delay = case_at.map(|at| at.since(event.visible_at));
    let opened = of_case().filter(|arrival| arrival.event.as_deref() == Some(OPENED));
    let confirmed_at = opened.map(|arrival| arrival.at).min();
    let confirmed = confirmed_at.map(|at| at.since(event.visible_at));
    let confirmed_late =
        event.confirm_within.is_some_and(|within| confirmed.is_none_or(|took| took > within));
    let mut keys: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for arrival in of_case() {
        keys.entry(arrival.via.clone()).or_default().insert(&arrival.key);
    }
    let deliveries: BTreeMap<String, usize> = keys.into_iter().map(|(via, keys)| (via, keys.len())).collect();
    let missing: Vec<&str> = CHANNELS.into_iter().filter(|via| !deliveries.contains_key(*via)).collect();
    let problem = match of_event.len() {
        0 => Some("no case".to_owned()),
        1 if !missing.is_empty() => Some(format!("not delivered over {}", missing.join(" and "))),
        1 if delay.is_some_and(|delay| delay > event.deadline) => Some("too late".to_owned()),
        1 if confirmed_late => Some("not confirmed in time".to_owned()),
        1 => None,
        n => Some(format!("{n} cases")),
    };
    Row {
        kind: event.kind.to_string(),
        camera: event.camera.clone(),
        visible_at: event.visible_at,
        case_at,
        delay_s: delay.map(|delay| delay.as_secs_f64()),
        deadline_s: event.deadline.as_secs_f64(),
        confirmed_at,
        confirmed_s: confirmed.map(|took| took.as_secs_f64()),
        case_id,
        deliveries,
        ok: problem.is_none(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use citybrain_types::{BoundingBox, CameraId, CaseId, CaseState, IncidentId, Priority};

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(1_795_300_000_000 + secs * 1_000)
    }

    fn fire(camera: &str) -> Event {
        let deadline = Duration::from_secs(10);
        let confirm_within = Some(Duration::from_secs(30));
        let kind = EventKind::new("fire");
        Event { kind, camera: camera.into(), visible_at: at(20), deadline, confirm_within }
    }

    fn case(id: &str, camera: &str, seen: i64) -> Case {
        Case {
            id: CaseId::new(id).unwrap(),
            version: 1,
            incident: IncidentId::new(id).unwrap(),
            kind: EventKind::new("fire"),
            state: CaseState::Dispatched,
            priority: Priority::Immediate,
            camera: CameraId::new(camera).unwrap(),
            bbox: BoundingBox::WHOLE,
            position: None,
            score: 0.9,
            first_seen_at: at(seen),
            last_seen_at: at(seen),
            opened_at: at(seen),
            updated_at: at(seen),
            deadline_at: None,
            departments: vec![],
            snapshots: None,
        }
    }

    fn arrival(case: &str, via: &str, key: &str, secs: i64) -> Arrival {
        let event = Some(OPENED.to_owned());
        Arrival { case: case.into(), via: via.into(), key: key.into(), event, at: at(secs) }
    }

    #[test]
    fn one_case_in_time_over_both_channels_is_right() {
        let arrivals = [
            arrival("a", "webhook", "k1", 25),
            arrival("a", "mqtt", "k2", 26),
            arrival("a", "mqtt", "k2", 27),
        ];
        let rows = rows(&[fire("c1")], &[case("a", "c1", 22)], &arrivals);
        assert!(rows[0].ok, "{:?}", rows[0].problem);
        assert_eq!(rows[0].delay_s, Some(5.0));
        assert_eq!(rows[0].deliveries, BTreeMap::from([("webhook".into(), 1), ("mqtt".into(), 1)]));
    }

    #[test]
    fn a_second_case_a_missing_channel_and_a_late_word_are_each_wrong() {
        let both = |secs| [arrival("a", "webhook", "k1", secs), arrival("a", "mqtt", "k2", secs)];
        let twice = rows(&[fire("c1")], &[case("a", "c1", 22), case("b", "c1", 40)], &both(25));
        assert_eq!(twice[0].problem.as_deref(), Some("2 cases"));
        let missing = rows(&[fire("c1")], &[case("a", "c1", 22)], &both(25)[..1]);
        assert_eq!(missing[0].problem.as_deref(), Some("not delivered over mqtt"));
        let late = rows(&[fire("c1")], &[case("a", "c1", 22)], &both(31));
        assert_eq!(late[0].problem.as_deref(), Some("too late"));
        assert_eq!(rows(&[fire("c1")], &[], &[])[0].problem.as_deref(), Some("no case"));
    }

    #[test]
    fn an_alarm_that_nobody_was_told_is_confirmed_within_its_time_is_wrong() {
        let mut alarm = arrival("a", "webhook", "k1", 25);
        alarm.event = Some("citybrain.fire.pre_alarm".to_owned());
        let confirmed = |secs| [alarm.clone(), arrival("a", "mqtt", "k2", secs)];
        let row = |secs| rows(&[fire("c1")], &[case("a", "c1", 22)], &confirmed(secs)).remove(0);
        assert_eq!((row(40).ok, row(40).confirmed_s), (true, Some(20.0)));
        assert_eq!(row(51).problem.as_deref(), Some("not confirmed in time"));
    }

    #[test]
    fn a_case_of_a_quiet_camera_or_long_before_the_event_is_a_stray() {
        let cases = [case("a", "c1", 22), case("b", "c2", 22), case("c", "c1", 5)];
        let strays: Vec<&str> = strays(&[fire("c1")], &cases).iter().map(|case| case.id.as_str()).collect();
        assert_eq!(strays, ["b", "c"]);
    }
}
