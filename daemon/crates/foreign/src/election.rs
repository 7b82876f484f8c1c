//! Which of the servers on one etcd runs the controllers: who holds a key with a lease.
//!
//! Knows nothing about controllers. Invariant: whoever believes to lead has heard from etcd within
//! a time shorter than its lease.

use std::net::IpAddr;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures_util::stream;
use skerry_proto::etcdserverpb as pb;
use tokio::time::{Instant, sleep};
use tonic::Status;

use crate::datastore::{Foreign, absent_then_put, range_in};
use crate::limits::{LEADS_TIME_MAX, LEASE_PAUSE, LEASE_SECONDS, PROBE_TIME_MAX, SERVERS_MAX};

const LEADER: &[u8] = b"/skerry/leader";
/// `<address>\n<notes>` by name.
const SERVERS: &str = "/skerry/servers/";
const SERVERS_END: &[u8] = b"/skerry/servers0";

/// A server that may lead.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Candidate {
    pub name: String,
    pub address: IpAddr,
    /// Told to the other servers, as long as this one is there.
    pub notes: String,
}

/// A server on this etcd, as it says itself.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Neighbour {
    pub name: String,
    pub address: IpAddr,
    pub notes: String,
    /// The revision since which it is there.
    pub since: i64,
}

impl Foreign {
    /// Stands for election until it is dropped.
    pub async fn stand(&self, me: &Candidate) {
        loop {
            // The time counts from before etcd was asked.
            let asked = Instant::now();
            let held = self.hold(me).await;
            match held {
                Ok(leads) => self.set_led_at(leads.then_some(asked)),
                Err(status) => {
                    let reason = status.message();
                    tracing::debug!(reason, "cannot ask the datastore who leads");
                }
            }
            self.pause().await;
        }
    }

    /// Until the lease is to be kept again, or nobody leads any more.
    async fn pause(&self) {
        let mut applied = self.applied.subscribe();
        let end = sleep(LEASE_PAUSE);
        tokio::pin!(end);
        loop {
            tokio::select! {
                () = &mut end => return,
                _ = applied.changed() => {
                    let view = self.reader().view();
                    if view.is_ok_and(|view| matches!(view.get(LEADER), Ok(None))) {
                        return;
                    }
                }
            }
        }
    }

    /// Stands no longer: another one leads at once. To be called once [`Foreign::stand`] is dropped.
    pub async fn retire(&self) {
        self.set_led_at(None);
        let id = self.lease.swap(0, Ordering::AcqRel);
        if id != 0 {
            let mut leases = self.leases();
            let revoke = leases.lease_revoke(pb::LeaseRevokeRequest { id });
            if let Err(status) = self.within(PROBE_TIME_MAX, revoke).await {
                let reason = status.message();
                tracing::debug!(reason, "the lease of this server ends by itself");
            }
        }
    }

    /// Whether this server leads.
    #[must_use]
    pub fn leads(&self) -> bool {
        let led_at = self.led_at.lock().unwrap_or_else(PoisonError::into_inner);
        led_at.is_some_and(|at| at.elapsed() < LEADS_TIME_MAX)
    }

    /// The addresses of the servers on this etcd, as the replica shows them.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let servers = self.neighbours();
        servers.into_iter().map(|server| server.address).collect()
    }

    /// The servers on this etcd, this one too, as the replica shows them.
    #[must_use]
    pub fn neighbours(&self) -> Vec<Neighbour> {
        let servers = pb::RangeRequest {
            key: Bytes::from_static(SERVERS.as_bytes()),
            range_end: Bytes::from_static(SERVERS_END),
            limit: SERVERS_MAX,
            ..pb::RangeRequest::default()
        };
        let Ok(view) = self.reader().view() else {
            return Vec::new();
        };
        let kvs = view.range(&servers).map(|range| range.kvs);
        let kvs = kvs.unwrap_or_default().into_iter();
        kvs.filter_map(|kv| {
            let name = std::str::from_utf8(&kv.key).ok()?.strip_prefix(SERVERS)?;
            let (address, notes) = std::str::from_utf8(&kv.value).ok()?.split_once('\n')?;
            Some(Neighbour {
                name: name.to_owned(),
                address: address.parse().ok()?,
                notes: notes.to_owned(),
                since: kv.create_revision,
            })
        })
        .collect()
    }

    fn set_led_at(&self, at: Option<Instant>) {
        *self.led_at.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// Keeps the lease and what hangs on it; true where this server leads.
    async fn hold(&self, me: &Candidate) -> Result<bool, Status> {
        let mut lease = self.lease.load(Ordering::Acquire);
        if lease != 0 && !self.keep(lease).await? {
            lease = 0;
        }
        if lease == 0 {
            self.set_led_at(None);
            let grant = pb::LeaseGrantRequest {
                ttl: LEASE_SECONDS,
                id: 0,
            };
            let mut leases = self.leases();
            let granted = self.asked(leases.lease_grant(grant)).await?.id;
            self.note(me, granted).await?;
            lease = granted;
            self.lease.store(lease, Ordering::Release);
        }
        let name = Bytes::from(me.name.clone());
        let txn = absent_then_put(Bytes::from_static(LEADER), name, lease);
        let answer = self.asked(self.keys().txn(txn)).await?;
        // The lease says whose it is: a name may be back after a restart.
        let mut ranges = answer.responses.into_iter().filter_map(range_in);
        let held = ranges.any(|range| range.kvs.iter().any(|kv| kv.lease == lease));
        Ok(answer.succeeded || held)
    }

    /// Notes this server under its lease, unless there is another one of its name.
    async fn note(&self, me: &Candidate, lease: i64) -> Result<(), Status> {
        let key = Bytes::from(format!("{SERVERS}{}", me.name));
        let value = Bytes::from(format!("{}\n{}", me.address, me.notes));
        let txn = absent_then_put(key.clone(), value.clone(), lease);
        let answer = self.asked(self.keys().txn(txn)).await?;
        if answer.succeeded {
            return Ok(());
        }
        let mut held = answer.responses.into_iter().filter_map(range_in);
        let held = held.find_map(|range| range.kvs.into_iter().next());
        let address = format!("{}\n", me.address);
        if held.is_some_and(|kv| !kv.value.starts_with(address.as_bytes())) {
            return Err(Status::already_exists("another server has this one's name"));
        }
        // What this server was before it was started again.
        let put = pb::PutRequest {
            key,
            value,
            lease,
            ..pb::PutRequest::default()
        };
        self.asked(self.keys().put(put)).await.map(drop)
    }

    /// False where the lease has ended.
    async fn keep(&self, id: i64) -> Result<bool, Status> {
        let once = stream::iter([pb::LeaseKeepAliveRequest { id }]);
        let mut leases = self.leases();
        let mut answers = self.asked(leases.lease_keep_alive(once)).await?;
        let answer = async { answers.message().await.map(tonic::Response::new) };
        let answer = self.asked(answer).await?;
        Ok(answer.is_some_and(|answer| answer.ttl > 0))
    }
}
