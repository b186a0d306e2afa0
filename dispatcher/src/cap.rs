//! Confirmed fires as alerts of the Common Alerting Protocol 1.2.
//!
//! Format: <https://docs.oasis-open.org/emergency/cap/v1.2/CAP-v1.2-os.html>. The first alert about a case has the
//! case's id as its identifier and the moment it was opened as `sent`; later ones refer to it, so that a receiver can
//! tell which alert they update or cancel.

use citybrain_types::{Case, CaseState, EventKind, Timestamp};
use std::fmt::Write as _;
use url::Url;

/// Media type of an alert.
pub const CONTENT_TYPE: &str = "application/cap+xml";

/// Around a fire whose camera's position is known people are told within this, in kilometres.
const RADIUS_KM: f64 = 0.2;
/// An alert that is not updated is over after this many microseconds: a day.
const EXPIRES_AFTER_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

/// Whether a case is a fire that has been confirmed: only those are alerted of.
#[must_use]
pub fn is_confirmed_fire(case: &Case) -> bool {
    case.kind.as_str() == EventKind::FIRE && !matches!(case.state, CaseState::Reported | CaseState::Verifying)
}

/// The alert about a case as it stands. `sender` names this installation, `link` leads to the case, `picture`
/// to what was seen.
#[must_use]
pub fn alert(case: &Case, sender: &str, first: bool, link: &Url, picture: Option<&Url>) -> String {
    let sender = identifier(sender);
    let message = match case.state {
        CaseState::Void | CaseState::Linked => "Cancel",
        _ if first => "Alert",
        _ => "Update",
    };
    let name = if first { case.id.to_string() } else { format!("{}.{}", case.id, case.version) };
    let sent = if first { case.opened_at } else { case.updated_at };
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    xml.push_str("<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">\n");
    element(&mut xml, 1, "identifier", &name);
    element(&mut xml, 1, "sender", &sender);
    element(&mut xml, 1, "sent", &moment(sent));
    element(&mut xml, 1, "status", "Actual");
    element(&mut xml, 1, "msgType", message);
    element(&mut xml, 1, "scope", "Restricted");
    element(&mut xml, 1, "restriction", "departments of the city");
    if !first {
        element(&mut xml, 1, "references", &format!("{sender},{},{}", case.id, moment(case.opened_at)));
    }
    info(&mut xml, case, link, picture);
    xml.push_str("</alert>\n");
    xml
}

fn info(xml: &mut String, case: &Case, link: &Url, picture: Option<&Url>) {
    let is_over = matches!(case.state, CaseState::Closed | CaseState::Void | CaseState::Linked);
    xml.push_str("  <info>\n");
    element(xml, 2, "language", "en");
    element(xml, 2, "category", "Fire");
    element(xml, 2, "event", "Fire");
    element(xml, 2, "responseType", if is_over { "AllClear" } else { "Execute" });
    element(xml, 2, "urgency", if is_over { "Past" } else { "Immediate" });
    element(xml, 2, "severity", if is_over { "Minor" } else { "Severe" });
    element(xml, 2, "certainty", "Observed");
    element(xml, 2, "onset", &moment(case.first_seen_at));
    let expires = Timestamp::from_micros(case.updated_at.as_micros().saturating_add(EXPIRES_AFTER_MICROS));
    element(xml, 2, "expires", &moment(expires));
    let place = case.work.area.as_deref().unwrap_or("the city");
    element(xml, 2, "headline", &format!("Fire in {place}: {}", case.state));
    if let Some(camera) = &case.camera {
        element(
            xml,
            2,
            "description",
            &format!("Seen by camera {camera} since {}", moment(case.first_seen_at)),
        );
    }
    element(xml, 2, "web", link.as_str());
    if let Some(picture) = picture {
        xml.push_str("    <resource>\n");
        element(xml, 3, "resourceDesc", "Picture of the fire");
        element(xml, 3, "mimeType", "image/jpeg");
        element(xml, 3, "uri", picture.as_str());
        xml.push_str("    </resource>\n");
    }
    xml.push_str("    <area>\n");
    element(xml, 3, "areaDesc", place);
    if let Some([longitude, latitude]) = case.position {
        element(xml, 3, "circle", &format!("{latitude:.6},{longitude:.6} {RADIUS_KM}"));
    }
    xml.push_str("    </area>\n  </info>\n");
}

fn element(xml: &mut String, depth: usize, name: &str, text: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(xml, "{:indent$}<{name}>{}</{name}>", "", escaped(text), indent = 2 * depth);
}

/// Text as it may stand in an element: without what XML 1.0 cannot hold.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '"' => safe.push_str("&quot;"),
            '\t' | '\n' => safe.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// CAP wants names without spaces, commas, `<` and `&`, which other markup is written with.
fn identifier(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_whitespace() || matches!(c, ',' | '<' | '>' | '&' | '"') { '_' } else { c })
        .collect()
}

/// CAP wants an offset in figures, and whole seconds.
fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}+00:00", text.get(..19).unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::a_case;

    #[test]
    fn an_alert_an_update_and_a_cancellation_name_the_first_and_are_well_formed() {
        let mut case = a_case("gate-1");
        case.position = Some([121.5, 31.2]);
        case.work.area = Some("<quay> & dock".to_owned());
        let link = Url::parse("http://127.0.0.1:8080/cases/x").unwrap();
        assert!(!is_confirmed_fire(&case));
        case.state = CaseState::Dispatched;
        assert!(is_confirmed_fire(&case));
        let first = alert(&case, "city, brain", true, &link, None);
        for part in [
            "<identifier>fire-20261122-0123456789abcdef</identifier>",
            "<sender>city__brain</sender>",
            "<sent>2025-06-01T06:00:00+00:00</sent>",
            "<msgType>Alert</msgType>",
            "<areaDesc>&lt;quay&gt; &amp; dock</areaDesc>",
            "<circle>31.200000,121.500000 0.2</circle>",
        ] {
            assert!(first.contains(part), "{part} is not in\n{first}");
        }
        assert!(!first.contains("<references>"));
        case.version = 5;
        case.state = CaseState::Void;
        let last = alert(&case, "city, brain", false, &link, None);
        let reference =
            "<references>city__brain,fire-20261122-0123456789abcdef,2025-06-01T06:00:00+00:00</references>";
        assert!(last.contains(reference) && last.contains("<msgType>Cancel</msgType>"), "{last}");
        assert!(last.contains("<identifier>fire-20261122-0123456789abcdef.5</identifier>"));
    }

    /// What CAP 1.2 (section 3.2) allows in an element: its children in their order, each with how often it may stand, and
    /// the values that are enumerated.
    struct Rule {
        name: &'static str,
        at_least: usize,
        at_most: usize,
        values: &'static [&'static str],
    }

    const fn rule(
        name: &'static str,
        at_least: usize,
        at_most: usize,
        values: &'static [&'static str],
    ) -> Rule {
        Rule { name, at_least, at_most, values }
    }

    const MANY: usize = usize::MAX;
    const ALERT: &[Rule] = &[
        rule("identifier", 1, 1, &[]),
        rule("sender", 1, 1, &[]),
        rule("sent", 1, 1, &[]),
        rule("status", 1, 1, &["Actual", "Exercise", "System", "Test", "Draft"]),
        rule("msgType", 1, 1, &["Alert", "Update", "Cancel", "Ack", "Error"]),
        rule("source", 0, 1, &[]),
        rule("scope", 1, 1, &["Public", "Restricted", "Private"]),
        rule("restriction", 0, 1, &[]),
        rule("addresses", 0, 1, &[]),
        rule("code", 0, MANY, &[]),
        rule("note", 0, 1, &[]),
        rule("references", 0, 1, &[]),
        rule("incidents", 0, 1, &[]),
        rule("info", 0, MANY, &[]),
    ];
    const INFO: &[Rule] = &[
        rule("language", 0, 1, &[]),
        rule(
            "category",
            1,
            MANY,
            &[
                "Geo",
                "Met",
                "Safety",
                "Security",
                "Rescue",
                "Fire",
                "Health",
                "Env",
                "Transport",
                "Infra",
                "CBRNE",
                "Other",
            ],
        ),
        rule("event", 1, 1, &[]),
        rule(
            "responseType",
            0,
            MANY,
            &["Shelter", "Evacuate", "Prepare", "Execute", "Avoid", "Monitor", "Assess", "AllClear", "None"],
        ),
        rule("urgency", 1, 1, &["Immediate", "Expected", "Future", "Past", "Unknown"]),
        rule("severity", 1, 1, &["Extreme", "Severe", "Moderate", "Minor", "Unknown"]),
        rule("certainty", 1, 1, &["Observed", "Likely", "Possible", "Unlikely", "Unknown"]),
        rule("audience", 0, 1, &[]),
        rule("eventCode", 0, MANY, &[]),
        rule("effective", 0, 1, &[]),
        rule("onset", 0, 1, &[]),
        rule("expires", 0, 1, &[]),
        rule("senderName", 0, 1, &[]),
        rule("headline", 0, 1, &[]),
        rule("description", 0, 1, &[]),
        rule("instruction", 0, 1, &[]),
        rule("web", 0, 1, &[]),
        rule("contact", 0, 1, &[]),
        rule("parameter", 0, MANY, &[]),
        rule("resource", 0, MANY, &[]),
        rule("area", 0, MANY, &[]),
    ];
    const AREA: &[Rule] = &[
        rule("areaDesc", 1, 1, &[]),
        rule("polygon", 0, MANY, &[]),
        rule("circle", 0, MANY, &[]),
        rule("geocode", 0, MANY, &[]),
        rule("altitude", 0, 1, &[]),
        rule("ceiling", 0, 1, &[]),
    ];

    /// The children of an element: their names and what stands in them. Fails on what is not well-formed.
    fn children(inside: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut rest = inside.trim();
        while !rest.is_empty() {
            let after = rest.strip_prefix('<').unwrap_or_else(|| panic!("text between elements: {rest}"));
            let (name, after) = after.split_once('>').unwrap();
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "<{name}>");
            let (text, after) = after.split_once(&format!("</{name}>")).unwrap();
            found.push((name.to_owned(), text.to_owned()));
            rest = after.trim_start();
        }
        found
    }

    fn check(rules: &[Rule], inside: &str) -> Vec<(String, String)> {
        let all = children(inside);
        let order: Vec<usize> = all
            .iter()
            .map(|(name, _)| {
                let known = rules.iter().position(|rule| rule.name == name);
                known.unwrap_or_else(|| panic!("CAP knows no {name} here"))
            })
            .collect();
        assert!(order.is_sorted(), "elements out of order: {all:?}");
        for rule in rules {
            let of_it: Vec<_> = all.iter().filter(|(name, _)| name == rule.name).collect();
            assert!(
                (rule.at_least..=rule.at_most).contains(&of_it.len()),
                "{} of {}",
                of_it.len(),
                rule.name
            );
            for (_, text) in of_it.iter().filter(|_| !rule.values.is_empty()) {
                assert!(rule.values.contains(&text.as_str()), "{} is no {}", text, rule.name);
            }
        }
        all
    }

    /// `2025-06-01T06:00:00+00:00`: CAP wants an offset in figures, and takes no `Z`.
    fn is_moment(text: &str) -> bool {
        let form: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        matches!(form.as_str(), "0000-00-00T00:00:00+00:00" | "0000-00-00T00:00:00-00:00")
    }

    fn check_alert(xml: &str) {
        let inside = xml
            .strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")
            .and_then(|xml| xml.strip_prefix("<alert xmlns=\"urn:oasis:names:tc:emergency:cap:1.2\">"))
            .and_then(|xml| xml.trim_end().strip_suffix("</alert>"));
        let alert = check(ALERT, inside.unwrap());
        let text = |of: &[(String, String)], name: &str| {
            of.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone())
        };
        for name in ["identifier", "sender"] {
            let text = text(&alert, name).unwrap();
            assert!(!text.is_empty() && !text.contains([' ', ',', '<', '&']), "{name} is '{text}'");
        }
        assert!(is_moment(&text(&alert, "sent").unwrap()));
        assert_eq!(text(&alert, "scope").unwrap() == "Restricted", text(&alert, "restriction").is_some());
        let refers = text(&alert, "references");
        assert_eq!(text(&alert, "msgType").unwrap() == "Alert", refers.is_none());
        for reference in refers.iter().flat_map(|all| all.split(' ')) {
            let parts: Vec<_> = reference.split(',').collect();
            assert!(matches!(parts[..], [_, _, sent] if is_moment(sent)), "{reference}");
        }
        let info = check(INFO, &text(&alert, "info").unwrap());
        for name in ["effective", "onset", "expires"] {
            assert!(text(&info, name).is_none_or(|text| is_moment(&text)), "{name}");
        }
        assert!(text(&info, "web").is_none_or(|web| Url::parse(&web).is_ok()));
        let area = check(AREA, &text(&info, "area").unwrap());
        if let Some(circle) = text(&area, "circle") {
            let (point, radius) = circle.split_once(' ').unwrap();
            let numbers: Vec<f64> = point.split(',').chain([radius]).map(|n| n.parse().unwrap()).collect();
            assert!(
                matches!(numbers[..], [lat, lon, km] if lat.abs() <= 90.0 && lon.abs() <= 180.0 && km > 0.0)
            );
        }
    }

    #[test]
    fn every_alert_keeps_to_the_elements_order_and_values_of_cap_1_2() {
        let link = Url::parse("http://127.0.0.1:8080/cases/x?a=1&b=2").unwrap();
        for state in CaseState::ALL {
            for (position, camera, area) in
                [(Some([121.5, 31.2]), true, Some("<quay>, \"dock\" & 'pier'\u{1}\n")), (None, false, None)]
            {
                let mut case = a_case("gate-1");
                case.state = *state;
                case.position = position;
                case.camera = case.camera.filter(|_| camera);
                case.work.area = area.map(str::to_owned);
                case.version = 7;
                let first = !matches!(state, CaseState::Void | CaseState::Linked);
                for first in [first, false] {
                    let picture = case.position.is_some().then_some(&link);
                    check_alert(&alert(&case, "citybrain/<Test> & Harbour, 1", first, &link, picture));
                }
            }
        }
    }
}
