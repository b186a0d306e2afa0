//! What a camera looks at on the map: `mast`, `heading_deg` and what goes with it, `ground` → [`View`].

use super::Context;
use crate::raw::RawCamera;
use crate::resolved::{Field, Ground, View};
use crate::row::Row;

const WIDTH_DEG: f64 = 60.0;
const REACH_M: f64 = 60.0;
/// Three points whose triangle is smaller than this share of the picture lie in a line.
const SMALLEST_TRIANGLE: f64 = 1e-4;

pub(super) fn view(row: &Row<'_, RawCamera>, context: &mut Context<'_>) -> View {
    let Row { raw, place } = row;
    for key in ["field_of_view_deg", "reach_m"] {
        if place.has(key) && raw.heading_deg.is_none() && !place.lost("heading_deg") {
            place.report(&mut context.problems, key, "says nothing without 'heading_deg'");
        }
    }
    if raw.heading_deg.is_some() && raw.position.is_none() && !place.lost("position") {
        place.report(&mut context.problems, "heading_deg", "says nothing without 'position'");
    }
    let field = raw.heading_deg.map(|heading_deg| Field {
        heading_deg,
        width_deg: raw.field_of_view_deg.unwrap_or(WIDTH_DEG),
        reach_m: raw.reach_m.unwrap_or(REACH_M),
    });
    let ground = raw.ground.as_deref().and_then(|points| match ground(points) {
        Ok(ground) => Some(ground),
        Err(_) if place.lost("ground") => None,
        Err(fault) => {
            place.report(&mut context.problems, "ground", fault);
            None
        }
    });
    View { mast: raw.mast.clone(), field, ground }
}

/// # Errors
/// What is wrong, continuing the sentence `'ground' in …`.
fn ground(points: &[[f64; 4]]) -> Result<Ground, String> {
    let Ok(points) = <[[f64; 4]; 4]>::try_from(points) else {
        return Err(format!("has {} points; four are needed", points.len()));
    };
    for (i, [x, y, longitude, latitude]) in points.iter().enumerate() {
        if ![x, y].iter().all(|edge| (0.0..=1.0).contains(*edge)) {
            return Err(format!("is wrong: point {} lies outside the picture", i + 1));
        }
        if longitude.abs() > 180.0
            || latitude.abs() > 90.0
            || !(longitude.is_finite() && latitude.is_finite())
        {
            return Err(format!("is wrong: point {} is no place on earth; longitude comes first", i + 1));
        }
    }
    let ground =
        Ground { picture: points.map(|[x, y, ..]| [x, y]), map: points.map(|[.., lon, lat]| [lon, lat]) };
    for left_out in 0..4 {
        let corner = |points: &[[f64; 2]; 4], n: usize| points[(left_out + n) % 4];
        let twice = |points: &[[f64; 2]; 4]| {
            let ([ax, ay], [bx, by], [cx, cy]) = (corner(points, 1), corner(points, 2), corner(points, 3));
            ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)).abs()
        };
        // On the map the same in square degrees: a triangle of a square metre has 1e-10.
        if twice(&ground.picture) < SMALLEST_TRIANGLE || twice(&ground.map) < 1e-10 {
            return Err("is wrong: three of its points lie in a line".to_owned());
        }
    }
    Ok(ground)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [[f64; 4]; 4] = [
        [0.0, 1.0, 121.5, 31.2],
        [1.0, 1.0, 121.5001, 31.2],
        [1.0, 0.5, 121.5004, 31.2004],
        [0.0, 0.5, 121.4997, 31.2004],
    ];

    #[test]
    fn four_points_are_taken_and_fewer_or_three_in_a_line_are_not() {
        assert!(ground(&GOOD).is_ok());
        assert!(ground(&GOOD[..3]).unwrap_err().contains("four are needed"));
        let mut line = GOOD;
        line[2] = [0.5, 1.0, 121.5004, 31.2004];
        assert!(ground(&line).unwrap_err().contains("in a line"));
        line[2] = [1.2, 0.5, 121.5, 31.2];
        assert!(ground(&line).unwrap_err().contains("outside the picture"));
    }
}
