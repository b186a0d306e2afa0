//! A draft of `model.toml` for an ONNX file: what its graph tells, and `# ?` at what a person has to look up.

use super::GraphDescription;
use super::guess::{Graph, Guess};
use crate::session::Port;
use std::fmt::Write;

/// A manifest to be looked over, and why it is as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Text of `model.toml`; lines that end in `# ?` are guesses.
    pub text: String,
    /// A sentence for each thing that was concluded.
    pub why: Vec<String>,
}

/// Side that is assumed where the graph leaves it open.
const OPEN_SIDE: u32 = 640;
/// Names given where neither graph nor metadata count the classes.
const UNCOUNTED: usize = 2;

struct Picture<'g> {
    port: &'g Port,
    nchw: bool,
    width: Option<u32>,
    height: Option<u32>,
}

/// The input that takes a picture: of rank four with three channels.
fn picture(inputs: &[Port]) -> Option<Picture<'_>> {
    inputs.iter().find_map(|port| {
        let side = |size: i64| u32::try_from(size).ok();
        match *port.shape.as_deref()? {
            [_, 3, height, width] => {
                Some(Picture { port, nchw: true, width: side(width), height: side(height) })
            }
            [_, height, width, 3] => {
                Some(Picture { port, nchw: false, width: side(width), height: side(height) })
            }
            _ => None,
        }
    })
}

impl GraphDescription {
    /// Guesses a manifest for a file of this name; `None` when nothing here takes a picture or gives what a head reads.
    #[must_use]
    pub fn draft(&self, file: &str) -> Option<Draft> {
        let picture = picture(&self.inputs)?;
        let size = (picture.width.unwrap_or(OPEN_SIDE), picture.height.unwrap_or(OPEN_SIDE));
        let extras = self.inputs.iter().filter(|port| port.name != picture.port.name).collect();
        let names = (!self.names.is_empty()).then_some(self.names.len());
        let guess = Graph { extras, outputs: &self.outputs, size, names }.guess()?;
        let mut why = vec![format!("head {}: {}", guess.kind, guess.why)];
        let labels = self.labels(&guess, &mut why);
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut text, file, &picture, size, &guess, &labels);
        why.push(
            "lines that end in '# ?' are not told by the graph: look them up where it was exported"
                .to_owned(),
        );
        Some(Draft { text, why })
    }

    /// Names from the file's metadata, or placeholders; whether they are known.
    fn labels(&self, guess: &Guess, why: &mut Vec<String>) -> (Vec<String>, bool) {
        let named = !self.names.is_empty() && guess.classes.is_none_or(|count| count == self.names.len());
        if named {
            why.push(format!("{} labels from the file's metadata", self.names.len()));
            return (self.names.clone(), true);
        }
        let count = guess.classes.unwrap_or(UNCOUNTED + usize::from(guess.background));
        match guess.classes {
            Some(count) => why.push(format!("{count} classes, which the file does not name")),
            None => why.push("the graph does not count its classes: name all that it has".to_owned()),
        }
        let name =
            |index| if index == 0 && guess.background { String::new() } else { format!("class_{index}") };
        ((0..count).map(name).collect(), false)
    }

    fn write(
        &self,
        text: &mut String,
        file: &str,
        picture: &Picture<'_>,
        size: (u32, u32),
        guess: &Guess,
        (labels, named): &(Vec<String>, bool),
    ) -> std::fmt::Result {
        let quoted = |text: &str| toml::Value::from(text).to_string();
        let mark = |unknown: bool| if unknown { "  # ?" } else { "" };
        let stem = file.trim_end_matches(".onnx").to_lowercase();
        let name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        writeln!(text, "format_version = 1\nname = {}\nversion = \"0.1.0\"  # ?", quoted(&name))?;
        writeln!(text, "file = {}\nsha256 = {}", quoted(file), quoted(&self.sha256))?;
        writeln!(text, "license = \"unknown\"  # ? SPDX identifier of the weights' licence")?;
        let all: Vec<String> = labels.iter().map(|label| quoted(label)).collect();
        writeln!(text, "labels = [{}]{}", all.join(", "), mark(!named))?;
        writeln!(text, "\n[input]\nname = {}", quoted(&picture.port.name))?;
        writeln!(text, "layout = \"{}\"", if picture.nchw { "nchw" } else { "nhwc" })?;
        let bytes = picture.port.dtype == "uint8";
        writeln!(text, "dtype = \"{}\"", if bytes { "u8" } else { "f32" })?;
        writeln!(text, "width = {}{}", size.0, mark(picture.width.is_none()))?;
        writeln!(text, "height = {}{}", size.1, mark(picture.height.is_none()))?;
        let habit = guess.habit;
        writeln!(text, "color = \"{}\"  # ?\nresize = \"{}\"  # ?", habit.color, habit.resize)?;
        if habit.resize != "stretch" {
            writeln!(text, "pad = 114  # ?")?;
        }
        if !bytes {
            habit.numbers.lines().try_for_each(|line| writeln!(text, "{line}  # ?"))?;
        }
        writeln!(text, "\n[head]\nkind = \"{}\"", guess.kind)?;
        for (key, value, unknown) in &guess.keys {
            writeln!(text, "{key} = {value}{}", mark(*unknown))?;
        }
        writeln!(text, "\n[thresholds]")?;
        for label in labels.iter().filter(|label| !label.is_empty()) {
            writeln!(text, "{} = 0.5  # ?", quoted(label))?;
        }
        Ok(())
    }
}

/// Class names of `{0: 'person', 1: 'car'}`, or of a JSON object or array, as exporters write `names`.
pub(super) fn class_names(text: &str) -> Vec<String> {
    let json = text.replace('\'', "\"");
    let names = match serde_json::from_str::<serde_json::Value>(&json) {
        Ok(serde_json::Value::Array(names)) => {
            names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
        }
        _ => dictionary(text),
    };
    names.into_iter().map(|name: String| label(&name)).collect()
}

/// `{number: 'name', …}` in the order of numbers from zero; empty when one is missing.
fn dictionary(text: &str) -> Vec<String> {
    let inner = text.trim().trim_start_matches('{').trim_end_matches('}');
    let unquoted = |part: &str| part.trim().trim_matches(['\'', '"']).to_owned();
    let mut names = Vec::new();
    for entry in inner.split(',') {
        let Some((number, name)) = entry.split_once(':') else { return Vec::new() };
        if unquoted(number).parse() != Ok(names.len()) {
            return Vec::new();
        }
        names.push(unquoted(name));
    }
    names
}

/// A name as a label: without blanks.
fn label(name: &str) -> String {
    name.chars().map(|c| if c.is_whitespace() || c.is_control() { '_' } else { c }).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_exporters_write_them() {
        let expected = ["person", "traffic_light"];
        for text in [
            "{0: 'person', 1: 'traffic light'}",
            r#"{"0": "person", "1": "traffic light"}"#,
            r#"["person", "traffic light"]"#,
        ] {
            assert_eq!(class_names(text), expected, "{text}");
        }
        assert!(class_names("{1: 'person'}").is_empty() && class_names("none").is_empty());
    }
}
