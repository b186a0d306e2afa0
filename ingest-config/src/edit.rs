//! Changes to a configuration's files, checked whole before a byte is written.

use std::io::Write;
use std::path::{Path, PathBuf};

use citybrain_types::{CameraId, CameraParts, MAX_CORNERS, MAX_PARTS, ZonePart};
use toml_edit::{Array, DocumentMut, InlineTable, Item, TableLike, Value};

use crate::include::included;
use crate::load::{FILE_NAME, Loaded, load_replaced};
use crate::problem::{ConfigErrors, Problems};
use crate::source::{MAX_TOTAL_BYTES, Source};
use crate::validate::Environment;

/// Why a change was refused. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// No file declares the camera.
    #[error("no file of the configuration declares the camera {0}")]
    NoCamera(CameraId),
    /// Something cannot be written down.
    #[error("{0}")]
    Invalid(String),
    /// The configuration would be wrong.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// A file cannot be read or written.
    #[error("{file}: {source}")]
    File {
        /// Which.
        file: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
}

/// A change that has been checked and can be written.
#[derive(Debug)]
pub struct Edit {
    file: PathBuf,
    before: String,
    after: String,
    /// The city under it.
    pub loaded: Loaded,
}

/// Checks other parts of a camera's picture against the whole configuration. What is not drawn of a zone (hours, sizes,
/// scores) stays; comments inside the camera's zones are lost, all others stay where they are.
///
/// # Errors
/// [`EditError`] with every mistake; nothing was written.
pub fn camera_parts(
    path: &Path,
    camera: &CameraId,
    parts: &CameraParts,
    environment: Environment<'_>,
) -> Result<Edit, EditError> {
    bounded(parts)?;
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_path_buf() };
    for file in files(&path) {
        let before = std::fs::read_to_string(&file)
            .map_err(|source| EditError::File { file: file.clone(), source })?;
        let Ok(mut document) = before.parse::<DocumentMut>() else { continue };
        let Some(table) = camera_table(document.get_mut("cameras"), camera) else { continue };
        set_parts(table, parts)?;
        let after = document.to_string();
        let loaded = load_replaced(&path, environment, Some((&file, &after)))?;
        return Ok(Edit { file, before, after, loaded });
    }
    Err(EditError::NoCamera(camera.clone()))
}

impl Edit {
    /// Puts the file in the place of the old one, whole or not at all.
    ///
    /// # Errors
    /// [`EditError::File`] when it cannot be written.
    pub fn write(&self) -> Result<(), EditError> {
        replace(&self.file, &self.after)
    }

    /// Puts the file back as it was.
    ///
    /// # Errors
    /// [`EditError::File`] when it cannot be written.
    pub fn undo(&self) -> Result<(), EditError> {
        replace(&self.file, &self.before)
    }
}

fn replace(file: &Path, text: &str) -> Result<(), EditError> {
    let fail = |source| EditError::File { file: file.to_path_buf(), source };
    // Beside it, so that the rename stays within one file system; a dot, so that no pattern of `include` reads it.
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or(FILE_NAME);
    let beside = file.with_file_name(format!(".{name}.new"));
    let write = || {
        let mut new = std::fs::File::create(&beside)?;
        new.set_permissions(std::fs::metadata(file)?.permissions())?;
        new.write_all(text.as_bytes())?;
        new.sync_all()?;
        std::fs::rename(&beside, file)
    };
    write().map_err(fail)
}

/// The files of a configuration, the first one first.
fn files(path: &Path) -> Vec<PathBuf> {
    let mut files = vec![path.to_path_buf()];
    let Ok(first) = Source::read(0, path, MAX_TOTAL_BYTES) else { return files };
    let mut problems = Problems::default();
    let patterns = crate::document::includes(&crate::document::document(&first, &mut problems));
    files.extend(included(&first, &patterns, &mut problems).into_iter().map(|source| source.path));
    files
}

fn bounded(parts: &CameraParts) -> Result<(), EditError> {
    let outlines = || parts.ignore.iter().chain(parts.zones.iter().map(|zone| &zone.polygon));
    if parts.ignore.len() > MAX_PARTS || parts.zones.len() > MAX_PARTS {
        return Err(EditError::Invalid(format!("a camera has at most {MAX_PARTS} zones and as many masks")));
    }
    if outlines().any(|outline| outline.len() > MAX_CORNERS) {
        return Err(EditError::Invalid(format!("an outline has at most {MAX_CORNERS} corners")));
    }
    Ok(())
}

fn camera_table<'d>(item: Option<&'d mut Item>, camera: &CameraId) -> Option<&'d mut dyn TableLike> {
    let is_it = |table: &dyn TableLike| table.get("id").and_then(Item::as_str) == Some(camera.as_str());
    match item? {
        Item::ArrayOfTables(tables) => {
            tables.iter_mut().find(|table| is_it(*table)).map(|table| table as &mut dyn TableLike)
        }
        Item::Value(Value::Array(rows)) => rows
            .iter_mut()
            .filter_map(Value::as_inline_table_mut)
            .find(|table| is_it(*table))
            .map(|table| table as &mut dyn TableLike),
        _ => None,
    }
}

fn set_parts(camera: &mut dyn TableLike, parts: &CameraParts) -> Result<(), EditError> {
    let old = zones_of(camera.get("zones"));
    let mut zones = Array::new();
    for zone in &parts.zones {
        zones.push(zone_table(zone, &old)?);
    }
    put(camera, "zones", zones);
    put(camera, "ignore", parts.ignore.iter().map(|polygon| outline(polygon)).collect());
    Ok(())
}

/// Sets an array, or takes the key away where there is nothing to say.
fn put(camera: &mut dyn TableLike, key: &str, array: Array) {
    camera.remove(key);
    if !array.is_empty() {
        camera.insert(key, Item::Value(Value::Array(array)));
    }
}

fn zones_of(item: Option<&Item>) -> Vec<InlineTable> {
    match item {
        Some(Item::ArrayOfTables(tables)) => {
            tables.iter().map(|table| table.clone().into_inline_table()).collect()
        }
        Some(Item::Value(Value::Array(rows))) => {
            rows.iter().filter_map(Value::as_inline_table).cloned().collect()
        }
        _ => Vec::new(),
    }
}

fn zone_table(zone: &ZonePart, old: &[InlineTable]) -> Result<InlineTable, EditError> {
    let mut table = match zone.was {
        Some(was) => {
            old.get(was).cloned().ok_or_else(|| EditError::Invalid(format!("there is no zone {was}")))?
        }
        None => InlineTable::new(),
    };
    for key in ["name", "kinds", "ignore", "polygon"] {
        table.remove(key);
    }
    if !zone.name.is_empty() {
        table.insert("name", zone.name.as_str().into());
    }
    if !zone.kinds.is_empty() {
        table.insert("kinds", Value::Array(zone.kinds.iter().map(String::as_str).collect()));
    }
    if zone.ignore {
        table.insert("ignore", true.into());
    }
    table.insert("polygon", outline(&zone.polygon));
    table.fmt();
    Ok(table)
}

fn outline(polygon: &[[f64; 2]]) -> Value {
    let corner =
        |[x, y]: &[f64; 2]| -> Value { Value::Array([rounded(*x), rounded(*y)].into_iter().collect()) };
    Value::Array(polygon.iter().map(corner).collect())
}

/// To a ten-thousandth of the picture: a fifth of a pixel of full HD.
fn rounded(value: f64) -> f64 {
    (value * 10_000.0).round() / 10_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "include = ['more/*.toml']\n[site]\nname = 'X' # a name\n";
    const MORE: &str = "# Cameras of the harbour.\n[[cameras]]\nid = 'gate-1'\nurl = 'rtsp://192.0.2.1/'\n\
        kinds = ['fire', 'littering'] # both\nignore = [[[0.0, 0.0], [0.1, 0.0], [0.1, 0.1]]]\n\n[[cameras.zones]]\n\
        name = 'road'\npolygon = [[0.0, 0.5], [1.0, 0.5], [1.0, 1.0]]\nmin_size = 0.01\n\n[[cameras]]\nid = 'gate-2'\n\
        url = 'rtsp://192.0.2.2/'\n";

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("more")).unwrap();
        std::fs::write(folder.path().join(FILE_NAME), FIRST).unwrap();
        std::fs::write(folder.path().join("more/harbour.toml"), MORE).unwrap();
        folder
    }

    fn zone(was: Option<usize>, name: &str, polygon: &[[f64; 2]]) -> ZonePart {
        ZonePart {
            was,
            name: name.into(),
            kinds: vec!["littering".into()],
            ignore: false,
            polygon: polygon.into(),
        }
    }

    const TRIANGLE: [[f64; 2]; 3] = [[0.2, 0.2], [0.8, 0.2], [0.5, 0.912_345_6]];

    #[test]
    fn zones_are_written_where_the_camera_is_and_the_rest_stays_as_it_was() {
        let folder = folder();
        let id = CameraId::new("gate-1").unwrap();
        let parts = CameraParts { ignore: vec![], zones: vec![zone(Some(0), "pavement \"x\"", &TRIANGLE)] };
        let edit = camera_parts(folder.path(), &id, &parts, &|_| None).unwrap();
        let file = folder.path().join("more/harbour.toml");
        assert_eq!(
            std::fs::read_to_string(&file).unwrap(),
            MORE,
            "nothing is written before it is asked for"
        );
        edit.write().unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        for kept in ["# Cameras of the harbour.", "# both", "id = 'gate-2'", "0.9123"] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
        let city = crate::load(folder.path()).unwrap().city;
        let camera = &city.cameras[&id];
        assert!(camera.ignore.is_empty());
        assert_eq!(camera.zones.len(), 1);
        assert_eq!(camera.zones[0].name, "pavement \"x\"");
        assert!((camera.zones[0].min_size - 0.01).abs() < 1e-6, "what is not drawn stays");
        assert_eq!(city.version, edit.loaded.city.version);
        edit.undo().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), MORE);
    }

    #[test]
    fn a_change_that_would_be_wrong_is_refused_whole() {
        let folder = folder();
        let id = CameraId::new("gate-1").unwrap();
        let outside = zone(None, "out", &[[0.0, 0.0], [2.0, 0.0], [0.5, 0.5]]);
        let two = zone(None, "line", &[[0.0, 0.0], [1.0, 0.0]]);
        let stranger = ZonePart { kinds: vec!["dragon".into()], ..zone(None, "x", &TRIANGLE) };
        for wrong in [outside, two, stranger] {
            let parts = CameraParts { ignore: vec![], zones: vec![wrong.clone()] };
            let refused = camera_parts(folder.path(), &id, &parts, &|_| None).unwrap_err();
            assert!(matches!(refused, EditError::Config(_)), "{wrong:?}: {refused}");
        }
        let parts = CameraParts { ignore: vec![], zones: vec![zone(Some(7), "x", &TRIANGLE)] };
        assert!(matches!(camera_parts(folder.path(), &id, &parts, &|_| None), Err(EditError::Invalid(_))));
        let nobody = CameraId::new("gate-9").unwrap();
        let none = camera_parts(folder.path(), &nobody, &CameraParts::default(), &|_| None);
        assert!(matches!(none, Err(EditError::NoCamera(_))));
        let many = CameraParts { ignore: vec![TRIANGLE.to_vec(); MAX_PARTS + 1], zones: vec![] };
        assert!(matches!(camera_parts(folder.path(), &id, &many, &|_| None), Err(EditError::Invalid(_))));
    }
}
