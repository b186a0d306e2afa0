//! Outlines of parts of the picture: at least three corners inside it, an area, and no crossing of itself.

use citybrain_types::Polygon;

/// More corners than a person draws; the check for crossings is quadratic.
const MAX_CORNERS: usize = 256;

/// An outline from its corners, in fractions of the picture.
///
/// # Errors
/// What is wrong, continuing the sentence `polygon 1 of …`.
pub(super) fn polygon(corners: &[[f64; 2]]) -> Result<Polygon, String> {
    if corners.len() > MAX_CORNERS {
        return Err(format!("has {} corners; at most {MAX_CORNERS} are taken", corners.len()));
    }
    let checked = Polygon::new(corners.iter().map(|corner| corner.map(|c| c as f32)).collect());
    let polygon = checked.map_err(|error| format!("cannot be used: {error}"))?;
    if let Some((one, other)) = crossing(corners) {
        return Err(format!(
            "crosses itself: its side after corner {one} meets the side after corner {other}"
        ));
    }
    if area(corners).abs() < 1e-9 {
        return Err("has no area".to_owned());
    }
    Ok(polygon)
}

/// Most corners of an outline on the map.
const MAX_MAP_CORNERS: usize = 2_000;

/// Checks an outline on the map, corners as longitude and latitude in degrees.
///
/// # Errors
/// What is wrong, continuing the sentence `'outline' in …`.
pub(super) fn outline(corners: &[[f64; 2]]) -> Result<(), String> {
    if corners.len() > MAX_MAP_CORNERS {
        return Err(format!("has {} corners; at most {MAX_MAP_CORNERS} are taken", corners.len()));
    }
    let on_earth = |[lon, lat]: &[f64; 2]| (-180.0..=180.0).contains(lon) && (-90.0..=90.0).contains(lat);
    if let Some(index) = corners.iter().position(|corner| !on_earth(corner)) {
        return Err(format!("has a corner {} that is not on earth: write [longitude, latitude]", index + 1));
    }
    if let Some((one, other)) = crossing(corners) {
        return Err(format!(
            "crosses itself: its side after corner {one} meets the side after corner {other}"
        ));
    }
    if area(corners).abs() < 1e-14 {
        return Err("has no area".to_owned());
    }
    Ok(())
}

/// Twice the signed area, by the shoelace formula.
fn area(corners: &[[f64; 2]]) -> f64 {
    sides(corners).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum()
}

fn sides(corners: &[[f64; 2]]) -> impl Iterator<Item = ([f64; 2], [f64; 2])> + Clone + '_ {
    let next = corners.iter().cycle().skip(1);
    corners.iter().zip(next).map(|(a, b)| (*a, *b))
}

/// The first two sides that cross, counted from 1.
fn crossing(corners: &[[f64; 2]]) -> Option<(usize, usize)> {
    sides(corners).enumerate().find_map(|(i, (a, b))| {
        let later = sides(corners).enumerate().skip(i + 1);
        later
            .filter(|(j, _)| !(i == 0 && j + 1 == corners.len()))
            .find_map(|(j, (c, d))| cross(a, b, c, d).then_some((i + 1, j + 1)))
    })
}

/// Whether two segments cross at a point that is inside both; neighbours that share a corner do not.
fn cross(a: [f64; 2], b: [f64; 2], c: [f64; 2], d: [f64; 2]) -> bool {
    let side =
        |p: [f64; 2], q: [f64; 2], r: [f64; 2]| (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0]);
    side(a, b, c) * side(a, b, d) < 0.0 && side(c, d, a) * side(c, d, b) < 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_that_crosses_itself_or_has_no_area_is_refused() {
        let bow_tie = [[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]];
        assert_eq!(
            polygon(&bow_tie).unwrap_err(),
            "crosses itself: its side after corner 1 meets the side after corner 3"
        );
        let flat = [[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]];
        assert_eq!(polygon(&flat).unwrap_err(), "has no area");
    }

    #[test]
    fn squares_and_concave_outlines_are_taken_in_either_direction() {
        let mut l_shape = vec![[0.0, 0.0], [1.0, 0.0], [1.0, 0.4], [0.4, 0.4], [0.4, 1.0], [0.0, 1.0]];
        assert!(polygon(&l_shape).is_ok());
        l_shape.reverse();
        assert!(polygon(&l_shape).is_ok());
    }
}
