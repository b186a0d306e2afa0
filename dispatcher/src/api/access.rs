//! Who may ask which route of the API. A route that is not here is refused to everybody.

use crate::people::Permission::{Act, Approve, Audit, Originals, Report, Users, Verdict, View};
use crate::people::gate::Rule;
use crate::people::gate::Who::{Anyone, May, SignedIn};

/// The table. What is said to approve is asked for beside it, by action.
pub(super) const TABLE: &[Rule] = &[
    // A supervisor, a scraper and residents' systems have never signed in.
    ("GET", "/healthz", Anyone),
    ("GET", "/readyz", Anyone),
    ("GET", "/metrics", Anyone),
    ("GET", "/open311/v2/services.json", Anyone),
    ("GET", "/open311/v2/requests.json", Anyone),
    ("POST", "/open311/v2/requests.json", Anyone),
    ("GET", "/open311/v2/services.xml", Anyone),
    ("GET", "/open311/v2/requests.xml", Anyone),
    ("POST", "/open311/v2/requests.xml", Anyone),
    ("GET", "/open311/v2/requests/{id}", Anyone),
    ("GET", "/api/v1/openapi.json", Anyone),
    ("GET", "/api/v1/appraisal", May(View)),
    ("GET", "/api/v1/cameras", May(View)),
    ("GET", "/api/v1/cases", May(View)),
    ("GET", "/api/v1/cases/{id}", May(View)),
    ("GET", "/api/v1/cases/{id}/why", May(View)),
    ("POST", "/api/v1/cases/{id}/actions", May(Act)),
    ("GET", "/api/v1/cases/{id}/cap", May(View)),
    ("GET", "/api/v1/deliveries", May(View)),
    ("POST", "/api/v1/deliveries/{key}/replay", May(Act)),
    ("POST", "/api/v1/destinations/{id}/replay", May(Act)),
    ("GET", "/api/v1/kinds", May(View)),
    ("GET", "/api/v1/events", May(View)),
    ("GET", "/api/v1/silences", May(View)),
    ("GET", "/api/v1/policies", May(View)),
    ("POST", "/api/v1/policies", May(Verdict)),
    ("GET", "/api/v1/policies/{id}", May(View)),
    ("PUT", "/api/v1/policies/{id}", May(Verdict)),
    // Approving, going live and rolling back ask for more, by action.
    ("POST", "/api/v1/policies/{id}/actions", May(Verdict)),
    ("GET", "/api/v1/policies/{id}/differences", May(View)),
    ("POST", "/api/v1/policies/{id}/forecast", May(Verdict)),
    ("POST", "/api/v1/what-if", May(Verdict)),
    ("GET", "/api/v1/review", May(Verdict)),
    ("POST", "/api/v1/verdicts", May(Verdict)),
    ("GET", "/api/v1/verdicts/{item}", May(View)),
    ("POST", "/api/v1/calibrations", May(Verdict)),
    ("POST", "/api/v1/silences", May(Approve)),
    ("GET", "/api/v1/silences/{id}", May(View)),
    ("POST", "/api/v1/silences/{id}/end", May(Approve)),
    ("POST", "/api/v1/reports", May(Report)),
    ("GET", "/snapshots/{*path}", May(View)),
    // The signature in the address is what lets in.
    ("GET", "/pictures/{*path}", Anyone),
    ("GET", "/originals/{*path}", May(Originals)),
    ("GET", "/api/v1/me", SignedIn),
    ("DELETE", "/api/v1/me/sessions", SignedIn),
    ("GET", "/api/v1/me/tokens", SignedIn),
    ("POST", "/api/v1/me/tokens", SignedIn),
    ("DELETE", "/api/v1/me/tokens/{id}", SignedIn),
    ("GET", "/api/v1/users", May(Users)),
    ("POST", "/api/v1/users", May(Users)),
    ("PATCH", "/api/v1/users/{id}", May(Users)),
    ("GET", "/api/v1/audit", May(Audit)),
    ("GET", "/api/v1/audit/verify", May(Audit)),
];

#[cfg(test)]
mod tests {
    use super::TABLE;
    use std::collections::BTreeSet;

    #[test]
    fn no_route_stands_in_the_table_twice_so_that_no_rule_hides_another() {
        let mut seen = BTreeSet::new();
        for (method, path, _) in TABLE {
            assert!(seen.insert((method, path)), "{method} {path} is there twice");
        }
    }
}
