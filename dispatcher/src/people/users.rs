//! Users: made, changed, shut out.

use super::password::check;
use super::secret::id;
use super::{People, PeopleError, Role, User, Why, note};
use crate::store::UserChange;
use citybrain_types::Timestamp;

/// Longest name, in characters.
pub const MAX_NAME: usize = 40;

/// Whether a name can be signed in and acted by: letters and digits of any script, `.`, `_` and `-`.
fn check_name(name: &str) -> Result<(), PeopleError> {
    check_letters(name, |c| matches!(c, '.' | '_' | '-'))
}

/// The same for a name that a provider gives, which may be an address.
pub(super) fn check_outside_name(name: &str) -> Result<(), PeopleError> {
    check_letters(name, |c| matches!(c, '.' | '_' | '-' | '@'))
}

fn check_letters(name: &str, signs: fn(char) -> bool) -> Result<(), PeopleError> {
    let length = name.chars().count();
    let plain = |c: char| c.is_alphanumeric() || signs(c);
    if length == 0 || length > MAX_NAME || !name.chars().all(plain) {
        return Err(PeopleError::Refused(Why::Name));
    }
    // Names that the house itself signs with.
    if ["system", "nobody", "open"].contains(&name.to_lowercase().as_str()) {
        return Err(PeopleError::Refused(Why::NameReserved));
    }
    Ok(())
}

/// A user who is made now.
pub(super) fn fresh(name: &str, role: Role, now: Timestamp) -> Result<User, PeopleError> {
    Ok(User {
        id: id()?,
        name: name.to_owned(),
        role,
        disabled: false,
        outside: false,
        created_at: now,
        changed_at: now,
    })
}

impl People {
    /// Every user, by name.
    ///
    /// # Errors
    /// [`PeopleError::Store`] when the store does not answer.
    pub async fn users(&self) -> Result<Vec<User>, PeopleError> {
        Ok(self.0.store.users().await?)
    }

    /// Makes a user.
    ///
    /// # Errors
    /// [`PeopleError`] when the name is refused or taken, the password refused, or the store does not answer.
    pub async fn add_user(&self, name: &str, role: Role, password: &str) -> Result<User, PeopleError> {
        let user = self.make_user(name, role, password, false).await?;
        note("user.add", &user.name, format!("as {role}"));
        Ok(user)
    }

    pub(super) async fn make_user(
        &self,
        name: &str,
        role: Role,
        password: &str,
        first: bool,
    ) -> Result<User, PeopleError> {
        check_name(name)?;
        check(password, name)?;
        let hash = self.0.hasher.hash(password).await?;
        let user = fresh(name, role, self.now())?;
        match self.0.store.add_user(&user, &hash, first).await? {
            true => Ok(user),
            false => Err(PeopleError::Taken),
        }
    }

    /// The user of that id, or of that name.
    ///
    /// # Errors
    /// [`PeopleError::Unknown`] when there is none, or the store does not answer.
    pub async fn user(&self, id_or_name: &str) -> Result<User, PeopleError> {
        let by_id = self.0.store.user(id_or_name).await?;
        let found = match by_id {
            Some(found) => Some(found),
            None => self.0.store.user_named(id_or_name).await?,
        };
        found.map(|(user, _)| user).ok_or(PeopleError::Unknown("user"))
    }

    /// Changes role, password or whether the user may come in.
    ///
    /// # Errors
    /// [`PeopleError`] when there is no such user, it is the last admin, the password is refused, or the store does not
    /// answer.
    pub async fn change_user(
        &self,
        id: &str,
        role: Option<Role>,
        disabled: Option<bool>,
        password: Option<&str>,
    ) -> Result<User, PeopleError> {
        let _alone = self.0.changing.lock().await;
        let (user, _) = self.0.store.user(id).await?.ok_or(PeopleError::Unknown("user"))?;
        let stays_admin = role.unwrap_or(user.role) == Role::Admin && !disabled.unwrap_or(user.disabled);
        if user.role == Role::Admin && !user.disabled && !stays_admin {
            let others = self.0.store.users().await?.into_iter();
            let mut others = others.filter(|other| other.id != user.id && !other.disabled);
            if !others.any(|other| other.role == Role::Admin) {
                return Err(PeopleError::Refused(Why::LastAdmin));
            }
        }
        if user.outside && password.is_some() {
            return Err(PeopleError::Refused(Why::OutsidePassword));
        }
        let hash = match password {
            Some(password) => {
                check(password, &user.name)?;
                Some(self.0.hasher.hash(password).await?)
            }
            None => None,
        };
        let change = UserChange { role, disabled, password: hash };
        self.0.store.change_user(id, &change, self.now()).await?;
        if let Some(role) = role.filter(|role| *role != user.role) {
            note("user.role", &user.name, format!("from {} to {role}", user.role));
        }
        if let Some(disabled) = disabled.filter(|disabled| *disabled != user.disabled) {
            note(if disabled { "user.disable" } else { "user.enable" }, &user.name, "");
        }
        if password.is_some() {
            note("user.password", &user.name, "set; every session is over");
        }
        let (user, _) = self.0.store.user(id).await?.ok_or(PeopleError::Unknown("user"))?;
        Ok(user)
    }

    /// A user gives himself another password; every session of his is over.
    ///
    /// # Errors
    /// [`PeopleError`] when the one he has is wrong, the new one refused, or the store does not answer.
    pub async fn change_own_password(
        &self,
        id: &str,
        old: &str,
        new: &str,
        address: &str,
    ) -> Result<(), PeopleError> {
        let (user, kept) = self.0.store.user(id).await?.ok_or(PeopleError::Unknown("user"))?;
        let key = user.name.to_lowercase();
        self.0.throttle.begin(&key, address, self.now()).map_err(PeopleError::Wait)?;
        if !self.0.hasher.verify(old, Some(&kept)).await? {
            return Err(PeopleError::Refused(Why::PasswordOther));
        }
        self.0.throttle.succeeded(&key, address);
        self.change_user(id, None, None, Some(new)).await.map(|_| ())
    }
}
