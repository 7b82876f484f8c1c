//! Alarms, and what they forbid.
//!
//! Invariant: the alarms in memory are the rows of the table, in order.

use redb::ReadableTable;
use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::AlarmType;
use skerry_proto::etcdserverpb::alarm_request::AlarmAction;

use super::Batch;
use crate::fault::Fault;
use crate::{ApplyError, Reply, quota, sealed, tables};

/// The alarms that are raised: type and member, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Alarms(Vec<(i32, u64)>);

impl Alarms {
    /// Reads the table.
    pub(crate) fn load(
        table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    ) -> Result<Alarms, Fault> {
        let mut alarms = Vec::new();
        for row in table.iter()? {
            let (row, seal) = row?;
            sealed::open(row.value(), seal.value())?;
            let alarm = tables::alarm_of_row(row.value());
            alarms.push(alarm.ok_or_else(|| Fault::corrupt("a row of the alarms"))?);
        }
        Ok(Alarms(alarms))
    }

    /// The alarms of a type; all of them for `NONE`.
    pub(crate) fn of(&self, alarm: i32) -> Vec<pb::AlarmMember> {
        let wanted = |raised: &&(i32, u64)| alarm == AlarmType::None as i32 || raised.0 == alarm;
        let to_member = |raised: &(i32, u64)| pb::AlarmMember {
            member_id: raised.1,
            alarm: raised.0,
        };
        self.0.iter().filter(wanted).map(to_member).collect()
    }

    fn raised(&self, alarm: AlarmType) -> bool {
        self.0.iter().any(|raised| raised.0 == alarm as i32)
    }

    /// Refuses what the raised alarms forbid.
    pub(super) fn permit(&self, operation: &Operation) -> Result<(), ApplyError> {
        if self.0.is_empty() {
            return Ok(());
        }
        if self.raised(AlarmType::Corrupt)
            && matches!(
                operation,
                Operation::Put(_)
                    | Operation::DeleteRange(_)
                    | Operation::Txn(_)
                    | Operation::Compaction(_)
                    | Operation::LeaseGrant(_)
                    | Operation::LeaseRevoke(_)
            )
        {
            return Err(ApplyError::Corrupt);
        }
        let grows = match operation {
            Operation::Put(_) | Operation::LeaseGrant(_) => true,
            Operation::Txn(txn) => quota::txn_cost_bytes(txn) > 0,
            _ => false,
        };
        if grows && self.raised(AlarmType::Nospace) {
            return Err(ApplyError::NoSpace);
        }
        Ok(())
    }
}

impl Batch<'_> {
    pub(super) fn alarm(&mut self, request: &pb::AlarmRequest) -> Result<Reply, Fault> {
        let unknown = |what: &str| ApplyError::UnknownCommand(format!("alarm {what}"));
        let action = AlarmAction::try_from(request.action).map_err(|_| unknown("action"))?;
        // To ask for a type that does not exist finds nothing; to raise it is refused.
        let alarm = AlarmType::try_from(request.alarm);
        let alarm = match action {
            AlarmAction::Activate => alarm.map_err(|_| unknown("type"))?,
            AlarmAction::Get | AlarmAction::Deactivate => alarm.unwrap_or(AlarmType::None),
        };
        let row = (request.alarm, request.member_id);
        let member = pb::AlarmMember {
            member_id: request.member_id,
            alarm: request.alarm,
        };
        let place = self.alarms.0.binary_search(&row);
        let encoded = tables::alarm_row(row.0, row.1);
        let alarms = match (action, place) {
            (AlarmAction::Get, _) => self.alarms.of(request.alarm),
            (AlarmAction::Activate, _) if alarm == AlarmType::None => Vec::new(),
            (AlarmAction::Activate, Ok(_)) => vec![member],
            (AlarmAction::Activate, Err(place)) => {
                self.alarms.0.insert(place, row);
                let mut table = self.txn.open_table(tables::ALARMS)?;
                table.insert(&encoded[..], &sealed::seal(&encoded, &[])[..])?;
                vec![member]
            }
            (AlarmAction::Deactivate, Ok(place)) => {
                self.alarms.0.remove(place);
                let mut table = self.txn.open_table(tables::ALARMS)?;
                table.remove(&encoded[..])?;
                vec![member]
            }
            (AlarmAction::Deactivate, Err(_)) => Vec::new(),
        };
        Ok(Reply::Alarm(pb::AlarmResponse {
            header: Some(pb::ResponseHeader::default()),
            alarms,
        }))
    }
}
