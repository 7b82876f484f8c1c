//! PriorityLevelConfigurations: how many seats a level has, and what becomes of those who find none.

use std::sync::Arc;

use serde_json::Value;

use crate::limits::HAND_MAX;
use crate::schema::text;

/// The level without a limit.
pub(crate) const EXEMPT: &str = "exempt";
/// Where everybody belongs for whom there is no other place.
pub(crate) const CATCH_ALL: &str = "catch-all";

/// One PriorityLevelConfiguration.
#[derive(Debug, Clone)]
pub struct Level {
    pub(crate) name: Arc<str>,
    pub(crate) uid: Arc<str>,
    pub(crate) exempt: bool,
    pub(crate) shares: u32,
    /// Of a hundred of its seats, how many others may use.
    pub(crate) lendable: u32,
    /// How many seats it may use of others, by a hundred of its own; none: any number.
    pub(crate) borrowing: Option<u32>,
    /// None: who finds no seat is sent away.
    pub(crate) queuing: Option<Queuing>,
}

/// The queues of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Queuing {
    pub(crate) queues: u32,
    pub(crate) hand: u32,
    /// Requests that may wait in one queue.
    pub(crate) length: u32,
}

impl Level {
    /// Reads a PriorityLevelConfiguration object; `None` for one that contradicts itself.
    #[must_use]
    pub fn read(object: &Value) -> Option<Level> {
        let (metadata, spec) = (&object["metadata"], &object["spec"]);
        let name = text(&metadata["name"]);
        let exempt = match text(&spec["type"]) {
            "Exempt" => true,
            "Limited" => false,
            _ => return None,
        };
        let own = match exempt {
            true => &spec["exempt"],
            false => &spec["limited"],
        };
        if exempt != (name == EXEMPT) || !own.is_object() {
            return None;
        }
        let number = |of: &Value, field: &str, or: u32| match of[field].as_i64() {
            None => or,
            Some(number) => u32::try_from(number.max(0)).unwrap_or(u32::MAX),
        };
        let response = &own["limitResponse"];
        let queuing = match (exempt, text(&response["type"])) {
            (true, _) | (false, "Reject") => None,
            (false, "Queue") => {
                let queuing = &response["queuing"];
                let queues = number(queuing, "queues", 64).max(1);
                Some(Queuing {
                    queues,
                    hand: number(queuing, "handSize", 8).clamp(1, queues.min(HAND_MAX)),
                    length: number(queuing, "queueLengthLimit", 50).max(1),
                })
            }
            _ => return None,
        };
        Some(Level {
            name: name.into(),
            uid: text(&metadata["uid"]).into(),
            exempt,
            shares: number(own, "nominalConcurrencyShares", if exempt { 0 } else { 30 }),
            lendable: number(own, "lendablePercent", 0).min(100),
            borrowing: own["borrowingLimitPercent"]
                .as_i64()
                .map(|percent| u32::try_from(percent.max(0)).unwrap_or(u32::MAX)),
            queuing,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_contradicts_itself_is_no_level() {
        let level = |name: &str, spec: Value| {
            Level::read(&json!({"metadata": {"name": name}, "spec": spec}))
        };
        assert!(level("a", json!({"type": "Exempt", "exempt": {}})).is_none());
        assert!(level("exempt", json!({"type": "Exempt"})).is_none());
        assert!(level("exempt", json!({"type": "Exempt", "exempt": {}})).is_some());
        assert!(level("a", json!({"type": "Limited", "limited": {}})).is_none());
        let reject = json!({"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}});
        let reject = level("a", reject).unwrap();
        assert_eq!((reject.shares, reject.queuing), (30, None));
    }
}
