//! Execution providers: what runs a graph, and whether the loaded library has it.
//!
//! Design decision: a provider is asked for, never guessed, and one that is not there is an error. Falling back to the
//! processor in silence would be a city that looks at its cameras ten times as seldom as its operator believes.

use crate::detector::LoadError;
use crate::runtime::Runtime;
use crate::session::SessionOptions;
use citybrain_ingest_config::resolved::{ExecutionProvider, Precision};
use ort::ep::{
    ArbitrarilyConfigurableExecutionProvider, CUDA, ExecutionProvider as _, ExecutionProviderDispatch,
    OpenVINO, TensorRT,
};
use ort::session::builder::SessionBuilder;

/// The providers that the loaded library was built with, the processor first. Whether one works on this machine shows
/// when a session is opened.
#[must_use]
pub fn available(_: &Runtime) -> Vec<ExecutionProvider> {
    ExecutionProvider::ALL.into_iter().filter(|provider| is_built_in(*provider)).collect()
}

fn is_built_in(provider: ExecutionProvider) -> bool {
    let known = match provider {
        ExecutionProvider::Cpu => return true,
        ExecutionProvider::OpenVino => OpenVINO::is_available(),
        ExecutionProvider::Cuda => CUDA::is_available(),
        ExecutionProvider::TensorRt => TensorRT::is_available(),
    };
    known.unwrap_or(false)
}

/// Adds the provider asked for; what it does not take of a graph falls to the ones behind it, the processor last.
pub(crate) fn register(
    builder: SessionBuilder,
    runtime: &Runtime,
    options: SessionOptions,
) -> Result<SessionBuilder, LoadError> {
    let missing = |reason: String| LoadError::Provider {
        provider: options.provider,
        library: runtime.path().to_owned(),
        available: available(runtime),
        reason,
    };
    let providers = chain(options);
    if !is_built_in(options.provider) {
        return Err(missing("it was built without it".to_owned()));
    }
    builder.with_execution_providers(providers).map_err(|error| missing(error.to_string()))
}

fn chain(options: SessionOptions) -> Vec<ExecutionProviderDispatch> {
    let cuda = || CUDA::default().build();
    match options.provider {
        ExecutionProvider::Cpu => Vec::new(),
        ExecutionProvider::OpenVino => vec![openvino(options).build().error_on_failure()],
        ExecutionProvider::Cuda => vec![cuda().error_on_failure()],
        // CUDA for what TensorRT does not take; where CUDA is missing, the processor does that.
        ExecutionProvider::TensorRt => vec![TensorRT::default().build().error_on_failure(), cuda()],
    }
}

fn openvino(options: SessionOptions) -> OpenVINO {
    let provider = OpenVINO::default().with_device_type("CPU").with_num_threads(options.threads.max(1));
    match options.precision.map(Precision::name) {
        // OpenVINO's own name for it; the provider's `precision` option knows no bf16.
        Some(name) => provider.with_arbitrary_config(
            "load_config",
            format!(r#"{{"CPU":{{"INFERENCE_PRECISION_HINT":"{name}"}}}}"#),
        ),
        None => provider,
    }
}
