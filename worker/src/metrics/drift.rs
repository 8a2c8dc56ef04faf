//! Gauges of the differences between users here and at the provider, as of the last comparison.

use std::fmt;

use guestlist_domain::{Drift, Reconciliation, RepairAction};
use jiff::Timestamp;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode_registry;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftLabels {
    kind: &'static str,
}

/// Encodes the gauges without the end marker, or nothing without a comparison.
pub fn encode_drift(last: Option<&Reconciliation>, now: Timestamp, to: &mut String) -> fmt::Result {
    let Some(last) = last else { return Ok(()) };
    let mut registry = Registry::with_prefix("guestlist");
    let users = Family::<DriftLabels, Gauge>::default();
    for kind in Drift::ALL {
        let left = i64::try_from(last.count(*kind).left()).unwrap_or(i64::MAX);
        users.get_or_create(&DriftLabels { kind: kind.as_str() }).set(left);
    }
    let help = "Users that still differ from Stytch after the last comparison";
    registry.register("drift_users", help, users);
    let refused = Gauge::<i64>::default();
    refused.set(i64::from(last.repair_action == RepairAction::Refused));
    let help = "Whether the last comparison repaired nothing because too many users differed";
    registry.register("drift_refused", help, refused);
    let age = Gauge::<i64>::default();
    age.set(now.duration_since(last.finished_at).as_secs().max(0));
    let help = "Time since the last comparison with Stytch";
    registry.register_with_unit("drift_age", help, Unit::Seconds, age);
    encode_registry(to, &registry)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use guestlist_domain::{DriftCount, ReconciliationId};

    use super::*;

    #[test]
    fn the_last_comparisons_differences_and_age_are_encoded() {
        let now: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let last = Reconciliation {
            id: ReconciliationId("019ab0c1-0000-7000-8000-000000000000".parse().unwrap()),
            started_at: now,
            finished_at: now,
            repair_action: RepairAction::Refused,
            users: 40,
            identities: 30,
            counts: BTreeMap::from([(Drift::Gone, DriftCount { found: 12, repaired: 2 })]),
        };
        let mut text = String::new();
        encode_drift(Some(&last), now + Duration::from_secs(90), &mut text).unwrap();
        for line in [
            "guestlist_drift_users{kind=\"gone\"} 10",
            "guestlist_drift_users{kind=\"orphan\"} 0",
            "guestlist_drift_refused 1",
            "guestlist_drift_age_seconds 90",
        ] {
            assert!(text.lines().any(|encoded| encoded == line), "no {line} in\n{text}");
        }
        let mut nothing = String::new();
        encode_drift(None, now, &mut nothing).unwrap();
        assert_eq!(nothing, "");
    }
}
