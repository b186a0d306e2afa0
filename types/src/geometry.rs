//! Places in a picture, in fractions of its width and height: `(0, 0)` is the top left, `(1, 1)` the bottom right.

use serde::{Deserialize, Serialize};

/// Why numbers do not make a shape.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum GeometryError {
    /// A coordinate is not finite or lies outside `0..=1`.
    #[error("coordinate {0} is not within 0..=1")]
    OutOfPicture(f32),
    /// Left of right or top of bottom is violated.
    #[error("box has no area: left {left} right {right} top {top} bottom {bottom}")]
    Empty {
        /// Left edge.
        left: f32,
        /// Right edge.
        right: f32,
        /// Top edge.
        top: f32,
        /// Bottom edge.
        bottom: f32,
    },
    /// Fewer than three corners.
    #[error("a polygon needs at least 3 corners, got {0}")]
    TooFewCorners(usize),
}

/// An axis-aligned box with an area, wholly inside the picture.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "[f32; 4]", into = "[f32; 4]")]
pub struct BoundingBox {
    left: f32,
    top: f32,
    right: f32,
    bottom: f32,
}

impl BoundingBox {
    /// The whole picture, for results without a place.
    pub const WHOLE: Self = Self { left: 0.0, top: 0.0, right: 1.0, bottom: 1.0 };

    /// From edges in fractions of the picture.
    ///
    /// # Errors
    /// [`GeometryError`] when an edge is outside `0..=1` or not finite, or the box has no area.
    pub fn new(left: f32, top: f32, right: f32, bottom: f32) -> Result<Self, GeometryError> {
        for edge in [left, top, right, bottom] {
            if !(0.0..=1.0).contains(&edge) {
                return Err(GeometryError::OutOfPicture(edge));
            }
        }
        if left >= right || top >= bottom {
            return Err(GeometryError::Empty { left, right, top, bottom });
        }
        Ok(Self { left, top, right, bottom })
    }

    /// From edges that may stick out of the picture; `None` when nothing is left inside.
    #[must_use]
    pub fn clipped(left: f32, top: f32, right: f32, bottom: f32) -> Option<Self> {
        let clip = |edge: f32| if edge.is_nan() { f32::NAN } else { edge.clamp(0.0, 1.0) };
        Self::new(clip(left), clip(top), clip(right), clip(bottom)).ok()
    }

    /// Left edge.
    #[must_use]
    pub const fn left(&self) -> f32 {
        self.left
    }
    /// Top edge.
    #[must_use]
    pub const fn top(&self) -> f32 {
        self.top
    }
    /// Right edge.
    #[must_use]
    pub const fn right(&self) -> f32 {
        self.right
    }
    /// Bottom edge.
    #[must_use]
    pub const fn bottom(&self) -> f32 {
        self.bottom
    }
    /// Width as a fraction of the picture's.
    #[must_use]
    pub fn width(&self) -> f32 {
        self.right - self.left
    }
    /// Height as a fraction of the picture's.
    #[must_use]
    pub fn height(&self) -> f32 {
        self.bottom - self.top
    }
    /// Area as a fraction of the picture's.
    #[must_use]
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }
    /// The middle, `(x, y)`.
    #[must_use]
    pub fn center(&self) -> (f32, f32) {
        (self.left.midpoint(self.right), self.top.midpoint(self.bottom))
    }

    /// Area shared with `other`.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> f32 {
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width.max(0.0) * height.max(0.0)
    }

    /// Intersection over union, `0..=1`.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.intersection(other);
        shared / (self.area() + other.area() - shared)
    }

    /// Whether a point `(x, y)` lies in it, edges included.
    #[must_use]
    pub fn contains(&self, (x, y): (f32, f32)) -> bool {
        (self.left..=self.right).contains(&x) && (self.top..=self.bottom).contains(&y)
    }

    /// This box, given in fractions of `part` of a picture, in fractions of the whole picture; `None` when it is so
    /// small there that its edges fall together.
    #[must_use]
    pub fn from_part(&self, part: &Self) -> Option<Self> {
        let x = |edge: f32| edge.mul_add(part.width(), part.left);
        let y = |edge: f32| edge.mul_add(part.height(), part.top);
        Self::clipped(x(self.left), y(self.top), x(self.right), y(self.bottom))
    }

    /// The smallest box that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

impl TryFrom<[f32; 4]> for BoundingBox {
    type Error = GeometryError;
    fn try_from([left, top, right, bottom]: [f32; 4]) -> Result<Self, GeometryError> {
        Self::new(left, top, right, bottom)
    }
}

impl From<BoundingBox> for [f32; 4] {
    fn from(b: BoundingBox) -> Self {
        [b.left, b.top, b.right, b.bottom]
    }
}

/// A closed outline in the picture; the last corner joins the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<[f32; 2]>", into = "Vec<[f32; 2]>")]
pub struct Polygon(Vec<[f32; 2]>);

impl Polygon {
    /// From corners `(x, y)` in fractions of the picture.
    ///
    /// # Errors
    /// [`GeometryError`] when there are fewer than three corners or one lies outside the picture.
    pub fn new(corners: Vec<[f32; 2]>) -> Result<Self, GeometryError> {
        if corners.len() < 3 {
            return Err(GeometryError::TooFewCorners(corners.len()));
        }
        match corners.iter().flatten().find(|c| !(0.0..=1.0).contains(*c)) {
            Some(outside) => Err(GeometryError::OutOfPicture(*outside)),
            None => Ok(Self(corners)),
        }
    }

    /// The corners.
    #[must_use]
    pub fn corners(&self) -> &[[f32; 2]] {
        &self.0
    }

    /// Whether a point lies inside, by the even-odd rule.
    #[must_use]
    pub fn contains(&self, (x, y): (f32, f32)) -> bool {
        let previous = self.0.iter().cycle().skip(self.0.len() - 1);
        self.0.iter().zip(previous).fold(false, |inside, (a, b)| {
            let crosses = (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0];
            inside ^ crosses
        })
    }
}

impl TryFrom<Vec<[f32; 2]>> for Polygon {
    type Error = GeometryError;
    fn try_from(corners: Vec<[f32; 2]>) -> Result<Self, GeometryError> {
        Self::new(corners)
    }
}

impl From<Polygon> for Vec<[f32; 2]> {
    fn from(polygon: Polygon) -> Self {
        polygon.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_outside_the_picture_or_without_area_is_refused() {
        assert!(BoundingBox::new(0.0, 0.0, 1.1, 1.0).is_err());
        assert!(BoundingBox::new(f32::NAN, 0.0, 1.0, 1.0).is_err());
        assert!(BoundingBox::new(0.5, 0.0, 0.5, 1.0).is_err());
        assert!(BoundingBox::clipped(f32::NAN, 0.0, 1.0, 1.0).is_none());
        assert_eq!(BoundingBox::clipped(-1.0, -1.0, 2.0, 2.0), Some(BoundingBox::WHOLE));
    }

    #[test]
    fn overlap_is_measured_as_intersection_over_union() {
        let left_half = BoundingBox::new(0.0, 0.0, 0.5, 1.0).unwrap();
        assert!((left_half.iou(&BoundingBox::WHOLE) - 0.5).abs() < 1e-6);
        let right = BoundingBox::new(0.6, 0.0, 1.0, 1.0).unwrap();
        assert!(left_half.iou(&right).abs() < 1e-6);
    }

    #[test]
    fn a_box_of_a_part_is_placed_in_the_whole() {
        let part = BoundingBox::new(0.5, 0.25, 1.0, 0.75).unwrap();
        let right_half = BoundingBox::new(0.5, 0.0, 1.0, 1.0).unwrap();
        assert_eq!(right_half.from_part(&part), BoundingBox::new(0.75, 0.25, 1.0, 0.75).ok());
        assert_eq!(BoundingBox::WHOLE.from_part(&part), Some(part));
        assert_eq!(part.from_part(&BoundingBox::WHOLE), Some(part));
        let speck = BoundingBox::new(0.5, 0.5, 0.500_000_1, 0.500_000_1).unwrap();
        let sliver = BoundingBox::new(0.999_999, 0.999_999, 1.0, 1.0).unwrap();
        assert_eq!(speck.from_part(&sliver), None);
        assert!(part.contains((0.5, 0.75)) && !part.contains((0.49, 0.5)) && !part.contains((0.6, 0.76)));
    }

    #[test]
    fn a_point_is_inside_a_concave_outline_or_not() {
        let l_shape =
            Polygon::new(vec![[0.0, 0.0], [1.0, 0.0], [1.0, 0.4], [0.4, 0.4], [0.4, 1.0], [0.0, 1.0]])
                .unwrap();
        assert!(l_shape.contains((0.2, 0.8)));
        assert!(!l_shape.contains((0.8, 0.8)));
    }
}
