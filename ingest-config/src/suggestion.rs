//! What was meant: the known name nearest to an unknown one.

/// Names longer than this are not compared: nobody mistypes that much, and the cost is quadratic.
const MAX_COMPARED: usize = 64;

/// The units a key may end in.
pub(crate) const UNITS: &[(&str, &str)] = &[
    ("_secs", "seconds"),
    ("_ms", "milliseconds"),
    ("_minutes", "minutes"),
    ("_hours", "hours"),
    ("_bytes", "bytes"),
    ("_px", "pixels"),
    ("_metres", "metres"),
    ("_deg", "degrees"),
    ("_m", "metres"),
    ("_per_second", "per second"),
    ("_percent", "percent"),
];

/// Other words for a key, as other systems have them.
const OTHER_WORDS: &[(&str, &str)] = &[
    ("address", "url"),
    ("uri", "url"),
    ("stream", "url"),
    ("source", "url"),
    ("username", "user"),
    ("login", "user"),
    ("folder", "dir"),
    ("directory", "dir"),
    ("path", "dir"),
    ("location", "position"),
    ("coordinates", "position"),
    ("mask", "ignore"),
];

/// A known name that was probably meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Meant<'a> {
    /// The known name.
    pub name: &'a str,
    /// Whether the value can be taken as it stands: false when the unit is another.
    pub same_unit: bool,
}

/// The known name nearest to `unknown`, by edit distance, or by its stem when only the unit differs.
pub(crate) fn nearest<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<Meant<'a>> {
    if unknown.len() > MAX_COMPARED {
        return None;
    }
    let unknown = normal(unknown);
    let known: Vec<&str> = known.into_iter().collect();
    let near =
        known.iter().filter_map(|name| distance(&unknown, &normal(name)).map(|edits| (edits, *name))).min();
    let other_word = || {
        let meant =
            |word: &str, key: &str| Some((distance(&unknown, word)?, *known.iter().find(|n| **n == key)?));
        OTHER_WORDS.iter().filter_map(|(word, key)| meant(word, key)).min()
    };
    let (_, name) = near.or_else(other_word)?;
    Some(Meant { name, same_unit: unit(&unknown) == unit(name) || !has_unit(name) })
}

/// `did you mean '…'?` for the nearest known name.
pub(crate) fn did_you_mean<'a>(unknown: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    nearest(unknown, known).map(|meant| format!("did you mean '{}'?", meant.name))
}

/// A text from a file, made safe to show: no control characters, not endless.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_COMPARED).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_COMPARED).is_some() {
        shown.push('…');
    }
    shown.replace("\\'", "'")
}

/// Edits from one to the other where that is few enough for a slip of the keyboard.
fn distance(unknown: &str, name: &str) -> Option<usize> {
    let edits = strsim::osa_distance(unknown, name);
    let allowed = (name.chars().count().max(unknown.chars().count()) / 3).max(1);
    if edits <= allowed && edits < name.chars().count() {
        return Some(edits);
    }
    // A stem without its unit, or with another one, is a nearer relative than any slip.
    (has_unit(name) && stem(unknown) == stem(name)).then_some(1)
}

fn normal(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

fn unit(name: &str) -> &str {
    UNITS.iter().find(|(suffix, _)| name.ends_with(suffix)).map_or("", |(suffix, _)| suffix)
}

fn has_unit(name: &str) -> bool {
    !unit(name).is_empty()
}

fn stem(name: &str) -> &str {
    name.strip_suffix(unit(name)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_a_stranger_is_not() {
        let known = ["address", "name", "timeout_ms", "url"];
        assert_eq!(nearest("adress", known).unwrap().name, "address");
        assert_eq!(nearest("Name", known).unwrap().name, "name");
        assert_eq!(nearest("ulr", known).unwrap().name, "url");
        assert_eq!(nearest("uri", known).unwrap().name, "url");
        assert_eq!(nearest("adress", ["id", "url"]).unwrap().name, "url");
        assert_eq!(nearest("colour", known), None);
        assert_eq!(nearest("x", known), None);
        assert_eq!(nearest(&"n".repeat(1000), known), None);
    }

    #[test]
    fn a_key_with_another_unit_is_named_but_its_value_is_not_taken() {
        let known = ["timeout_ms", "deadline_secs"];
        assert_eq!(nearest("timeout", known), Some(Meant { name: "timeout_ms", same_unit: false }));
        assert_eq!(nearest("deadline_ms", known), Some(Meant { name: "deadline_secs", same_unit: false }));
        assert_eq!(nearest("deadlin_secs", known), Some(Meant { name: "deadline_secs", same_unit: true }));
    }

    #[test]
    fn what_is_shown_has_no_control_characters_and_an_end() {
        assert_eq!(shown("a\u{1b}[31m"), "a\\u{1b}[31m");
        assert!(shown(&"x".repeat(500)).chars().count() <= 65);
    }
}
