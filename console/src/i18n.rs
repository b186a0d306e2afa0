//! Every word of the console in two languages.
//!
//! Words lie in `i18n/<language>/<section>.toml`, one file a section, and are asked for as `section.key`. A test holds
//! that both languages have the same keys and the same placeholders, that every key used in a template or a source
//! exists, and that none lies there unused.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Both languages of a section.
macro_rules! section {
    ($name:literal) => {
        (
            $name,
            include_str!(concat!("../i18n/en/", $name, ".toml")),
            include_str!(concat!("../i18n/zh/", $name, ".toml")),
        )
    };
}

/// Sections: name, English, Chinese. A page that needs words of its own adds a line here.
#[rustfmt::skip]
const SECTIONS: &[(&str, &str, &str)] = &[
    section!("shell"),
    section!("alarm"),
    section!("case"),
    section!("map"),
    section!("camera"),
    section!("delivery"),
    section!("review"),
    section!("policy"),
    section!("tuner"),
    section!("report"),
    section!("system"),
    section!("people"),
];

type Words = BTreeMap<String, String>;

static ENGLISH: LazyLock<Words> = LazyLock::new(|| read(|section| section.1));
static CHINESE: LazyLock<Words> = LazyLock::new(|| read(|section| section.2));

fn read(of: impl Fn(&(&'static str, &'static str, &'static str)) -> &'static str) -> Words {
    let mut words = Words::new();
    for section in SECTIONS {
        match toml::from_str::<Words>(of(section)) {
            Ok(keys) => {
                words.extend(keys.into_iter().map(|(key, text)| (format!("{}.{key}", section.0), text)))
            }
            // The files are part of the program and a test reads them all.
            Err(error) => {
                tracing::error!(section = section.0, %error, "the words of a section cannot be read")
            }
        }
    }
    words
}

/// A language the console speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Chinese, in simplified characters.
    Chinese,
}

impl Language {
    /// By its tag, `en` or `zh`, whatever region follows.
    pub fn from_tag(tag: &str) -> Option<Self> {
        match tag.trim().split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase().as_str() {
            "en" => Some(Self::English),
            "zh" => Some(Self::Chinese),
            _ => None,
        }
    }

    /// The language a browser likes best of ours, from its `Accept-Language` (RFC 9110, 12.5.4).
    pub fn from_accept(header: &str) -> Option<Self> {
        let wish = |part: &str| {
            let (tag, rest) = part.split_once(';').unwrap_or((part, ""));
            let weight = rest.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>).unwrap_or(0.0);
            Self::from_tag(tag).filter(|_| weight > 0.0).map(|language| (weight, language))
        };
        let mut best: Option<(f32, Self)> = None;
        for (weight, language) in header.split(',').filter_map(wish) {
            if best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, language));
            }
        }
        best.map(|(_, language)| language)
    }

    /// Tag of the page, for `<html lang>`.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Chinese => "zh",
        }
    }

    /// The words under a key; the key itself where there are none, which a test rules out for every key in use.
    pub fn t(self, key: &str) -> &str {
        let words: &'static Words = match self {
            Self::English => &ENGLISH,
            Self::Chinese => &CHINESE,
        };
        words.get(key).map_or(key, String::as_str)
    }

    /// The words under a key that is made of a section's prefix and a code: `name("case.state", "filed")`.
    pub fn name(self, prefix: &str, code: &str) -> String {
        let key = format!("{prefix}_{code}");
        let words = self.t(&key);
        if words == key { code.to_owned() } else { words.to_owned() }
    }

    /// The words under a key, with `{name}` replaced by what is given for it.
    pub fn fill(self, key: &str, values: &[(&str, &dyn std::fmt::Display)]) -> String {
        let mut text = self.t(key).to_owned();
        for (name, value) in values {
            text = text.replace(&format!("{{{name}}}"), &value.to_string());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).map(|(name, _)| name).collect()
    }

    fn sources(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "html") {
                found.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }

    /// What stands between `before` and the closing quote, everywhere.
    fn quoted<'a>(text: &'a str, before: &str) -> Vec<&'a str> {
        text.split(before).skip(1).filter_map(|rest| rest.split_once('"')).map(|(key, _)| key).collect()
    }

    #[test]
    fn both_languages_say_the_same_things() {
        for (name, english, chinese) in SECTIONS {
            let english: Words = toml::from_str(english).unwrap_or_else(|e| panic!("en/{name}: {e}"));
            let chinese: Words = toml::from_str(chinese).unwrap_or_else(|e| panic!("zh/{name}: {e}"));
            let keys = |words: &Words| words.keys().cloned().collect::<Vec<_>>();
            assert_eq!(keys(&english), keys(&chinese), "section {name}");
            for (key, text) in &english {
                assert_eq!(placeholders(text), placeholders(&chinese[key]), "{name}.{key}");
                assert!(!text.trim().is_empty() && !chinese[key].trim().is_empty(), "{name}.{key} is empty");
            }
        }
    }

    #[test]
    fn every_key_in_use_exists_and_none_lies_unused() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut texts = Vec::new();
        sources(&root.join("src"), &mut texts);
        sources(&root.join("templates"), &mut texts);
        let mut used = BTreeSet::<String>::new();
        let mut prefixes = BTreeSet::<String>::new();
        for text in &texts {
            // What a test module says is not shown to anyone.
            let code = text.split("mod tests {").next().unwrap().lines();
            let code: Vec<&str> = code.map(str::trim).filter(|line| !line.starts_with("//")).collect();
            let text = &code.concat();
            for call in [".t(\"", ".with(\"", ".fill(\"", "key: \""] {
                used.extend(quoted(text, call).into_iter().map(str::to_owned));
            }
            prefixes.extend(quoted(text, ".name(\"").into_iter().map(str::to_owned));
        }
        for key in &used {
            assert!(ENGLISH.contains_key(key), "{key} is used and has no words");
        }
        for key in ENGLISH.keys() {
            let named = prefixes.iter().any(|prefix| key.starts_with(&format!("{prefix}_")));
            assert!(named || used.contains(key), "{key} is used nowhere");
        }
    }

    #[test]
    fn a_browsers_wishes_choose_the_language() {
        let chosen = |header| Language::from_accept(header);
        assert_eq!(chosen("zh-CN,zh;q=0.9,en;q=0.8"), Some(Language::Chinese));
        assert_eq!(chosen("fr, en;q=0.4, zh;q=0.9"), Some(Language::Chinese));
        assert_eq!(chosen("en-GB"), Some(Language::English));
        assert_eq!(chosen("zh;q=0, en;q=0.1"), Some(Language::English));
        assert_eq!(chosen("fr, *;q=0.5"), None);
        assert_eq!(chosen(";;;q=nan,,"), None);
    }

    #[test]
    fn a_gap_is_filled_with_what_is_given() {
        let text = Language::English.fill("shell.times_in", &[("zone", &"Asia/Shanghai")]);
        assert!(text.contains("Asia/Shanghai") && !text.contains('{'), "{text}");
    }
}
