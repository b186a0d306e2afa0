//! `[console]` → [`ConsoleSettings`].

use super::Context;
use super::address::web_address;
use crate::raw::RawConsole;
use crate::resolved::{ConsoleSettings, Tiles};
use crate::row::Row;

/// What a browser fills in: zoom, column and row of a tile.
const PLACES: [&str; 3] = ["{z}", "{x}", "{y}"];

pub(super) fn console(row: &Row<'_, RawConsole>, context: &mut Context<'_>) -> ConsoleSettings {
    let Row { raw, place } = row;
    let Some(template) = &raw.tiles else {
        if raw.tiles_attribution.is_some() && !place.lost("tiles") {
            place.report(&mut context.problems, "tiles_attribution", "has no 'tiles' beside it");
        }
        return ConsoleSettings::default();
    };
    let missing: Vec<&str> = PLACES.into_iter().filter(|name| !template.contains(name)).collect();
    if !missing.is_empty() {
        let message = format!("has no {} in it", missing.join(" and no "));
        let suggestion = Some("write, for instance, https://tiles.example/{z}/{x}/{y}.png".to_owned());
        place.suggest(&mut context.problems, "tiles", message, suggestion);
        return ConsoleSettings::default();
    }
    // With numbers where the browser puts them, it is an address; its host may not depend on them.
    let filled = |number: &str| PLACES.iter().fold(template.clone(), |text, name| text.replace(name, number));
    let origin = match [web_address(&filled("1")), web_address(&filled("2"))] {
        [Ok(one), Ok(other)] if one.origin() == other.origin() => Some(one.origin().ascii_serialization()),
        [Ok(_), Ok(_)] => {
            let message = "names another host for each tile: the pages may ask one only";
            place.report(&mut context.problems, "tiles", message);
            None
        }
        [Err(fault), _] | [_, Err(fault)] => {
            place.suggest(&mut context.problems, "tiles", &fault.message, fault.suggestion);
            None
        }
    };
    if raw.tiles_attribution.is_none() && !place.lost("tiles_attribution") {
        let message = "need 'tiles_attribution' beside them: who made them, as their licence wants it said";
        place.report(&mut context.problems, "tiles", message);
    }
    let tiles = origin.zip(raw.tiles_attribution.clone());
    let tiles = tiles.map(|(origin, attribution)| Tiles { template: template.clone(), origin, attribution });
    ConsoleSettings { tiles }
}
