//! What people and other systems tell: checked, joined to the case it belongs to, or opened as one.

use super::action::Refused;
use super::desk::Changed;
use super::file::SYSTEM;
use super::join::raised;
use super::state::{self, Because};
use super::{clocks, routing};
use crate::envelope::EventType;
use citybrain_ingest_config::City;
use citybrain_types::{
    BoundingBox, Case, CaseId, CaseState, Casework, EventKind, IncidentId, Priority, SnapshotRef, Source,
    Timestamp,
};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Longest description, in characters.
pub const MAX_DESCRIPTION: usize = 2_000;
/// Most photos of one report, and kept with one case.
pub const MAX_PHOTOS: usize = 8;
/// Radius of the earth, in metres.
const EARTH_METRES: f64 = 6_371_000.0;

/// A report, as it is taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What kind of event.
    pub kind: EventKind,
    /// Who or what tells.
    pub source: Source,
    /// By what name; 1 to 100 characters in one line.
    pub by: String,
    /// Who has sent it in, where that is known; the trail has this name then.
    pub sent_by: Option<String>,
    /// In words; at most [`MAX_DESCRIPTION`] characters.
    pub description: String,
    /// Longitude and latitude in degrees (WGS 84).
    pub position: Option<[f64; 2]>,
    /// Area, where the position does not tell.
    pub area: Option<String>,
    /// Its photos, written already.
    pub photos: Vec<SnapshotRef>,
}

/// The report's case, and whether it joined one that was open. `open` are the open cases of its kind.
///
/// # Errors
/// [`Refused::Invalid`] with what is wrong with the report.
pub(super) fn taken(
    city: &City,
    open: &[Case],
    report: &Report,
    at: Timestamp,
) -> Result<(Changed, bool), Refused> {
    check(city, report)?;
    let within = city.cases.limits.join_within_metres;
    let distance = |case: &Case| Some(metres(case.position?, report.position?));
    let near = open.iter().filter(|case| case.kind == report.kind);
    let near = near.filter_map(|case| Some((distance(case)?, case))).filter(|(metres, _)| *metres <= within);
    match near.min_by(|(a, _), (b, _)| a.total_cmp(b)) {
        Some((metres, case)) => Ok((join(case, report, metres, at), true)),
        None => Ok((begin(city, report, at)?, false)),
    }
}

/// What is wrong with a report; also asked before its photos are written.
pub(crate) fn check(city: &City, report: &Report) -> Result<(), Refused> {
    let invalid = |what: String| Err(Refused::Invalid(what));
    if report.source == Source::Camera {
        return invalid("'source' cannot be 'camera': cameras are seen for themselves".to_owned());
    }
    if !city.kinds.contains_key(&report.kind) {
        let known = city.kinds.keys().map(EventKind::as_str).collect::<Vec<_>>().join(", ");
        return invalid(format!("there is no such 'kind'; use one of {known}"));
    }
    let by = report.by.trim();
    if by.is_empty() || report.by.chars().count() > 100 || report.by.chars().any(char::is_control) {
        return invalid("'by' is not a name of 1 to 100 characters in one line".to_owned());
    }
    if report.description.chars().count() > MAX_DESCRIPTION {
        return invalid(format!("'description' is longer than {MAX_DESCRIPTION} characters"));
    }
    let is_hidden = |c: char| {
        // Control characters, and those that turn the direction of text or hide in it.
        (c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    if report.description.chars().any(is_hidden) {
        return invalid("'description' holds characters that cannot be seen".to_owned());
    }
    let on_earth = |[lon, lat]: [f64; 2]| (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat);
    match (report.position, &report.area) {
        (Some(position), _) if !on_earth(position) => {
            return invalid("'position' is not on earth: send [longitude, latitude]".to_owned());
        }
        (None, None) => return invalid("a report needs a 'position' or an 'area'".to_owned()),
        (None, Some(area)) if !is_known(city, area) => {
            return invalid("there is no such 'area', and no 'position' that tells where it is".to_owned());
        }
        _ => {}
    }
    if report.photos.len() > MAX_PHOTOS {
        return invalid(format!("at most {MAX_PHOTOS} photos are taken"));
    }
    Ok(())
}

fn is_known(city: &City, area: &str) -> bool {
    city.cases.areas.contains_key(area)
        || city.cameras.values().any(|camera| camera.area.as_deref() == Some(area))
}

fn signature(report: &Report) -> String {
    report.sent_by.as_ref().unwrap_or(&report.by).clone()
}

fn seen(report: &Report) -> serde_json::Value {
    json!({
        "source": report.source,
        "by": report.by,
        "description": report.description,
        "position": report.position,
        "area": report.area,
        "photos": report.photos,
    })
}

fn join(case: &Case, report: &Report, metres: f64, at: Timestamp) -> Changed {
    let mut case = case.clone();
    case.work.reports = case.work.reports.saturating_add(1);
    case.priority = raised(&case);
    let room = MAX_PHOTOS.saturating_sub(case.work.photos.len());
    case.work.photos.extend(report.photos.iter().take(room).cloned());
    let because = Because {
        at,
        by: signature(report),
        reason: format!("told by {} too, {metres:.0} m away", report.source),
        seen: seen(report).to_string(),
    };
    let change = state::note(&mut case, "join", because);
    Changed::told(case, vec![change], EventType::CaseUpdated)
}

fn begin(city: &City, report: &Report, at: Timestamp) -> Result<Changed, Refused> {
    let id = id(report, at);
    let incident = IncidentId::new(&id).map_err(|error| Refused::Invalid(error.to_string()))?;
    let by_position = || city.cases.area_at(report.position?).map(str::to_owned);
    let area = report.area.clone().filter(|area| is_known(city, area)).or_else(by_position);
    let kind = city.kinds.get(&report.kind);
    let at_once = kind.is_some_and(|kind| kind.pre_alarm);
    let mut case = Case {
        id: CaseId::new(&id).map_err(|error| Refused::Invalid(error.to_string()))?,
        version: 1,
        incident,
        kind: report.kind.clone(),
        state: CaseState::Reported,
        priority: if at_once { Priority::Immediate } else { Priority::Normal },
        camera: None,
        bbox: BoundingBox::WHOLE,
        position: report.position,
        score: 0.0,
        first_seen_at: at,
        last_seen_at: at,
        opened_at: at,
        updated_at: at,
        deadline_at: kind.map(|kind| at.plus(kind.handle_within)),
        departments: vec![],
        snapshots: None,
        work: Casework {
            source: report.source,
            area,
            description: Some(report.description.clone()).filter(|text| !text.trim().is_empty()),
            photos: report.photos.clone(),
            ..Casework::default()
        },
    };
    clocks::settle(city, &mut case, at);
    let because = Because {
        at,
        by: signature(report),
        reason: format!("told by {}", report.source),
        seen: seen(report).to_string(),
    };
    let mut changes = vec![state::begin(&case, because)];
    if at_once {
        // A fire is not first verified: whoever goes there will see.
        case.departments = routing::departments(city, &case.kind, case.work.area.as_deref(), at);
        for (to, reason) in [
            (CaseState::Filed, "what is told of at once is on file at once"),
            (CaseState::Dispatched, "handed over by the routes"),
        ] {
            let because =
                Because { at, by: SYSTEM.to_owned(), reason: reason.to_owned(), seen: "{}".to_owned() };
            changes.push(state::advance(&mut case, to, because)?);
            clocks::settle(city, &mut case, at);
        }
    }
    Ok(Changed::told(case, changes, EventType::CaseOpened))
}

/// `<kind>-<day>-<hash>` of what was told and when.
fn id(report: &Report, at: Timestamp) -> String {
    let mut id: String =
        report.kind.as_str().chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').take(24).collect();
    id.push('-');
    id.extend(at.to_string().chars().take_while(|c| *c != 'T').filter(char::is_ascii_digit).take(8));
    id.push('-');
    let told = format!("{}\n{}\n{:?}\n{:?}", report.by, report.description, report.position, at.as_micros());
    for byte in Sha256::digest(told.as_bytes()).iter().take(8) {
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// Distance on the ground between two positions, longitude and latitude in degrees, by the haversine formula.
fn metres([lon, lat]: [f64; 2], [other_lon, other_lat]: [f64; 2]) -> f64 {
    let (a, b) = (lat.to_radians(), other_lat.to_radians());
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let h = half(other_lat - lat) + a.cos() * b.cos() * half(other_lon - lon);
    2.0 * EARTH_METRES * h.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::a_case;
    use crate::testing::city::{START, city};
    use std::path::Path;

    fn report() -> Report {
        Report {
            kind: EventKind::new("littering"),
            source: Source::Hotline,
            by: "12345".to_owned(),
            sent_by: None,
            description: "bags beside the bin".to_owned(),
            position: Some([121.5, 31.2]),
            area: None,
            photos: vec![],
        }
    }

    fn open_case(kind: &str, lon: f64) -> Case {
        let mut case = a_case("gate-1");
        case.kind = EventKind::new(kind);
        case.state = CaseState::Dispatched;
        case.priority = Priority::Normal;
        case.position = Some([lon, 31.2]);
        case
    }

    #[test]
    fn a_report_joins_the_nearest_open_case_of_its_kind_and_raises_it() {
        let city = city(Path::new("/tmp"));
        // 0.0005 degrees of longitude are about 48 m here.
        let open =
            [open_case("fire", 121.5), open_case("littering", 121.5005), open_case("littering", 121.6)];
        let (changed, joined) = taken(&city, &open, &report(), START).unwrap();
        assert!(joined);
        assert_eq!((changed.case.work.reports, changed.case.priority), (1, Priority::Urgent));
        assert_eq!(changed.changes[0].action, "join");
        let far = [open_case("littering", 121.502)];
        let (changed, joined) = taken(&city, &far, &report(), START).unwrap();
        assert!(!joined);
        assert_eq!((changed.case.state, changed.case.camera), (CaseState::Reported, None));
        assert!(changed.case.id.as_str().starts_with("littering-20250601-"));
    }

    #[test]
    fn a_fire_that_is_told_of_goes_to_its_departments_at_once() {
        let city = city(Path::new("/tmp"));
        let report = Report { kind: EventKind::new("fire"), ..report() };
        let (changed, _) = taken(&city, &[], &report, START).unwrap();
        assert_eq!((changed.case.state, changed.changes.len()), (CaseState::Dispatched, 3));
        assert_eq!(changed.case.departments[0].as_str(), "brigade");
    }

    #[test]
    fn reports_that_cannot_be_are_refused_with_the_reason() {
        let city = city(Path::new("/tmp"));
        for (bad, word) in [
            (Report { kind: EventKind::new("flood"), ..report() }, "kind"),
            (Report { source: Source::Camera, ..report() }, "source"),
            (Report { by: String::new(), ..report() }, "by"),
            (Report { by: "a\nb".to_owned(), ..report() }, "by"),
            (Report { description: "x".repeat(2_001), ..report() }, "description"),
            (Report { description: "right \u{202e}left".to_owned(), ..report() }, "description"),
            (Report { description: "bell \u{7}".to_owned(), ..report() }, "description"),
            (Report { position: Some([31.2, 121.5]), ..report() }, "position"),
            (Report { position: Some([f64::NAN, 0.0]), ..report() }, "position"),
            (Report { position: None, ..report() }, "area"),
            (Report { position: None, area: Some("atlantis".to_owned()), ..report() }, "area"),
        ] {
            let Err(Refused::Invalid(why)) = taken(&city, &[], &bad, START) else { panic!("{bad:?}") };
            assert!(why.contains(word), "{why}");
        }
        // A script is text: it is kept as it stands, and escaped wherever it is shown.
        let script = Report { description: "<script>alert(1)</script>".to_owned(), ..report() };
        let (changed, _) = taken(&city, &[], &script, START).unwrap();
        assert_eq!(changed.case.work.description.as_deref(), Some("<script>alert(1)</script>"));
    }
}
