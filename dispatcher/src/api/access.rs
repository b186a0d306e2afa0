//! Who may ask which route of the API. A route that is not here is refused to everybody.

use crate::people::Permission::{Act, Audit, Originals, Report, Users, View};
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
    ("POST", "/api/v1/reports", May(Report)),
    ("GET", "/snapshots/{*path}", May(View)),
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
