//! Changes to the configuration that are made in the console: one at a time, checked, written, brought into force.

use citybrain_ingest_config::{City, EditError};
use citybrain_types::{CameraId, CameraParts, ConfigChange, ConfigRefusal, Configurator};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Changes that wait for the one under way: each is made by a person.
const WAITING: usize = 8;

/// What the console hands its changes to.
pub struct Editor {
    file: PathBuf,
    changes: mpsc::Sender<Edit>,
}

/// A change that somebody waits for.
pub struct Edit {
    file: PathBuf,
    camera: CameraId,
    parts: CameraParts,
    seen: String,
    answer: oneshot::Sender<Result<String, ConfigRefusal>>,
}

impl Editor {
    /// For a configuration that was read from a file, with the changes to carry out; none for one that was not.
    pub fn beside(file: Option<&Path>) -> (Option<Arc<dyn Configurator>>, mpsc::Receiver<Edit>) {
        let (changes, waiting) = mpsc::channel(WAITING);
        let editor =
            file.map(|file| Arc::new(Self { file: file.to_path_buf(), changes }) as Arc<dyn Configurator>);
        (editor, waiting)
    }
}

impl Configurator for Editor {
    fn set_parts(&self, camera: CameraId, parts: CameraParts, seen: String) -> ConfigChange {
        let (answer, answered) = oneshot::channel();
        let edit = Edit { file: self.file.clone(), camera, parts, seen, answer };
        let changes = self.changes.clone();
        let stopping = || ConfigRefusal::Unwritable("the program is being stopped".to_owned());
        Box::pin(async move {
            changes.send(edit).await.map_err(|_| stopping())?;
            answered.await.map_err(|_| stopping())?
        })
    }
}

impl Edit {
    /// Checks the change, writes it and brings it into force by `use_city`; where that fails, the file is put back.
    pub fn carry_out(self, in_force: &str, use_city: impl FnOnce(City) -> anyhow::Result<()>) {
        let made = self.make(in_force, use_city);
        if let Err(refusal) = &made {
            tracing::warn!(camera = %self.camera, ?refusal, "a change of a camera's zones was refused");
        }
        // Whoever asked may have left.
        let _ = self.answer.send(made);
    }

    fn make(
        &self,
        in_force: &str,
        use_city: impl FnOnce(City) -> anyhow::Result<()>,
    ) -> Result<String, ConfigRefusal> {
        if self.seen != in_force {
            return Err(ConfigRefusal::Stale);
        }
        let environment = |name: &str| std::env::var(name).ok();
        let edit = citybrain_ingest_config::camera_parts(&self.file, &self.camera, &self.parts, &environment)
            .map_err(refusal)?;
        let city = crate::run::with_models(edit.loaded.city.clone())
            .map_err(|error| ConfigRefusal::Unwritable(format!("{error:#}")))?;
        let version = city.version.clone();
        edit.write().map_err(refusal)?;
        if let Err(error) = use_city(city) {
            edit.undo().map_err(refusal)?;
            return Err(ConfigRefusal::Invalid(vec![format!("{error:#}")]));
        }
        tracing::info!(camera = %self.camera, %version, "the camera's zones were changed in the console");
        Ok(version)
    }
}

fn refusal(error: EditError) -> ConfigRefusal {
    match error {
        EditError::Config(errors) => {
            // The files' places mean nothing to whoever draws zones.
            ConfigRefusal::Invalid(errors.problems().iter().map(|problem| problem.message.clone()).collect())
        }
        EditError::Invalid(why) => ConfigRefusal::Invalid(vec![why]),
        other => ConfigRefusal::Unwritable(other.to_string()),
    }
}
