//! Roles, and what each may do.

use super::{Actor, PeopleError};
use crate::policy::PolicyAction;
use citybrain_types::CaseAction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a person or a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See cases, cameras, deliveries and pictures as they are shown to everyone.
    View,
    /// Tell of something.
    Report,
    /// Move cases on, send dead deliveries again.
    Act,
    /// Say what was real and what was not.
    Verdict,
    /// Decide on returns, extensions and policies.
    Approve,
    /// See pictures in which nothing was made unrecognisable, and photos sent with reports.
    Originals,
    /// Read the audit log.
    Audit,
    /// Change what the city is made of: zones, cameras.
    Configure,
    /// Make users, change their roles, end their tokens.
    Users,
}

impl Permission {
    /// Every permission, in their order.
    pub const ALL: [Self; 9] = [
        Self::View,
        Self::Report,
        Self::Act,
        Self::Verdict,
        Self::Approve,
        Self::Originals,
        Self::Audit,
        Self::Configure,
        Self::Users,
    ];

    /// Its name, as scopes of tokens have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Report => "report",
            Self::Act => "act",
            Self::Verdict => "verdict",
            Self::Approve => "approve",
            Self::Originals => "originals",
            Self::Audit => "audit",
            Self::Configure => "configure",
            Self::Users => "users",
        }
    }

    /// The permission of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|permission| permission.name() == name)
    }
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions(u16);

impl Permissions {
    /// None.
    pub const NONE: Self = Self(0);
    /// Every one.
    pub const ALL: Self = Self((1 << Permission::ALL.len()) - 1);

    /// Whether a permission is among them.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & (1 << permission as u16) != 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether every one of these is among `other`.
    #[must_use]
    pub const fn are_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// Each of them, in their order.
    pub fn iter(self) -> impl Iterator<Item = Permission> {
        Permission::ALL.into_iter().filter(move |permission| self.has(*permission))
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(permissions: I) -> Self {
        Self(permissions.into_iter().fold(0, |set, permission| set | 1 << permission as u16))
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().map(Permission::name).collect::<Vec<_>>().join(","))
    }
}

/// What a user is. Each role may do all that the one before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Looks.
    Viewer,
    /// Works cases.
    Operator,
    /// Decides.
    Supervisor,
    /// Runs the installation.
    Admin,
}

impl Role {
    /// Every role, in their order.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Supervisor, Self::Admin];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What it may do.
    #[must_use]
    pub fn permissions(self) -> Permissions {
        use Permission::{Act, Approve, Audit, Configure, Originals, Report, Users, Verdict, View};
        let set: &[Permission] = match self {
            Self::Viewer => &[View],
            Self::Operator => &[View, Report, Act, Verdict],
            Self::Supervisor => &[View, Report, Act, Verdict, Approve, Originals, Audit],
            Self::Admin => &[View, Report, Act, Verdict, Approve, Originals, Audit, Configure, Users],
        };
        set.iter().copied().collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::from_name(name).ok_or_else(|| "a role is viewer, operator, supervisor or admin".to_owned())
    }
}

/// What an action on a case needs.
#[must_use]
pub const fn needed_for(action: CaseAction) -> Permission {
    match action {
        CaseAction::ApproveReturn | CaseAction::RejectReturn | CaseAction::Extend => Permission::Approve,
        _ => Permission::Act,
    }
}

/// Whether somebody may do this with a case.
///
/// # Errors
/// [`PeopleError::Forbidden`] when he may not.
pub fn may_act(actor: &Actor, action: CaseAction) -> Result<(), PeopleError> {
    match needed_for(action) {
        needed if actor.may(needed) => Ok(()),
        Permission::Approve => Err(PeopleError::Forbidden("this needs the permission 'approve'")),
        _ => Err(PeopleError::Forbidden("this needs the permission 'act'")),
    }
}

/// Whether somebody may do this with a policy: what brings it into force or takes it back needs more than a draft.
///
/// # Errors
/// [`PeopleError::Forbidden`] when he may not.
pub fn may_do(actor: &Actor, action: PolicyAction) -> Result<(), PeopleError> {
    let needed = match action {
        PolicyAction::Approve | PolicyAction::GoLive | PolicyAction::RollBack => Permission::Approve,
        PolicyAction::Edit | PolicyAction::Shadow | PolicyAction::Redraft | PolicyAction::Discard => {
            Permission::Verdict
        }
    };
    match needed {
        needed if actor.may(needed) => Ok(()),
        Permission::Approve => Err(PeopleError::Forbidden("this needs the permission 'approve'")),
        _ => Err(PeopleError::Forbidden("this needs the permission 'verdict'")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_all_that_the_one_before_may_and_admin_may_everything() {
        for pair in Role::ALL.windows(2) {
            assert!(pair[0].permissions().are_within(pair[1].permissions()));
            assert_ne!(pair[0].permissions(), pair[1].permissions());
        }
        assert_eq!(Role::Admin.permissions(), Permissions::ALL);
        for permission in Permission::ALL {
            assert_eq!(Permission::from_name(permission.name()), Some(permission));
        }
    }
}
