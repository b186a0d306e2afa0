//! What may be done with a policy, and by whom.

use super::PolicyRecord;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$of])* $variant,)* }

        impl $name {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, as in the API and in the store.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// By its name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}
pub(crate) use named;

named! {
    /// How far a policy has come.
    PolicyState {
        /// Being written.
        Draft = "draft",
        /// Runs beside the one in force, and files nothing.
        Shadow = "shadow",
        /// A second person has agreed.
        Approved = "approved",
        /// In force.
        Live = "live",
        /// Was in force, until another took its place.
        Superseded = "superseded",
        /// Was in force, and taken back.
        RolledBack = "rolled_back",
        /// Given up before it was in force.
        Discarded = "discarded",
    }
}

named! {
    /// What is done with a policy.
    PolicyAction {
        /// Its numbers or its title are written.
        Edit = "edit",
        /// It begins to run beside the one in force.
        Shadow = "shadow",
        /// Back to writing.
        Redraft = "redraft",
        /// A second person agrees.
        Approve = "approve",
        /// It takes the place of the one in force.
        GoLive = "go_live",
        /// What was in force before it is in force again.
        RollBack = "roll_back",
        /// It is given up.
        Discard = "discard",
    }
}

/// Why an action is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not in this state.
    #[error("'{action}' is not possible for a policy that is {state}; possible are: {possible}", action = .action.name(), state = .state.name())]
    NotNow {
        /// What was asked for.
        action: PolicyAction,
        /// How it stands.
        state: PolicyState,
        /// What is possible, by commas.
        possible: String,
    },
    /// Whoever has written at it may not approve it.
    #[error("{0} has written this policy: a second person has to approve it")]
    OwnWork(String),
    /// What it would do must be said yes to.
    #[error("{0}; look at the numbers and confirm")]
    Unconfirmed(String),
}

/// What may be done in a state.
#[must_use]
pub const fn possible(state: PolicyState) -> &'static [PolicyAction] {
    use PolicyAction::{Approve, Discard, Edit, GoLive, Redraft, RollBack, Shadow};
    match state {
        PolicyState::Draft => &[Edit, Shadow, Discard],
        PolicyState::Shadow => &[Approve, Redraft, Discard],
        PolicyState::Approved => &[GoLive, Redraft, Discard],
        PolicyState::Live => &[RollBack],
        PolicyState::Superseded | PolicyState::RolledBack | PolicyState::Discarded => &[],
    }
}

/// The state that an action by `by` leads to.
///
/// # Errors
/// [`Refusal`] when the state does not allow it, or the person.
pub fn next(record: &PolicyRecord, action: PolicyAction, by: &str) -> Result<PolicyState, Refusal> {
    let state = record.state;
    if !possible(state).contains(&action) {
        let names: Vec<_> = possible(state).iter().map(|action| action.name()).collect();
        let possible = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(Refusal::NotNow { action, state, possible });
    }
    if action == PolicyAction::Approve && record.is_written_by(by) {
        return Err(Refusal::OwnWork(by.to_owned()));
    }
    Ok(match action {
        PolicyAction::Edit | PolicyAction::Redraft => PolicyState::Draft,
        PolicyAction::Shadow => PolicyState::Shadow,
        PolicyAction::Approve => PolicyState::Approved,
        PolicyAction::GoLive => PolicyState::Live,
        PolicyAction::RollBack => PolicyState::RolledBack,
        PolicyAction::Discard => PolicyState::Discarded,
    })
}
