//! One ONNX Runtime session: how it is opened, what its graph has, and one run of it.

use crate::detector::{DetectError, LoadError};
use crate::guard::{self, Watch};
use crate::heads::{ExtraInput, Numbers};
use crate::onnx;
use crate::provider;
use crate::runtime::{Runtime, hex};
use citybrain_ingest_config::resolved::{ExecutionProvider, Precision};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{RunOptions, SessionInputValue, SessionOutputs};
use ort::value::{Outlet, TensorElementType, TensorRef, ValueType};
use sha2::{Digest, Sha256};
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How a session is opened. The defaults are what was measured to pay on a CPU: one thread, no spinning, all graph
/// optimisations, and one session per core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOptions {
    /// What runs the graph.
    pub provider: ExecutionProvider,
    /// The numbers OpenVINO computes in; it decides itself when none are given. Told to no other provider.
    pub precision: Option<Precision>,
    /// Threads inside one operator. One session per core with one thread each beats fewer sessions with more.
    pub threads: usize,
    /// Largest ONNX file loaded.
    pub max_file_bytes: u64,
    /// Longest time that opening the graph may take, and that its first run may take.
    pub patience: Duration,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            provider: ExecutionProvider::Cpu,
            precision: None,
            threads: 1,
            max_file_bytes: 512 * 1024 * 1024,
            patience: Duration::from_secs(60),
        }
    }
}

impl SessionOptions {
    /// Does `work` within the bounds that loading has. A GPU's libraries reserve far more addresses than memory, so there
    /// the bound on addresses would refuse sound graphs.
    pub(crate) fn bounded<T>(&self, work: impl FnOnce() -> T) -> T {
        match self.provider {
            ExecutionProvider::Cuda | ExecutionProvider::TensorRt => work(),
            _ => guard::in_bounded_memory(work),
        }
    }
}

/// An input or output of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Type of its elements as ONNX Runtime names it (`uint8`, `float32`), or what it is instead of a tensor.
    pub dtype: String,
    /// Its shape; −1 where the graph leaves a size open. `None` when it is no tensor.
    pub shape: Option<Vec<i64>>,
}

impl Port {
    fn of(outlet: &Outlet) -> Self {
        let (dtype, shape) = match outlet.dtype() {
            ValueType::Tensor { ty, shape, .. } => (element_name(*ty), Some(shape.to_vec())),
            ValueType::Sequence(_) => ("a sequence".to_owned(), None),
            ValueType::Map { .. } => ("a map".to_owned(), None),
            ValueType::Optional(_) => ("an optional".to_owned(), None),
        };
        Self { name: outlet.name().to_owned(), dtype, shape }
    }

    /// Whether it is a tensor of this type, and of this shape as far as the graph says; −1 fits every size.
    pub(crate) fn fits(&self, dtype: &str, shape: &[i64]) -> bool {
        let fits = |own: &[i64]| {
            own.len() == shape.len() && own.iter().zip(shape).all(|(a, b)| a == b || *a == -1 || *b == -1)
        };
        self.dtype == dtype && self.shape.as_deref().is_some_and(fits)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.dtype)?;
        match &self.shape {
            Some(shape) => write!(f, " {}", shape_text(shape)),
            None => Ok(()),
        }
    }
}

/// `[1,256,416,3]`, with `?` for an open size.
pub(crate) fn shape_text(shape: &[i64]) -> String {
    let sizes: Vec<String> =
        shape.iter().map(|size| if *size == -1 { "?".to_owned() } else { size.to_string() }).collect();
    format!("[{}]", sizes.join(","))
}

fn element_name(ty: TensorElementType) -> String {
    match ty {
        TensorElementType::Uint8 => "uint8".to_owned(),
        TensorElementType::Float32 => "float32".to_owned(),
        TensorElementType::Float16 => "float16".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_weights(path: &Path, limit: u64) -> Result<Vec<u8>, LoadError> {
    let unreadable = |source| LoadError::Unreadable { path: path.to_owned(), source };
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        let kind = std::io::ErrorKind::InvalidInput;
        return Err(unreadable(std::io::Error::new(kind, "not a file")));
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(LoadError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// What is fed to a graph: its shape is the manifest's.
pub(crate) enum Tensor<'t> {
    U8(&'t [u8]),
    F32(&'t [f32]),
}

pub(crate) struct Session {
    inner: ort::session::Session,
    run_options: Arc<RunOptions>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens the very bytes whose checksum was compared, so nothing can be exchanged in between. `path` names them in
    /// errors.
    pub(crate) fn open(
        path: &Path,
        bytes: &[u8],
        runtime: &Runtime,
        options: SessionOptions,
    ) -> Result<Self, LoadError> {
        if bytes.is_empty() {
            return Err(LoadError::NotOnnx { path: path.to_owned(), reason: "the file is empty".to_owned() });
        }
        let not_onnx = |reason| LoadError::NotOnnx { path: path.to_owned(), reason };
        match onnx::external_tensor(bytes) {
            Ok(None) => {}
            Ok(Some(tensor)) => {
                return Err(LoadError::ExternalData {
                    path: path.to_owned(),
                    tensor: tensor.name,
                    location: tensor.location,
                });
            }
            Err(onnx::Malformed) => {
                return Err(not_onnx("it is no protobuf message, or is cut short".to_owned()));
            }
        }
        onnx::audit(bytes).map_err(|fault| not_onnx(fault.to_string()))?;
        let builder = builder(runtime, options).map_err(|error| not_onnx(error.to_string()))?;
        let mut builder = provider::register(builder, runtime, options)?;
        let inner = options.bounded(|| commit(&mut builder, bytes, options.patience));
        let inner = inner.map_err(|error| not_onnx(error.to_string()))?;
        let run_options = RunOptions::new().map_err(|error| not_onnx(error.to_string()))?;
        Ok(Self { inner, run_options: Arc::new(run_options) })
    }

    pub(crate) fn inputs(&self) -> Vec<Port> {
        self.inner.inputs().iter().map(Port::of).collect()
    }

    pub(crate) fn outputs(&self) -> Vec<Port> {
        self.inner.outputs().iter().map(Port::of).collect()
    }

    /// A text of the graph's `metadata_props`, where exporters leave class names; `None` where there is none.
    pub(crate) fn metadata(&self, key: &str) -> Option<String> {
        self.inner.metadata().ok()?.custom(key)
    }

    /// Lets `work`, which runs this session, go on for `limit` and then stops its graph at the next node.
    pub(crate) fn stop_after(&self, limit: Duration) -> Watch {
        let options = Arc::clone(&self.run_options);
        Watch::start(limit, move || {
            if let Err(error) = options.terminate() {
                tracing::warn!(%error, "a graph that runs too long could not be stopped");
            }
        })
    }

    /// Runs the graph on a picture and on what its head wants beside it. Neither picture nor outputs are copied.
    pub(crate) fn run(
        &mut self,
        name: &str,
        shape: [i64; 4],
        picture: &Tensor<'_>,
        extras: &[ExtraInput],
    ) -> Result<Outputs<'_>, DetectError> {
        let failed = |error: ort::Error| DetectError::Runtime(error.to_string());
        let mut inputs: Vec<(&str, SessionInputValue<'_>)> = Vec::with_capacity(1 + extras.len());
        let value = match *picture {
            Tensor::U8(bytes) => TensorRef::from_array_view((shape, bytes)).map_err(failed)?.into(),
            Tensor::F32(numbers) => TensorRef::from_array_view((shape, numbers)).map_err(failed)?.into(),
        };
        inputs.push((name, value));
        for extra in extras {
            inputs.push((&extra.name, extra_value(extra).map_err(failed)?));
        }
        let outputs = self.inner.run_with_options(inputs, &self.run_options).map_err(failed)?;
        Ok(Outputs(outputs))
    }
}

fn extra_value(extra: &ExtraInput) -> ort::Result<SessionInputValue<'_>> {
    let shape = extra.shape.clone();
    Ok(match &extra.numbers {
        Numbers::I64(numbers) => TensorRef::from_array_view((shape, numbers.as_slice()))?.into(),
        Numbers::F32(numbers) => TensorRef::from_array_view((shape, numbers.as_slice()))?.into(),
    })
}

fn builder(runtime: &Runtime, options: SessionOptions) -> ort::Result<SessionBuilder> {
    Ok(ort::session::Session::builder(runtime.environment())?
        .with_intra_threads(options.threads.max(1))?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_log_level(ort::logging::LogLevel::Warning)?)
}

/// Loads the graph, for no longer than `patience`.
fn commit(
    builder: &mut SessionBuilder,
    bytes: &[u8],
    patience: Duration,
) -> ort::Result<ort::session::Session> {
    let canceler = builder.canceler();
    let _watch = Watch::start(patience, move || {
        if let Err(error) = canceler.cancel() {
            tracing::warn!(%error, "a graph that loads too long could not be stopped");
        }
    });
    builder.commit_from_memory(bytes)
}

/// Outputs of one run, read in place.
pub(crate) struct Outputs<'s>(SessionOutputs<'s>);

/// Most elements of an output that are read: a segmentation of 80 classes at 1024×768.
const MAX_ELEMENTS: usize = 1 << 26;

impl Outputs<'_> {
    fn value(&self, name: &str) -> Result<&ort::value::DynValue, DetectError> {
        let missing = || DetectError::OutputShape { output: name.to_owned(), found: "nothing".to_owned() };
        self.0.get(name).ok_or_else(missing)
    }

    /// An output of 32-bit floats, with its shape; every number of it is finite.
    pub(crate) fn floats(&self, name: &str) -> Result<(&[i64], &[f32]), DetectError> {
        let (shape, numbers) = self
            .value(name)?
            .try_extract_tensor::<f32>()
            .map_err(|error| DetectError::Runtime(error.to_string()))?;
        check_size(name, shape, numbers.len())?;
        // Folded, not searched: a loop without a way out is done many numbers at a time.
        if !numbers.iter().fold(true, |finite, number| finite & number.is_finite()) {
            let value = numbers.iter().copied().find(|number| !number.is_finite()).unwrap_or(f32::NAN);
            return Err(DetectError::NotFinite { output: name.to_owned(), value });
        }
        Ok((shape, numbers))
    }

    /// An output of whole numbers of any type, with its shape.
    pub(crate) fn counts(&self, name: &str) -> Result<(&[i64], Vec<i64>), DetectError> {
        let value = self.value(name)?;
        if let Ok((shape, numbers)) = value.try_extract_tensor::<i64>() {
            check_size(name, shape, numbers.len())?;
            return Ok((shape, numbers.to_vec()));
        }
        if let Ok((shape, numbers)) = value.try_extract_tensor::<i32>() {
            check_size(name, shape, numbers.len())?;
            return Ok((shape, numbers.iter().map(|number| i64::from(*number)).collect()));
        }
        if let Ok((shape, numbers)) = value.try_extract_tensor::<u8>() {
            check_size(name, shape, numbers.len())?;
            return Ok((shape, numbers.iter().map(|number| i64::from(*number)).collect()));
        }
        let (shape, numbers) = self.floats(name)?;
        Ok((shape, numbers.iter().map(|number| number.round() as i64).collect()))
    }
}

fn check_size(output: &str, shape: &[i64], elements: usize) -> Result<(), DetectError> {
    if elements <= MAX_ELEMENTS {
        return Ok(());
    }
    let found = format!("{}, more than {MAX_ELEMENTS} numbers", shape_text(shape));
    Err(DetectError::OutputShape { output: output.to_owned(), found })
}
