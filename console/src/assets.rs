//! Style, scripts and icon, carried in the binary. What others have written lies in `assets/vendor`, and its
//! `manifest.toml` says where it is from, with checksum and licence.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// A file of `assets`, by its name there.
macro_rules! file {
    ($name:literal, $kind:expr) => {
        ($name, $kind, include_bytes!(concat!("../assets/", $name)).as_slice())
    };
}

/// Everything served below `/assets`: name, media type, content. A page's script adds a line here.
const ASSETS: &[(&str, &str, &[u8])] = &[
    file!("style.css", CSS),
    file!("live.js", SCRIPT),
    file!("events.js", SCRIPT),
    file!("alarms.js", SCRIPT),
    file!("map.js", SCRIPT),
    file!("plainmap.js", SCRIPT),
    file!("case.js", SCRIPT),
    file!("vendor/maplibre-gl.mjs", SCRIPT),
    file!("vendor/maplibre-gl-worker.mjs", SCRIPT),
    file!("vendor/maplibre-gl.css", CSS),
    file!("review.js", SCRIPT),
    file!("tuner.js", SCRIPT),
    file!("zones.js", SCRIPT),
    file!("system.js", SCRIPT),
    file!("icon.svg", "image/svg+xml"),
];

struct Asset {
    kind: &'static str,
    content: &'static [u8],
    tag: String,
}

static BY_NAME: LazyLock<BTreeMap<&'static str, Asset>> = LazyLock::new(|| {
    let asset = |kind, content| Asset { kind, content, tag: format!("\"{}\"", &hex(content)[..16]) };
    ASSETS.iter().map(|(name, kind, content)| (*name, asset(*kind, *content))).collect()
});

fn hex(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An asset. Browsers ask each time whether it is still the same, so that an upgrade shows at once.
pub async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = BY_NAME.get(name.as_str()) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let caching = [(header::CACHE_CONTROL, "no-cache"), (header::ETAG, asset.tag.as_str())];
    let known = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == asset.tag)) {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(header::CONTENT_TYPE, asset.kind)], asset.content).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeSet;

    #[derive(Deserialize, Default)]
    #[serde(default, deny_unknown_fields)]
    struct Manifest {
        file: Vec<Entry>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Entry {
        name: String,
        package: String,
        version: String,
        sha256: String,
        licence: String,
        licence_file: String,
    }

    #[test]
    fn every_vendored_file_is_the_one_of_the_manifest_with_its_licence_beside_it() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/vendor");
        let text = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
        let manifest: Manifest = toml::from_str(&text).unwrap();
        let mut known = BTreeSet::from(["manifest.toml".to_owned()]);
        for entry in manifest.file {
            let content = std::fs::read(folder.join(&entry.name)).unwrap();
            assert_eq!(hex(&content), entry.sha256, "{} is not what the manifest says", entry.name);
            assert!(folder.join(&entry.licence_file).is_file(), "{} lacks its licence", entry.name);
            assert!(![entry.package, entry.version, entry.licence].contains(&String::new()));
            known.extend([entry.name, entry.licence_file]);
        }
        for file in std::fs::read_dir(&folder).unwrap() {
            let name = file.unwrap().file_name().into_string().unwrap();
            assert!(known.contains(&name), "{name} is not in the manifest");
        }
    }

    #[test]
    fn no_template_carries_a_script_or_a_style_of_its_own() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let inline = |tag: &str| {
                text.split(tag)
                    .skip(1)
                    .any(|rest| !rest.split('>').next().unwrap_or_default().contains("src="))
            };
            assert!(!inline("<script"), "{} has an inline script", path.display());
            for banned in ["<style", " style=", " onclick=", " onload=", "javascript:", "|safe"] {
                assert!(!text.contains(banned), "{} has {banned}", path.display());
            }
        }
    }
}
