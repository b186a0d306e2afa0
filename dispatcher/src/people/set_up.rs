//! The first admin: made with a code that only whoever runs the program can read.

use super::actor::note_by;
use super::secret::{code, same, typed};
use super::{People, PeopleError, Role, User, Why};
use std::path::{Path, PathBuf};

/// Name of the file below the data folder that holds the code.
pub const SET_UP_FILE: &str = "set-up-code";
/// Attempts with a wrong code are counted under this name, which no user can have.
const THROTTLED_AS: &str = "set-up code";

/// A set-up that waits.
#[derive(Debug)]
pub(super) struct SetUp {
    code: String,
    file: PathBuf,
}

/// Writes a file that only its owner can read.
async fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt;
    // An old one may be readable by others.
    match tokio::fs::remove_file(file).await {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut open = tokio::fs::OpenOptions::new();
    let mut file = open.write(true).create_new(true).mode(0o600).open(file).await?;
    file.write_all(text.as_bytes()).await?;
    file.flush().await
}

impl People {
    /// Where there is no user yet: makes a code, writes it below the data folder and says it in the log. Returns it.
    ///
    /// # Errors
    /// [`PeopleError`] when the store does not answer or the file cannot be written.
    pub async fn await_first_admin(
        &self,
        data_dir: &Path,
        page: &str,
    ) -> Result<Option<String>, PeopleError> {
        let file = data_dir.join(SET_UP_FILE);
        if self.0.store.has_users().await? {
            // One that was left behind is good for nothing.
            let _ = tokio::fs::remove_file(&file).await;
            return Ok(None);
        }
        let code = code()?;
        let written = write_private(&file, &format!("{code}\n")).await;
        written
            .map_err(|error| PeopleError::Refused(Why::CodeFile(format!("{}: {error}", file.display()))))?;
        tracing::warn!(
            %code,
            %page,
            file = %file.display(),
            "nobody can sign in yet: open the page and give this code to make the first admin"
        );
        *self.0.set_up.lock().await = Some(SetUp { code: code.clone(), file });
        Ok(Some(code))
    }

    /// Whether the first admin is still to be made.
    ///
    /// # Errors
    /// [`PeopleError::Store`] when the store does not answer.
    pub async fn awaits_set_up(&self) -> Result<bool, PeopleError> {
        Ok(self.0.set_up.lock().await.is_some() && !self.0.store.has_users().await?)
    }

    /// Makes the first admin; the code is used up.
    ///
    /// # Errors
    /// [`PeopleError`] when the code is wrong or used up, name or password are refused, or the store does not answer.
    pub async fn set_up(
        &self,
        given: &str,
        name: &str,
        password: &str,
        address: &str,
    ) -> Result<User, PeopleError> {
        self.0.throttle.begin(THROTTLED_AS, address, self.now()).map_err(PeopleError::Wait)?;
        let mut waiting = self.0.set_up.lock().await;
        let right = waiting.as_ref().is_some_and(|set_up| same(&typed(given), &typed(&set_up.code)));
        if !right || self.0.store.has_users().await? {
            note_by("nobody", "set_up_failed", name, "the code is wrong or used up");
            return Err(PeopleError::Refused(Why::Code));
        }
        self.0.throttle.succeeded(THROTTLED_AS, address);
        let user = self.make_user(name, Role::Admin, password, true).await?;
        if let Some(set_up) = waiting.take()
            && let Err(error) = tokio::fs::remove_file(&set_up.file).await
        {
            tracing::warn!(%error, file = %set_up.file.display(), "the used set-up code is not removed");
        }
        note_by(&user.name, "set_up", &user.name, "the first admin was made");
        Ok(user)
    }
}
