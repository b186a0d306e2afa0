//! A manifest and its graph, compared claim by claim.

use crate::heads::{ExtraInput, NeededOutput, Needs, Unfit};
use crate::manifest::{Dtype, InputSpec, Manifest};
use crate::session::{Port, Session, shape_text};
use std::fmt;

/// One claim of a manifest that its graph does not keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mismatch {
    /// The graph has no input of that name.
    InputMissing {
        /// Key of the manifest.
        key: String,
        /// As the manifest says.
        claimed: String,
        /// Names of the graph's inputs.
        found: Vec<String>,
    },
    /// The graph wants an input that the manifest does not speak of.
    InputUnfed {
        /// Its name.
        name: String,
        /// Type and shape.
        found: String,
    },
    /// The input has another type or shape.
    Input {
        /// Its name.
        name: String,
        /// Type and shape as the manifest says.
        claimed: String,
        /// Type and shape as they are.
        found: String,
    },
    /// The head needs an output that the graph has not.
    OutputMissing {
        /// Key of `[head]`.
        key: &'static str,
        /// As the manifest says.
        claimed: String,
        /// Names of the graph's outputs.
        found: Vec<String>,
    },
    /// The number of classes is not the output's.
    LabelCount {
        /// The output.
        output: String,
        /// Classes the manifest speaks of.
        claimed: usize,
        /// Classes of the output.
        found: i64,
    },
    /// An output has another type or shape.
    Output {
        /// Its name.
        name: String,
        /// Type and shape the head needs.
        needed: String,
        /// Type and shape as they are.
        found: String,
    },
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InputMissing { key, claimed, found } => {
                write!(f, "model.toml says {key} is '{claimed}', the graph has {}", found.join(", "))
            }
            Self::InputUnfed { name, found } => {
                write!(
                    f,
                    "the graph also wants input '{name}' {found}, which model.toml does not speak of; \
                     name it in [head] where the head has a key for it, or export without it"
                )
            }
            Self::Input { name, claimed, found } => {
                write!(f, "model.toml says input '{name}' is {claimed}, the graph has {found}")
            }
            Self::OutputMissing { key, claimed, found } => {
                write!(f, "model.toml says head.{key} is '{claimed}', the graph has {}", found.join(", "))
            }
            Self::LabelCount { output, claimed, found } => {
                write!(
                    f,
                    "model.toml speaks of {claimed} classes, output '{output}' of the graph has {found}; \
                     name each in labels (\"\" leaves one out), or choose some with [head.classes]"
                )
            }
            Self::Output { name, needed, found } => {
                write!(f, "the head needs output '{name}' as {needed}, the graph has {found}")
            }
        }
    }
}

/// Every claim of the manifest that the graph does not keep.
pub(super) fn mismatches(manifest: &Manifest, needs: &Needs, session: &Session) -> Vec<Mismatch> {
    let (inputs, outputs) = (session.inputs(), session.outputs());
    let mut mismatches: Vec<Mismatch> = picture_mismatch(&manifest.input, &inputs).into_iter().collect();
    mismatches.extend(needs.inputs.iter().filter_map(|extra| extra_mismatch(extra, &inputs)));
    // A picture's input under another name is one mistake, not two.
    if mismatches.is_empty() {
        let fed = |port: &&Port| {
            port.name == manifest.input.name || needs.inputs.iter().any(|extra| extra.name == port.name)
        };
        mismatches.extend(
            inputs
                .iter()
                .filter(|port| !fed(port))
                .map(|port| Mismatch::InputUnfed { name: port.name.clone(), found: port.to_string() }),
        );
    }
    mismatches.extend(needs.outputs.iter().filter_map(|need| output_mismatch(need, manifest, &outputs)));
    mismatches
}

fn quoted(ports: &[Port]) -> Vec<String> {
    ports.iter().map(|port| format!("'{}'", port.name)).collect()
}

fn picture_mismatch(input: &InputSpec, inputs: &[Port]) -> Option<Mismatch> {
    let dtype = match input.dtype {
        Dtype::U8 => "uint8",
        Dtype::F32 => "float32",
    };
    input_mismatch("the input", &input.name, dtype, &input.shape(), inputs)
}

fn extra_mismatch(extra: &ExtraInput, inputs: &[Port]) -> Option<Mismatch> {
    input_mismatch(&format!("head.{}", extra.key), &extra.name, extra.numbers.dtype(), &extra.shape, inputs)
}

fn input_mismatch(key: &str, name: &str, dtype: &str, shape: &[i64], inputs: &[Port]) -> Option<Mismatch> {
    let Some(port) = inputs.iter().find(|port| port.name == name) else {
        let (key, claimed) = (key.to_owned(), name.to_owned());
        return Some(Mismatch::InputMissing { key, claimed, found: quoted(inputs) });
    };
    let claimed = format!("{dtype} {}", shape_text(shape));
    (!port.fits(dtype, shape)).then(|| Mismatch::Input {
        name: name.to_owned(),
        claimed,
        found: port.to_string(),
    })
}

fn output_mismatch(need: &NeededOutput, manifest: &Manifest, outputs: &[Port]) -> Option<Mismatch> {
    let Some(port) = outputs.iter().find(|port| port.name == need.name) else {
        let claimed = need.name.clone();
        return Some(Mismatch::OutputMissing { key: need.key, claimed, found: quoted(outputs) });
    };
    match need.check(port, &manifest.classes) {
        Ok(()) => None,
        Err(Unfit::Port(needed)) => {
            Some(Mismatch::Output { name: port.name.clone(), needed, found: port.to_string() })
        }
        Err(Unfit::Classes(found)) => {
            let (output, claimed) = (port.name.clone(), manifest.classes.len());
            Some(Mismatch::LabelCount { output, claimed, found })
        }
    }
}
