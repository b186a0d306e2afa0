//! The pages operators use.

/// What the console shows beside what the city knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsoleSettings {
    /// The ground under the map, where there is to be one.
    pub tiles: Option<Tiles>,
}

/// Raster tiles of another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tiles {
    /// Address with `{z}`, `{x}` and `{y}` in it.
    pub template: String,
    /// Scheme, host and port of the address: the only place elsewhere that a page may ask.
    pub origin: String,
    /// Who made them.
    pub attribution: String,
}
