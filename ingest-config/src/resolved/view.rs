//! What a camera looks at, on the map.

/// A camera's view.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// What it hangs on: cameras that share it count as one witness.
    pub mast: Option<String>,
    /// Where it looks, and how far; `None` when only its position is known.
    pub field: Option<Field>,
    /// The ground in its picture, surveyed.
    pub ground: Option<Ground>,
}

/// A field of view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// Direction of its middle, in degrees clockwise from north.
    pub heading_deg: f64,
    /// Its width, in degrees.
    pub width_deg: f64,
    /// How far it is used, in metres.
    pub reach_m: f64,
}

/// Four points of the ground, in the picture and on the map: they fix where on the map any point of the ground lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ground {
    /// `(x, y)` in fractions of the picture.
    pub picture: [[f64; 2]; 4],
    /// The same points: longitude and latitude in degrees (WGS 84).
    pub map: [[f64; 2]; 4],
}
