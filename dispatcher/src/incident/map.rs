//! Where on the map a sighting lies.
//!
//! Design decision: whole millimetres on a plane that touches the earth in the middle of the city, and a square grid
//! whose cells are as wide as the search is far, so that nine cells hold every candidate. H3's cells come in fixed sizes,
//! seven times larger from one to the next, and none fits the distances of a kind; a plane is exact to a thousandth over
//! a hundred kilometres. Sine and cosine are sums of products, which IEEE 754 defines to the last bit: a replay on
//! another machine places everything alike.

use citybrain_ingest_config::City;
use citybrain_ingest_config::resolved::{Camera, Field, Ground};
use citybrain_types::BoundingBox;

/// Metres in a degree of latitude (WGS 84, middle latitudes).
const METRES_PER_DEGREE: f64 = 111_195.0;
/// No point lies further from the middle of the city than this, in millimetres: half of the earth's circumference.
const FARTHEST_MM: f64 = 2.1e10;
/// What a camera's field holds lies in the middle of it.
const MIDDLE: f64 = 0.5;

/// A place on the plane of the city, in millimetres east and north of its middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Located {
    /// East.
    pub east_mm: i64,
    /// North.
    pub north_mm: i64,
}

impl Located {
    /// Square of the distance, in square millimetres; saturates.
    #[must_use]
    pub const fn distance_squared(self, other: Self) -> i64 {
        let (x, y) = (self.east_mm - other.east_mm, self.north_mm - other.north_mm);
        x.saturating_mul(x).saturating_add(y.saturating_mul(y))
    }

    /// Whether `other` lies within so many millimetres.
    #[must_use]
    pub const fn is_within(self, other: Self, distance_mm: i64) -> bool {
        self.distance_squared(other) <= distance_mm.saturating_mul(distance_mm)
    }

    /// The distance in metres, for people.
    #[must_use]
    pub fn metres_to(self, other: Self) -> f64 {
        // To the centimetre.
        ((self.distance_squared(other) as f64).sqrt() / 10.0).round() / 100.0
    }

    /// The cell of a grid of squares.
    #[must_use]
    pub const fn cell(self, side_mm: i64) -> (i64, i64) {
        let side = if side_mm < 1 { 1 } else { side_mm };
        (self.east_mm.div_euclid(side), self.north_mm.div_euclid(side))
    }
}

/// The plane that touches the earth in the middle of a city.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plane {
    longitude: f64,
    latitude: f64,
    narrower: f64,
}

impl Plane {
    /// Touches the earth at a position, given as longitude and latitude in degrees.
    #[must_use]
    pub fn at([longitude, latitude]: [f64; 2]) -> Self {
        Self { longitude, latitude, narrower: cosine(latitude).max(1e-3) }
    }

    /// The plane of a city: it touches the earth where the camera stands that comes first by its id.
    #[must_use]
    pub fn of(city: &City) -> Option<Self> {
        city.cameras.values().find_map(|camera| camera.position).map(Self::at)
    }

    /// A position on the plane; longitude and latitude in degrees.
    #[must_use]
    pub fn put(&self, [longitude, latitude]: [f64; 2]) -> Located {
        let mm = |degrees: f64| {
            let mm = degrees * METRES_PER_DEGREE * 1_000.0;
            // `as` is exact below 2^53 and maps what is no number to 0.
            mm.clamp(-FARTHEST_MM, FARTHEST_MM).round() as i64
        };
        let mut east = longitude - self.longitude;
        if east > 180.0 {
            east -= 360.0;
        } else if east < -180.0 {
            east += 360.0;
        }
        Located { east_mm: mm(east * self.narrower), north_mm: mm(latitude - self.latitude) }
    }

    /// Longitude and latitude of a place, in degrees.
    #[must_use]
    pub fn position(&self, place: Located) -> [f64; 2] {
        let degrees = |mm: i64| mm as f64 / (METRES_PER_DEGREE * 1_000.0);
        [self.longitude + degrees(place.east_mm) / self.narrower, self.latitude + degrees(place.north_mm)]
    }

    /// Where on the map what is seen at a place of a camera's picture stands: by the surveyed ground, else in the middle
    /// of its field of view, else where the camera stands.
    #[must_use]
    pub fn locate(&self, camera: &Camera, place: &BoundingBox) -> Option<Located> {
        if let Some(ground) = &camera.view.ground {
            let foot = [f64::from(place.center().0), f64::from(place.bottom())];
            if let Some(position) = on_ground(ground, foot) {
                return Some(self.put(position));
            }
        }
        let stands = self.put(camera.position?);
        Some(match &camera.view.field {
            Some(field) => in_field(stands, field, f64::from(place.center().0)),
            None => stands,
        })
    }
}

fn in_field(stands: Located, field: &Field, x: f64) -> Located {
    let bearing = (x - 0.5).mul_add(field.width_deg, field.heading_deg);
    let far = field.reach_m * MIDDLE * 1_000.0;
    Located {
        east_mm: stands.east_mm + (far * cosine(90.0 - bearing)).round() as i64,
        north_mm: stands.north_mm + (far * cosine(bearing)).round() as i64,
    }
}

/// The cosine of an angle in degrees, by its series: exact to 1e-11.
fn cosine(degrees: f64) -> f64 {
    let turned = degrees - 360.0 * (degrees / 360.0).round();
    let x = turned * (std::f64::consts::PI / 180.0);
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..=13_u32 {
        let n = f64::from(2 * n);
        term = -term * x * x / (n * (n - 1.0));
        sum += term;
    }
    sum
}

/// Where a point of the picture lies, by the projection that four known points fix; `None` for a point that is not on
/// the ground, at or above the horizon.
fn on_ground(ground: &Ground, [x, y]: [f64; 2]) -> Option<[f64; 2]> {
    // Around the first point, so that small differences of large numbers are not what is computed with.
    let [lon, lat] = ground.map[0];
    let h = projection(ground, [lon, lat])?;
    let w = h[6] * x + h[7] * y + 1.0;
    // On the same side of the horizon as the points that were surveyed.
    let [px, py] = ground.picture[0];
    let side = h[6] * px + h[7] * py + 1.0;
    if w * side <= 0.0 || w.abs() < 1e-9 {
        return None;
    }
    let found = [(h[0] * x + h[1] * y + h[2]) / w + lon, (h[3] * x + h[4] * y + h[5]) / w + lat];
    (found[0].is_finite() && found[1].is_finite()).then_some(found)
}

/// The eight numbers of the projection, by elimination with the largest pivot.
fn projection(ground: &Ground, [lon, lat]: [f64; 2]) -> Option<[f64; 8]> {
    let mut rows = [[0.0_f64; 9]; 8];
    for (i, ([x, y], [u, v])) in ground.picture.iter().zip(&ground.map).enumerate() {
        let (u, v) = (u - lon, v - lat);
        rows[2 * i] = [*x, *y, 1.0, 0.0, 0.0, 0.0, -x * u, -y * u, u];
        rows[2 * i + 1] = [0.0, 0.0, 0.0, *x, *y, 1.0, -x * v, -y * v, v];
    }
    for column in 0..8 {
        let pivot = (column..8).max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        if rows[pivot][column].abs() < 1e-15 {
            return None;
        }
        rows.swap(column, pivot);
        let lead = rows[column];
        for (_, row) in rows.iter_mut().enumerate().filter(|(i, _)| *i != column) {
            let factor = row[column] / lead[column];
            row.iter_mut().zip(&lead).for_each(|(cell, above)| *cell -= factor * above);
        }
    }
    let mut solved = [0.0; 8];
    for (i, row) in rows.iter().enumerate() {
        solved[i] = row[8] / row[i];
    }
    Some(solved)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: [f64; 2] = [121.5, 31.2];

    #[test]
    fn a_position_comes_back_to_the_centimetre_and_distances_are_those_of_the_earth() {
        let plane = Plane::at(HERE);
        let there = [121.51, 31.21];
        let put = plane.put(there);
        let back = plane.position(put);
        assert!((back[0] - there[0]).abs() < 1e-7 && (back[1] - there[1]).abs() < 1e-7, "{back:?}");
        // A hundredth of a degree: 1112 m north, 951 m east at this latitude.
        assert!((put.north_mm - 1_112_000).abs() < 2_000 && (put.east_mm - 951_000).abs() < 2_000, "{put:?}");
        assert!((plane.put(HERE).metres_to(put) - 1_463.0).abs() < 3.0);
    }

    #[test]
    fn the_cosine_is_that_of_the_standard_library() {
        for degrees in -800..800 {
            let degrees = f64::from(degrees) * 1.3;
            assert!((cosine(degrees) - degrees.to_radians().cos()).abs() < 1e-10, "{degrees}");
        }
    }

    #[test]
    fn four_surveyed_points_place_every_other_and_the_sky_has_no_place() {
        // A picture in which the ground's upper half is the far end: a trapezoid on the map.
        let ground = Ground {
            picture: [[0.0, 1.0], [1.0, 1.0], [1.0, 0.5], [0.0, 0.5]],
            map: [[121.5, 31.2], [121.5001, 31.2], [121.5004, 31.2004], [121.4997, 31.2004]],
        };
        for (picture, map) in ground.picture.iter().zip(&ground.map) {
            let found = on_ground(&ground, *picture).unwrap();
            assert!((found[0] - map[0]).abs() < 1e-9 && (found[1] - map[1]).abs() < 1e-9, "{found:?}");
        }
        let middle = on_ground(&ground, [0.5, 0.75]).unwrap();
        assert!(middle[1] > 31.2 && middle[1] < 31.2002, "nearer than half of the way: {middle:?}");
        assert_eq!(on_ground(&ground, [0.5, 0.0]), None);
    }

    #[test]
    fn a_point_in_the_field_of_view_lies_in_its_direction() {
        let field = Field { heading_deg: 90.0, width_deg: 60.0, reach_m: 80.0 };
        let stands = Located { east_mm: 0, north_mm: 0 };
        assert_eq!(in_field(stands, &field, 0.5), Located { east_mm: 40_000, north_mm: 0 });
        let left = in_field(stands, &field, 0.0);
        assert!(left.north_mm > 19_000 && left.east_mm > 34_000, "{left:?}");
    }
}
