//! What a head needs of its graph: outputs to read and inputs beside the picture to feed.

use crate::classes::ClassMap;
use crate::session::{Port, shape_text};

/// Types of elements that an output may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    /// 32-bit floats.
    Float,
    /// Whole numbers, or floats that hold such.
    Count,
}

impl Element {
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Float => &["float32"],
            Self::Count => &["int64", "int32", "uint8", "float32"],
        }
    }
}

/// The axis of an output that counts classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClassAxis {
    pub(crate) axis: usize,
    /// Numbers on that axis that are no classes: a box, for example.
    pub(crate) others: usize,
}

/// An output that a head needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NeededOutput {
    /// The manifest's key that names it.
    pub(crate) key: &'static str,
    /// The name.
    pub(crate) name: String,
    pub(crate) element: Element,
    /// The shape; −1 where any size will do.
    pub(crate) shape: Vec<i64>,
    /// Another shape that will do.
    pub(crate) other_shape: Option<Vec<i64>>,
    pub(crate) classes: Option<ClassAxis>,
}

/// What is wrong with an output.
pub(crate) enum Unfit {
    /// The number of its classes.
    Classes(i64),
    /// Type or shape; what is needed.
    Port(String),
}

impl NeededOutput {
    pub(crate) fn floats(key: &'static str, name: &str, shape: &[i64]) -> Self {
        let (name, shape) = (name.to_owned(), shape.to_vec());
        Self { key, name, element: Element::Float, shape, other_shape: None, classes: None }
    }

    pub(crate) fn counts(key: &'static str, name: &str, shape: &[i64]) -> Self {
        Self { element: Element::Count, ..Self::floats(key, name, shape) }
    }

    /// With `axis` holding the classes beside `others` numbers.
    pub(crate) fn with_classes(mut self, axis: usize, others: usize) -> Self {
        self.classes = Some(ClassAxis { axis, others });
        self
    }

    pub(crate) fn or_shape(mut self, shape: &[i64]) -> Self {
        self.other_shape = Some(shape.to_vec());
        self
    }

    /// Compares with the graph, as far as the graph says.
    pub(crate) fn check(&self, port: &Port, classes: &ClassMap) -> Result<(), Unfit> {
        let shapes = || std::iter::once(&self.shape).chain(&self.other_shape);
        if !self.element.names().iter().any(|dtype| shapes().any(|shape| port.fits(dtype, shape))) {
            return Err(Unfit::Port(format!("{} {}", self.element.names()[0], self.shape_text(classes))));
        }
        let size = |axis: ClassAxis| port.shape.as_ref().and_then(|shape| shape.get(axis.axis)).copied();
        let Some((size, axis)) = self.classes.and_then(|axis| Some((size(axis)?, axis))) else {
            return Ok(());
        };
        let found = size - axis.others as i64;
        let fits = size == -1 || usize::try_from(found).is_ok_and(|found| classes.fits(found));
        if fits { Ok(()) } else { Err(Unfit::Classes(found)) }
    }

    fn shape_text(&self, classes: &ClassMap) -> String {
        let mut shape = self.shape.clone();
        if let Some(ClassAxis { axis, others }) = self.classes {
            shape[axis] = (classes.len() + others) as i64;
        }
        shape_text(&shape)
    }
}

/// An input beside the picture, which always gets the same numbers.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ExtraInput {
    /// The manifest's key that names it.
    pub(crate) key: &'static str,
    /// The name.
    pub(crate) name: String,
    pub(crate) shape: Vec<i64>,
    pub(crate) numbers: Numbers,
}

/// Elements of a small tensor.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Numbers {
    I64(Vec<i64>),
    F32(Vec<f32>),
}

impl Numbers {
    pub(crate) const fn dtype(&self) -> &'static str {
        match self {
            Self::I64(_) => "int64",
            Self::F32(_) => "float32",
        }
    }
}

/// All that a head needs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Needs {
    pub(crate) outputs: Vec<NeededOutput>,
    pub(crate) inputs: Vec<ExtraInput>,
}

impl From<Vec<NeededOutput>> for Needs {
    fn from(outputs: Vec<NeededOutput>) -> Self {
        Self { outputs, inputs: Vec::new() }
    }
}
