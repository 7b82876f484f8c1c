//! One of the two servers a script is sent to: sends each step, and says what came back as text
//! that must be equal on both sides.

use crate::normal::Normalise;
use crate::resolve::Known;
use crate::script::{Request, Step};
use anyhow::Result;
use skerry_tests_harness::{Client, Cluster};
use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;
use tokio_stream::StreamExt;
use tonic::transport::Channel;
use tonic::{Response, Status};

/// No request of a script takes longer on a working server.
pub(crate) const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// See the module.
pub struct Side {
    channels: Vec<Channel>,
    tokens: HashMap<String, String>,
    compacted: bool,
    /// What placeholders stand for here.
    pub known: Known,
}

/// What came back: normalised responses, or a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome(pub String);

impl Outcome {
    pub(crate) fn of<T: Debug + Normalise>(
        result: Result<Response<T>, Status>,
        known: &mut Known,
    ) -> Self {
        match result {
            Ok(response) => {
                let mut response = response.into_inner();
                response.normalise(known);
                Self(format!("{response:#?}"))
            }
            Err(status) => Self::failed(&status),
        }
    }

    pub(crate) fn failed(status: &Status) -> Self {
        Self(format!("{:?}: {}", status.code(), status.message()))
    }
}

impl Outcome {
    /// Whether the server went away rather than answered.
    pub(crate) fn is_broken_connection(&self) -> bool {
        [
            "Unavailable: Connection re",
            "DeadlineExceeded: progress",
            "Unknown: transport error",
            "no answer within",
        ]
        .iter()
        .any(|broken| self.0.contains(broken))
    }
}

impl Side {
    /// Steps go to the members of `cluster` as the caller of [`Side::run`] says.
    pub fn new(cluster: &Cluster) -> Result<Self> {
        let channels = cluster
            .members
            .iter()
            .map(|member| member.channel())
            .collect::<Result<Vec<_>>>()?;
        Ok(Self {
            channels,
            tokens: HashMap::new(),
            compacted: false,
            known: Known::default(),
        })
    }

    /// Sends `step` to the member number `turn` (modulo their count).
    pub async fn run(&mut self, step: &Step, turn: usize) -> Outcome {
        let channel = self.channels[turn % self.channels.len()].clone();
        let token = step
            .user
            .as_ref()
            .and_then(|user| self.tokens.get(user))
            .map(String::as_str);
        let client = Client::with_token(channel, token);
        if self.channels.len() > 1 {
            catch_up(&client).await;
        }
        let request = self.known.resolve(step.request.clone());
        match tokio::time::timeout(ANSWER_DEADLINE, self.send(client, request)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome(format!("no answer within {ANSWER_DEADLINE:?}")),
        }
    }

    async fn send(&mut self, client: Client, request: Request) -> Outcome {
        match request {
            Request::Watch(watching) => {
                crate::watching::watch(client, watching, &mut self.known).await
            }
            Request::LeaseExpiry { id, keys } => {
                crate::watching::lease_expiry(client, id, keys, &mut self.known).await
            }
            Request::LeaseKeepAlive(ids) => self.keep_alive(client, ids).await,
            Request::Authenticate(request) => {
                let (mut client, name) = (client, request.name.clone());
                let result = client.auth.authenticate(request).await;
                if let Ok(response) = &result {
                    self.tokens.insert(name, response.get_ref().token.clone());
                }
                Outcome::of(result, &mut self.known)
            }
            Request::LeaseGrant(request) => {
                let (mut client, chosen) = (client, request.id == 0);
                let result = client.lease.lease_grant(request).await;
                if let Ok(response) = &result
                    && chosen
                {
                    self.known.leases.push(response.get_ref().id);
                }
                Outcome::of(result, &mut self.known)
            }
            Request::Compact(request) => {
                let mut client = client;
                let result = client.kv.compact(request).await;
                self.compacted |= result.is_ok();
                Outcome::of(result, &mut self.known)
            }
            // From a compaction on, etcd answers with the hashes it kept for its own checks.
            Request::HashKv(_) if self.compacted => Outcome("not asked".into()),
            unary => crate::requests::send(client, unary, &mut self.known).await,
        }
    }

    async fn keep_alive(&mut self, mut client: Client, ids: Vec<i64>) -> Outcome {
        use skerry_tests_harness::proto::etcdserverpb as pb;
        let count = ids.len();
        // The requests end the sending half; the server answers them all before it ends its own.
        let requests =
            tokio_stream::iter(ids.into_iter().map(|id| pb::LeaseKeepAliveRequest { id }));
        let mut responses = match client.lease.lease_keep_alive(requests).await {
            Ok(response) => response.into_inner(),
            Err(status) => return Outcome::failed(&status),
        };
        let mut text = String::new();
        for _ in 0..count {
            match responses.next().await {
                Some(Ok(response)) => {
                    text += &Outcome::of(Ok(Response::new(response)), &mut self.known).0;
                }
                Some(Err(status)) => return Outcome(text + &Outcome::failed(&status).0),
                None => return Outcome(text + "end of stream"),
            }
        }
        Outcome(text)
    }
}

/// Lets a member see what was acknowledged by another one before: etcd promises no more.
async fn catch_up(client: &Client) {
    use skerry_tests_harness::proto::etcdserverpb as pb;
    // Of all linearizable requests the one that asks before it judges who asks.
    let request = pb::MemberListRequest { linearizable: true };
    let _ = client.clone().cluster.member_list(request).await;
}
