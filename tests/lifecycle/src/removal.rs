//! Removing a member as a client of etcd does it.

use std::time::{Duration, Instant};

use skerry_tests_harness::Client;
use skerry_tests_harness::proto::etcdserverpb as pb;
use tonic::Status;

/// How long a cluster may take until its leader has heard from every member.
const HEALTHY_DEADLINE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// Removes a member, once the cluster is healthy enough for that: a leader counts who has answered
/// a heartbeat lately, and says `unhealthy cluster` as etcd does until the newest one has.
pub async fn remove(client: &mut Client, id: u64) -> Result<pb::MemberRemoveResponse, Status> {
    let until = Instant::now() + HEALTHY_DEADLINE;
    loop {
        let asked = client.cluster.member_remove(pb::MemberRemoveRequest { id });
        match asked.await {
            Ok(response) => return Ok(response.into_inner()),
            Err(status)
                if status.message() == "etcdserver: unhealthy cluster"
                    && Instant::now() < until =>
            {
                tokio::time::sleep(POLL).await;
            }
            Err(status) => return Err(status),
        }
    }
}
