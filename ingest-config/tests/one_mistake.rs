//! One mistake is one problem, wherever in a complete file it is made; and no mutilation of it breaks anything.
#![allow(clippy::unwrap_used, reason = "a test may fail by unwrapping")]

use std::path::Path;

use citybrain_ingest_config::load_with;

const EXAMPLE: &str = include_str!("../../docs/examples/citybrain.toml");

/// A folder with everything the example refers to.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["cameras", "secrets"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
        for entry in std::fs::read_dir(Path::new("../docs/examples").join(part)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(part).join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

/// The answer to a text in place of the example: what is wrong with it, if anything.
fn answer(folder: &Path, text: &str) -> Option<String> {
    std::fs::write(folder.join("citybrain.toml"), text).unwrap();
    load_with(folder, &|_| None).err().map(|errors| errors.to_string())
}

/// The lines that give a key a value, as number, key and what stands before the comment.
fn key_lines() -> Vec<(usize, &'static str)> {
    let lines = EXAMPLE.lines().enumerate().filter(|(_, line)| !line.starts_with(['#', '[']));
    lines.filter_map(|(number, line)| Some((number, line.split_once(" = ")?.0))).collect()
}

fn with_line(number: usize, new: &str) -> String {
    let lines = EXAMPLE.lines().enumerate().map(|(n, line)| if n == number { new } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_key_written_wrong_is_one_problem_and_the_key_is_recognised() {
    let folder = folder();
    let keys = key_lines();
    assert!(keys.len() > 70, "{}", keys.len());
    for (number, key) in keys {
        let line = EXAMPLE.lines().nth(number).unwrap();
        let text = with_line(number, &line.replacen(key, &format!("{key}x"), 1));
        let answer = answer(folder.path(), &text).unwrap_or_else(|| panic!("{key}x was taken"));
        assert_eq!(answer.lines().count(), 1, "{key}x:\n{answer}");
        assert!(answer.ends_with(&format!("did you mean '{key}'?")), "{answer}");
        assert!(answer.contains(&format!("citybrain.toml:{}:1: ", number + 1)), "{answer}");
    }
}

#[test]
fn every_value_of_the_wrong_type_is_one_problem() {
    let folder = folder();
    for (number, key) in key_lines() {
        for value in ["1979-05-27", "[[[]]]"] {
            let text = with_line(number, &format!("{key} = {value}"));
            let answer = answer(folder.path(), &text).unwrap_or_else(|| panic!("{key} = {value} was taken"));
            assert_eq!(answer.lines().count(), 1, "{key} = {value}:\n{answer}");
            assert!(answer.contains(&format!("citybrain.toml:{}:", number + 1)), "{answer}");
        }
    }
}

#[test]
fn every_value_that_is_not_toml_is_one_problem() {
    let folder = folder();
    for (number, key) in key_lines() {
        let text = with_line(number, &format!("{key} = \"not closed"));
        let answer = answer(folder.path(), &text).unwrap_or_else(|| panic!("{key} was taken"));
        assert_eq!(answer.lines().count(), 1, "{key}:\n{answer}");
        assert!(answer.contains("not TOML"), "{answer}");
    }
}

#[test]
fn a_file_cut_off_anywhere_is_answered_without_a_panic() {
    let folder = folder();
    for length in (0..EXAMPLE.len()).step_by(61).filter(|length| EXAMPLE.is_char_boundary(*length)) {
        // What is cut off may be referred to: several problems, but no more than there are references.
        let answer = answer(folder.path(), &EXAMPLE[..length]).unwrap_or_default();
        assert!(answer.lines().count() <= 12, "cut at {length}:\n{answer}");
    }
}

#[test]
fn a_file_without_one_of_its_lines_is_answered_without_a_panic() {
    let folder = folder();
    for number in 0..EXAMPLE.lines().count() {
        let _ = answer(folder.path(), &with_line(number, ""));
    }
}
