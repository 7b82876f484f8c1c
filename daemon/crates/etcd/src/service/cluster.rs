//! Cluster: the members of the Raft group.

use skerry_consensus::{Member, ProposeError};
use skerry_proto::etcdserverpb as pb;
use tonic::Status;

use crate::api::Api;
use crate::errors;
use crate::limits::MEMBER_URLS_MAX;
use crate::urls;
use crate::who::Who;

impl Api {
    pub(crate) async fn member_add(
        &self,
        who: &Who,
        request: pb::MemberAddRequest,
    ) -> Result<pb::MemberAddResponse, Status> {
        let peer_urls = peer_urls(&request.peer_ur_ls)?;
        self.permit_admin(who).await?;
        let added = self
            .handle
            .member_add(peer_urls.clone(), request.is_learner);
        let (id, members) = changed(added.await)?;
        Ok(pb::MemberAddResponse {
            header: Some(self.cluster_header()),
            member: Some(pb::Member {
                id,
                peer_ur_ls: peer_urls,
                is_learner: request.is_learner,
                ..Default::default()
            }),
            members: shown(&members),
        })
    }

    pub(crate) async fn member_remove(
        &self,
        who: &Who,
        request: pb::MemberRemoveRequest,
    ) -> Result<pb::MemberRemoveResponse, Status> {
        self.permit_admin(who).await?;
        let (_, members) = changed(self.handle.member_remove(request.id).await)?;
        Ok(pb::MemberRemoveResponse {
            header: Some(self.cluster_header()),
            members: shown(&members),
        })
    }

    pub(crate) async fn member_update(
        &self,
        who: &Who,
        request: pb::MemberUpdateRequest,
    ) -> Result<pb::MemberUpdateResponse, Status> {
        self.permit_admin(who).await?;
        // Who it is about comes before what is said about it.
        if !self
            .status()
            .members
            .iter()
            .any(|(id, ..)| *id == request.id)
        {
            return Err(errors::MEMBER_NOT_FOUND.into());
        }
        let peer_urls = peer_urls(&request.peer_ur_ls)?;
        let (_, members) = changed(self.handle.member_update(request.id, peer_urls).await)?;
        Ok(pb::MemberUpdateResponse {
            header: Some(self.cluster_header()),
            members: shown(&members),
        })
    }

    pub(crate) async fn member_list(
        &self,
        who: &Who,
        request: pb::MemberListRequest,
    ) -> Result<pb::MemberListResponse, Status> {
        if request.linearizable {
            self.linearize().await?;
        }
        self.require_user(who).await?;
        Ok(pb::MemberListResponse {
            header: Some(self.cluster_header()),
            members: shown(&self.status().members),
        })
    }

    pub(crate) async fn member_promote(
        &self,
        who: &Who,
        request: pb::MemberPromoteRequest,
    ) -> Result<pb::MemberPromoteResponse, Status> {
        self.permit_admin(who).await?;
        let (_, members) = changed(self.handle.member_promote(request.id).await)?;
        Ok(pb::MemberPromoteResponse {
            header: Some(self.cluster_header()),
            members: shown(&members),
        })
    }

    /// Answers about members carry no revision.
    fn cluster_header(&self) -> pb::ResponseHeader {
        self.header_at(0)
    }
}

/// Members as clients see them.
fn shown(members: &[(u64, Member, bool)]) -> Vec<pb::Member> {
    let show = |(id, member, learner): &(u64, Member, bool)| pb::Member {
        id: *id,
        name: member.name.clone(),
        peer_ur_ls: member.peer_urls.clone(),
        client_ur_ls: member.client_urls.clone(),
        is_learner: *learner,
    };
    members.iter().map(show).collect()
}

fn changed<T>(outcome: Result<T, ProposeError>) -> Result<T, Status> {
    outcome.map_err(|error| errors::propose(&error))
}

/// The URLs of a request, in order, or etcd's refusal.
fn peer_urls(texts: &[String]) -> Result<Vec<String>, Status> {
    if texts.is_empty() || texts.len() > MEMBER_URLS_MAX {
        return Err(errors::BAD_MEMBER_URLS.into());
    }
    let urls = texts
        .iter()
        .map(|text| urls::peer_url(text))
        .collect::<Option<Vec<_>>>();
    let mut urls = urls.ok_or_else(|| Status::from(errors::BAD_MEMBER_URLS))?;
    urls.sort_unstable();
    Ok(urls)
}
