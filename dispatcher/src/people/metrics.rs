//! What is counted of people.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

type Labels = [(&'static str, &'static str); 1];

/// How an attempt to sign in ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SignInOutcome {
    Ok,
    Wrong,
    Throttled,
    /// The provider does not answer.
    Silent,
}

/// Why a request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// Nobody has signed in.
    Unknown,
    /// Whoever it is may not.
    Forbidden,
    /// It came from a page of another site, or does not carry what the session's forms carry.
    Foreign,
    /// No rule says who may do it.
    NoRule,
}

impl Turned {
    const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Forbidden => "forbidden",
            Self::Foreign => "foreign",
            Self::NoRule => "no_rule",
        }
    }
}

/// Counters of people; cloning clones a handle.
#[derive(Debug, Clone, Default)]
pub(crate) struct PeopleMetrics {
    sign_ins: Family<Labels, Counter>,
    turned_away: Family<Labels, Counter>,
    audit_rows: Counter,
    audit_lost: Counter,
}

impl PeopleMetrics {
    pub(crate) fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "citybrain_sign_ins",
            "Attempts to sign in, by outcome: ok, wrong, throttled, silent (the provider)",
            metrics.sign_ins.clone(),
        );
        registry.register(
            "citybrain_requests_turned_away",
            "Requests turned away at the gate, by reason",
            metrics.turned_away.clone(),
        );
        registry.register(
            "citybrain_audit_rows",
            "Rows written into the audit log",
            metrics.audit_rows.clone(),
        );
        registry.register(
            "citybrain_audit_rows_lost",
            "Rows that could not be written into the audit log",
            metrics.audit_lost.clone(),
        );
        for outcome in ["ok", "wrong", "throttled", "silent"] {
            drop(metrics.sign_ins.get_or_create(&[("outcome", outcome)]));
        }
        metrics
    }

    pub(super) fn sign_in(&self, outcome: SignInOutcome) {
        let outcome = match outcome {
            SignInOutcome::Ok => "ok",
            SignInOutcome::Wrong => "wrong",
            SignInOutcome::Throttled => "throttled",
            SignInOutcome::Silent => "silent",
        };
        self.sign_ins.get_or_create(&[("outcome", outcome)]).inc();
    }

    pub(super) fn turned_away(&self, reason: Turned) {
        self.turned_away.get_or_create(&[("reason", reason.name())]).inc();
    }

    pub(super) fn audited(&self, written: bool) {
        if written {
            self.audit_rows.inc()
        } else {
            self.audit_lost.inc()
        };
    }
}
