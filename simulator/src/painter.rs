//! What stands in front of a camera: something that paints a picture for a street time.

use crate::pattern::Pattern;
use crate::scene::{Scene, SceneError, SceneSpec, TruthEvent};
use image::RgbImage;
use std::time::Duration;

/// Paints pictures. The same time gives the same picture.
pub trait Painter: Send {
    /// Width and height of the pictures in pixels.
    fn size(&self) -> (u32, u32);

    /// Paints the picture at a street time as packed RGB, `width × height × 3` bytes.
    fn paint(&mut self, at: Duration, rgb: &mut Vec<u8>);
}

/// Paints a [`Pattern`].
#[derive(Debug, Clone, Copy)]
pub struct PatternPainter {
    pattern: Pattern,
    size: (u32, u32),
}

impl PatternPainter {
    /// A painter of a pattern at a size.
    #[must_use]
    pub const fn new(pattern: Pattern, size: (u32, u32)) -> Self {
        Self { pattern, size }
    }
}

impl Painter for PatternPainter {
    fn size(&self) -> (u32, u32) {
        self.size
    }

    fn paint(&mut self, at: Duration, rgb: &mut Vec<u8>) {
        self.pattern.paint(at, self.size.0 as usize, self.size.1 as usize, rgb);
    }
}

/// Paints a rendered [`Scene`].
#[derive(Debug)]
pub struct ScenePainter {
    scene: Scene,
    picture: RgbImage,
}

impl ScenePainter {
    /// Prepares a scene.
    ///
    /// # Errors
    /// [`SceneError`] when the scene asks for what its view does not have.
    pub fn new(spec: SceneSpec) -> Result<Self, SceneError> {
        let picture = RgbImage::new(spec.width, spec.height);
        Ok(Self { scene: Scene::new(spec)?, picture })
    }

    /// The scripted events as a person in front of the picture sees them.
    #[must_use]
    pub fn events(&self) -> Vec<TruthEvent> {
        self.scene.events()
    }
}

impl Painter for ScenePainter {
    fn size(&self) -> (u32, u32) {
        (self.scene.spec().width, self.scene.spec().height)
    }

    fn paint(&mut self, at: Duration, rgb: &mut Vec<u8>) {
        self.scene.render(at, &mut self.picture);
        rgb.clear();
        rgb.extend_from_slice(self.picture.as_raw());
    }
}
