//! Whom the claims of a provider make.

use crate::people::oidc::provider::Told;
use crate::people::users::{check_outside_name, fresh};
use crate::people::{People, PeopleError, Role, User, Why, note};
use crate::store::UserChange;
use citybrain_ingest_config::resolved::{Oidc, Rank};
use serde_json::{Map, Value};

/// Values of a role claim that are looked at; more are taken for a mistake of the provider.
const MAX_VALUES: usize = 1_000;

/// The claim of that name, or below a dotted path of names.
fn claim<'c>(claims: &'c Map<String, Value>, name: &str) -> Option<&'c Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut steps = name.split('.');
    let first = claims.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(step))
}

/// Whether the claims say all that is asked of them.
pub(super) fn say_enough(oidc: &Oidc, claims: &Map<String, Value>) -> bool {
    claim(claims, &oidc.name_claim).is_some() && claim(claims, &oidc.role_claim).is_some()
}

const fn role_of(rank: Rank) -> Role {
    match rank {
        Rank::Viewer => Role::Viewer,
        Rank::Operator => Role::Operator,
        Rank::Supervisor => Role::Supervisor,
        Rank::Admin => Role::Admin,
    }
}

/// The highest role that the claims give, the default without any; `None` refuses.
pub(super) fn role(oidc: &Oidc, claims: &Map<String, Value>) -> Option<Role> {
    let rank = |value: &Value| value.as_str().and_then(|text| oidc.ranks.get(text).copied());
    let best = match claim(claims, &oidc.role_claim) {
        Some(Value::Array(values)) => values.iter().take(MAX_VALUES).filter_map(rank).max(),
        Some(value) => rank(value),
        None => None,
    };
    best.or(oidc.default).map(role_of)
}

impl People {
    /// A user who comes again: his role is what the provider says now.
    pub(super) async fn follow_claims(&self, user: User, role: Role) -> Result<User, PeopleError> {
        if user.role == role {
            return Ok(user);
        }
        let change = UserChange { role: Some(role), ..UserChange::default() };
        self.0.store.change_user(&user.id, &change, self.now()).await?;
        note("user.role", &user.name, format!("from {} to {role}, by the provider", user.role));
        Ok(User { role, ..user })
    }

    /// Somebody who comes for the first time.
    pub(super) async fn first_seen(&self, oidc: &Oidc, told: &Told, role: Role) -> Result<User, PeopleError> {
        let refused = |why: Why| Err(PeopleError::Refused(why));
        let name = claim(&told.claims, &oidc.name_claim).and_then(Value::as_str).unwrap_or_default();
        if check_outside_name(name).is_err() {
            return refused(Why::OidcName);
        }
        let Some((user, _)) = self.0.store.user_named(name).await? else {
            let user = User { outside: true, ..fresh(name, role, self.now())? };
            if !self.0.store.add_user_of(&user, &oidc.issuer, &told.subject).await? {
                return refused(Why::OidcNameTaken);
            }
            note("user.add", &user.name, format!("as {role}, by the provider"));
            return Ok(user);
        };
        if !oidc.link_by_name || user.outside || user.disabled {
            return refused(if user.disabled { Why::OidcShutOut } else { Why::OidcNameTaken });
        }
        if !self.0.store.hand_over_user(&user.id, &oidc.issuer, &told.subject, self.now()).await? {
            return refused(Why::OidcNameTaken);
        }
        note("user.link", &user.name, "to the provider; the password and every session are gone");
        self.follow_claims(User { outside: true, ..user }, role).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn oidc(role_claim: &str, default: Option<Rank>) -> Oidc {
        let ranks = [("city-duty", Rank::Operator), ("city-chiefs", Rank::Supervisor)];
        Oidc {
            issuer: "https://id.example".to_owned(),
            client_id: "citybrain".to_owned(),
            client_secret: None,
            scopes: vec![],
            redirect_base: None,
            name_claim: "preferred_username".to_owned(),
            role_claim: role_claim.to_owned(),
            ranks: ranks.into_iter().map(|(group, rank)| (group.to_owned(), rank)).collect(),
            default,
            link_by_name: false,
            label: String::new(),
        }
    }

    fn role_by(role_claim: &str, default: Option<Rank>, claims: &Value) -> Option<Role> {
        role(&oidc(role_claim, default), claims.as_object().unwrap())
    }

    #[test]
    fn the_highest_group_gives_the_role_and_whoever_has_none_is_refused() {
        let both = json!({ "groups": ["city-duty", "canteen", "city-chiefs"] });
        assert_eq!(role_by("groups", None, &both), Some(Role::Supervisor));
        assert_eq!(role_by("groups", None, &json!({ "groups": "city-duty" })), Some(Role::Operator));
        for none in
            [json!({}), json!({ "groups": ["canteen"] }), json!({ "groups": 7 }), json!({ "groups": null })]
        {
            assert_eq!(role_by("groups", None, &none), None, "{none}");
            assert_eq!(role_by("groups", Some(Rank::Viewer), &none), Some(Role::Viewer), "{none}");
        }
    }

    #[test]
    fn a_role_claim_lies_under_its_name_or_below_a_dotted_path() {
        let nested = json!({ "realm_access": { "roles": ["city-duty"] } });
        assert_eq!(role_by("realm_access.roles", None, &nested), Some(Role::Operator));
        let flat = json!({ "https://city.example/roles": ["city-chiefs"] });
        assert_eq!(role_by("https://city.example/roles", None, &flat), Some(Role::Supervisor));
        assert_eq!(role_by("realm_access.roles.first", None, &nested), None);
    }
}
