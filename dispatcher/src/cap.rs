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

/// The alert about a case as it stands. `sender` names this installation, `link` leads to the case.
#[must_use]
pub fn alert(case: &Case, sender: &str, first: bool, link: &Url) -> String {
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
    info(&mut xml, case, link);
    xml.push_str("</alert>\n");
    xml
}

fn info(xml: &mut String, case: &Case, link: &Url) {
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

/// CAP wants names without spaces, commas, `<` and `&`.
fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_whitespace() || matches!(c, ',' | '<' | '&') { '_' } else { c }).collect()
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
        let first = alert(&case, "city, brain", true, &link);
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
        let last = alert(&case, "city, brain", false, &link);
        let reference =
            "<references>city__brain,fire-20261122-0123456789abcdef,2025-06-01T06:00:00+00:00</references>";
        assert!(last.contains(reference) && last.contains("<msgType>Cancel</msgType>"), "{last}");
        assert!(last.contains("<identifier>fire-20261122-0123456789abcdef.5</identifier>"));
    }
}
