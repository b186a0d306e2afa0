//! What the rooms without pixels have done with photos.

/// Makes people and vehicles in photos unrecognisable; the program lends it to whoever takes photos in.
pub trait PhotoCover: Send + Sync {
    /// A JPEG in which nobody can be recognised, made of a whole JPEG. Takes some hundred milliseconds of a core.
    ///
    /// # Errors
    /// Why it cannot be made, in words.
    fn cover(&self, jpeg: &[u8]) -> Result<Vec<u8>, String>;
}
