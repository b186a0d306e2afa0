//! Why a scene cannot be rendered.

/// What is wrong with a [`crate::scene::SceneSpec`], or with writing frames of it.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// The size of the picture is out of range or odd.
    #[error("picture size {width}x{height} is not served: use even sizes from 160x90 to 1920x1080")]
    Size {
        /// Width asked for, pixels.
        width: u32,
        /// Height asked for, pixels.
        height: u32,
    },
    /// The frame rate is out of range.
    #[error("{0} frames per second is out of range: use 1 to 30")]
    FrameRate(u32),
    /// `traffic` is out of range.
    #[error("traffic {0} is out of range: use 0 to 1")]
    Traffic(f32),
    /// A spot that the view does not have.
    #[error("view {view} has no spot \"{spot}\" for {kind}: use one of {known}")]
    Spot {
        /// The view.
        view: &'static str,
        /// The spot asked for.
        spot: String,
        /// What was to happen there.
        kind: String,
        /// The spots that it has for this, comma separated.
        known: String,
    },
    /// A point that is not on the ground of the view, or outside the picture.
    #[error(
        "event {event}: ({x}, {y}) is not on the ground of view {view}: choose a point on a road or pavement"
    )]
    Ground {
        /// Index of the event.
        event: usize,
        /// The view.
        view: &'static str,
        /// From the left, as a fraction.
        x: f32,
        /// From the top, as a fraction.
        y: f32,
    },
    /// An event that ends before it begins.
    #[error("event {event} ends before it begins: set to_secs after from_secs, or leave it out")]
    Order {
        /// Index of the event.
        event: usize,
    },
    /// A size or growth time of an event that is out of range.
    #[error("event {event}: {field} {value} is out of range: use {low} to {high}")]
    Range {
        /// Index of the event.
        event: usize,
        /// The key.
        field: &'static str,
        /// Its value.
        value: f32,
        /// Lowest value taken.
        low: f32,
        /// Highest value taken.
        high: f32,
    },
    /// An asset inside the program cannot be read: the build is broken.
    #[error("asset {name} cannot be read: rebuild the program ({source})")]
    Asset {
        /// Name of the file under `assets/`.
        name: String,
        /// What the decoder says.
        source: image::ImageError,
    },
    /// A frame or the truth file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}
