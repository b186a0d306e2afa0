//! A provider that the library has not is an error that says what it has, and never a quiet fall back.
#![allow(clippy::unwrap_used, reason = "a test stops at what it cannot do")]

mod common;

use citybrain_models::{Detector, ExecutionProvider, LoadError, SessionOptions, provider};
use common::{fixtures, runtime};

#[test]
fn every_provider_the_library_lacks_is_refused_with_its_name_the_library_and_what_there_is() {
    let runtime = runtime();
    let available = provider::available(&runtime);
    assert_eq!(available[0], ExecutionProvider::Cpu);
    let missing = ExecutionProvider::ALL.into_iter().filter(|provider| !available.contains(provider));
    let missing: Vec<_> = missing.collect();
    if runtime.is_pinned() {
        assert_eq!(missing.len(), 3, "the pinned build is for the processor only: {available:?}");
    }
    for provider in missing {
        let options = SessionOptions { provider, ..SessionOptions::default() };
        let error = Detector::load(&fixtures().join("color_classifier"), &runtime, options).unwrap_err();
        assert!(matches!(error, LoadError::Provider { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("provider '{}' is not in", provider.name())), "{text}");
        assert!(text.contains(&runtime.path().display().to_string()), "{text}");
        assert!(text.contains("it has 'cpu'") && text.contains("CITYBRAIN_ONNXRUNTIME"), "{text}");
    }
}

#[test]
fn the_providers_the_library_has_give_the_answers_of_the_processor() {
    let runtime = runtime();
    for provider in provider::available(&runtime) {
        let options = SessionOptions { provider, ..SessionOptions::default() };
        let mut detector = match Detector::load(&fixtures().join("color_classifier"), &runtime, options) {
            Ok(detector) => detector,
            // Built in, and the machine has no such device.
            Err(error @ LoadError::Provider { .. }) if provider != ExecutionProvider::Cpu => {
                println!("{error}");
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let placement = detector.input().placement(64, 64);
        let red = common::frame(64, 64, |_, _| [255, 0, 0]);
        let found = detector.detect(&red, &placement).unwrap();
        assert_eq!(found[0].label.as_str(), "red", "{provider:?}");
        assert!(found[0].score.get() > 0.99, "{provider:?}: {found:?}");
    }
}
