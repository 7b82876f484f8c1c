//! Maintenance: alarms, status, hashes, leadership.

use skerry_proto::command::command::Operation;
use skerry_proto::etcdserverpb as pb;
use skerry_proto::etcdserverpb::alarm_request::AlarmAction;
use skerry_proto::etcdserverpb::downgrade_request::DowngradeAction;
use skerry_store::Reply;
use tonic::Status;

use super::kv::unexpected;
use crate::api::Api;
use crate::who::Who;
use crate::{errors, version};

impl Api {
    /// All alarms that are raised, as this member knows them.
    pub(crate) fn alarms(&self) -> Result<Vec<pb::AlarmMember>, Status> {
        self.view()?.alarms().map_err(|error| errors::store(&error))
    }

    pub(crate) async fn alarm(
        &self,
        who: &Who,
        request: pb::AlarmRequest,
    ) -> Result<pb::AlarmResponse, Status> {
        match request.action() {
            AlarmAction::Get => self.require_user(who).await?,
            AlarmAction::Activate | AlarmAction::Deactivate => self.permit_admin(who).await?,
        }
        match self.propose(who, Operation::Alarm(request)).await? {
            Reply::Alarm(mut response) => {
                response.header = Some(self.header());
                Ok(response)
            }
            other => Err(unexpected(&other)),
        }
    }

    pub(crate) async fn maintenance_status(
        &self,
        who: &Who,
        _request: pb::StatusRequest,
    ) -> Result<pb::StatusResponse, Status> {
        // As of etcd 3.5.30; later ones let every user.
        self.permit_admin(who).await?;
        let status = self.status();
        let view = self.view()?;
        let mut errors = Vec::new();
        if status.leader.is_none() {
            errors.push(errors::NO_LEADER.1.to_owned());
        }
        errors.extend(self.alarms()?.iter().map(alarm_text));
        Ok(pb::StatusResponse {
            header: Some(self.header()),
            version: version::SERVER.to_owned(),
            db_size: view.size_bytes() as i64,
            leader: status.leader.unwrap_or(0),
            raft_index: self.handle.committed_index(),
            raft_term: status.term,
            raft_applied_index: self.handle.applied_index(),
            errors,
            db_size_in_use: view.size_in_use_bytes() as i64,
            is_learner: self.is_learner(&status),
        })
    }

    /// Pages that come free are used again, and what lies at the end of the file is given back with
    /// durable commits; the rest needs a copy of the file, which is made here, as in etcd while
    /// nothing is applied.
    pub(crate) async fn defragment(
        &self,
        who: &Who,
        _request: pb::DefragmentRequest,
    ) -> Result<pb::DefragmentResponse, Status> {
        self.permit_admin_untranslated(who).await?;
        let before = self.view()?.size_bytes();
        let outcome = self.handle.defragment().await;
        outcome.map_err(|error| Status::unknown(format!("defragment: {error}")))?;
        let after = self.view()?.size_bytes();
        tracing::info!(before, after, "defragmented: bytes of the state's file");
        Ok(pb::DefragmentResponse { header: None })
    }

    pub(crate) async fn hash(
        &self,
        who: &Who,
        _request: pb::HashRequest,
    ) -> Result<pb::HashResponse, Status> {
        self.permit_admin_untranslated(who).await?;
        let view = self.view()?;
        let revision = view.revision();
        let hash = tokio::task::spawn_blocking(move || view.hash())
            .await
            .map_err(joined)?;
        Ok(pb::HashResponse {
            header: Some(self.header_at(revision)),
            hash: hash.map_err(|error| errors::store(&error))?,
        })
    }

    pub(crate) async fn hash_kv(
        &self,
        who: &Who,
        request: pb::HashKvRequest,
    ) -> Result<pb::HashKvResponse, Status> {
        self.permit_admin_untranslated(who).await?;
        let view = self.view()?;
        let (revision, compact_revision) = (view.revision(), view.compact_revision());
        let hash = tokio::task::spawn_blocking(move || view.hash_kv(request.revision));
        let hash = hash
            .await
            .map_err(joined)?
            .map_err(|error| errors::query(&error))?;
        Ok(pb::HashKvResponse {
            header: Some(self.header_at(revision)),
            hash,
            compact_revision,
        })
    }

    pub(crate) async fn move_leader(
        &self,
        who: &Who,
        request: pb::MoveLeaderRequest,
    ) -> Result<pb::MoveLeaderResponse, Status> {
        self.permit_admin(who).await?;
        let status = self.status();
        if status.leader != Some(status.member_id) {
            return Err(errors::NOT_LEADER.into());
        }
        let moved = self.handle.transfer_leader(Some(request.target_id)).await;
        moved.map_err(|error| errors::propose(&error))?;
        Ok(pb::MoveLeaderResponse { header: None })
    }

    /// There is no older version that this state could be handed to, so none is a valid target
    /// and no downgrade is ever under way. A request is checked as etcd does.
    pub(crate) async fn downgrade(
        &self,
        who: &Who,
        request: pb::DowngradeRequest,
    ) -> Result<pb::DowngradeResponse, Status> {
        self.permit_admin(who).await?;
        match DowngradeAction::try_from(request.action) {
            Ok(DowngradeAction::Validate | DowngradeAction::Enable) => {
                if !is_version(&request.version) {
                    return Err(errors::WRONG_DOWNGRADE_VERSION.into());
                }
                self.linearize().await?;
                Err(errors::INVALID_DOWNGRADE_TARGET.into())
            }
            Ok(DowngradeAction::Cancel) => {
                self.linearize().await?;
                Err(errors::NO_INFLIGHT_DOWNGRADE.into())
            }
            Err(_) => Err(Status::unknown("etcdserver: unknown method")),
        }
    }
}

fn joined(error: tokio::task::JoinError) -> Status {
    Status::internal(format!("etcdserver: {error}"))
}

/// As gogo's protobuf prints an alarm.
fn alarm_text(alarm: &pb::AlarmMember) -> String {
    let mut text = String::new();
    if alarm.member_id != 0 {
        text.push_str(&format!("memberID:{} ", alarm.member_id));
    }
    if alarm.alarm != 0 {
        text.push_str(&format!("alarm:{} ", alarm.alarm().as_str_name()));
    }
    text
}

/// Whether a text is a version: `major.minor`, or `major.minor.patch`.
fn is_version(text: &str) -> bool {
    let parts: Vec<_> = text.split('.').collect();
    let number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    (2..=3).contains(&parts.len()) && parts.iter().all(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_is_printed_as_etcd_prints_it() {
        let alarm = pb::AlarmMember {
            member_id: 7,
            alarm: pb::AlarmType::Nospace.into(),
        };
        assert_eq!(alarm_text(&alarm), "memberID:7 alarm:NOSPACE ");
    }

    #[test]
    fn a_version_has_two_or_three_numbers() {
        for good in ["3.4", "3.4.0", "10.20.30"] {
            assert!(is_version(good), "{good}");
        }
        for bad in ["", "3", "3.", ".4", "3.4.0.1", "3.x", "v3.4"] {
            assert!(!is_version(bad), "{bad}");
        }
    }
}
