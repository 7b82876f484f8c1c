//! What the supervisor asks of the cluster: few enough things that a test can play it.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use skerry_consensus::{ProposeError, ReadError, Status};

/// A key that changes, and others with it: all of it is done, or nothing.
#[derive(Debug, Clone)]
pub struct Swap {
    /// The key.
    pub key: String,
    /// What it must hold; none: it must not be there.
    pub before: Option<Bytes>,
    /// What it will hold.
    pub after: Bytes,
    /// What is put besides.
    pub put: Vec<(String, Bytes)>,
    /// What is deleted besides, where it is there.
    pub delete: Vec<String>,
}

/// The replicated cluster, as seen from this node.
pub trait Cluster: Send + Sync + 'static {
    /// What this node knows of the cluster now.
    fn status(&self) -> Arc<Status>;

    /// Whether the local store answers reads; why not otherwise.
    fn store_serves(&self) -> Result<(), String>;

    /// Counters that move while the threads of consensus, log and store live.
    fn pulses(&self) -> [u64; 3];

    /// Waits until all that was committed before the call is applied here.
    fn linearize(&self) -> impl Future<Output = Result<(), ReadError>> + Send;

    /// Adds a member that gets a vote once it has caught up; answers its new id. The leader gives
    /// each name once, whichever server is asked.
    fn add_member(
        &self,
        name: String,
        peer_urls: Vec<String>,
    ) -> impl Future<Output = Result<u64, ProposeError>> + Send;

    /// Removes a member for good.
    fn remove_member(&self, id: u64) -> impl Future<Output = Result<(), ProposeError>> + Send;

    /// Removes a member for good, unless it was heard of lately.
    fn displace_member(&self, id: u64) -> impl Future<Output = Result<(), ProposeError>> + Send;

    /// The hash that a member has told of its node's password; empty where it told none.
    fn password_hash(&self, id: u64) -> Result<String, String>;

    /// The value of a key in this node's store.
    fn get(&self, key: &str) -> Result<Option<Bytes>, String>;

    /// Puts a key that is not there yet, and leaves one that is.
    fn put_if_absent(
        &self,
        key: &str,
        value: Bytes,
    ) -> impl Future<Output = Result<(), ProposeError>> + Send;

    /// Changes a key if it holds what is expected; false where it does not.
    fn swap(&self, swap: Swap) -> impl Future<Output = Result<bool, ProposeError>> + Send;
}

impl<C: Cluster> Cluster for Arc<C> {
    fn status(&self) -> Arc<Status> {
        C::status(self)
    }

    fn store_serves(&self) -> Result<(), String> {
        C::store_serves(self)
    }

    fn pulses(&self) -> [u64; 3] {
        C::pulses(self)
    }

    fn linearize(&self) -> impl Future<Output = Result<(), ReadError>> + Send {
        C::linearize(self)
    }

    fn add_member(
        &self,
        name: String,
        peer_urls: Vec<String>,
    ) -> impl Future<Output = Result<u64, ProposeError>> + Send {
        C::add_member(self, name, peer_urls)
    }

    fn remove_member(&self, id: u64) -> impl Future<Output = Result<(), ProposeError>> + Send {
        C::remove_member(self, id)
    }

    fn displace_member(&self, id: u64) -> impl Future<Output = Result<(), ProposeError>> + Send {
        C::displace_member(self, id)
    }

    fn password_hash(&self, id: u64) -> Result<String, String> {
        C::password_hash(self, id)
    }

    fn get(&self, key: &str) -> Result<Option<Bytes>, String> {
        C::get(self, key)
    }

    fn put_if_absent(
        &self,
        key: &str,
        value: Bytes,
    ) -> impl Future<Output = Result<(), ProposeError>> + Send {
        C::put_if_absent(self, key, value)
    }

    fn swap(&self, swap: Swap) -> impl Future<Output = Result<bool, ProposeError>> + Send {
        C::swap(self, swap)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use skerry_consensus::{Member, Role};

    use super::*;

    pub(crate) const CLUSTER_ID: u64 = 0xc0ffee;

    pub(crate) fn member(name: &str, peer_url: &str) -> Member {
        Member {
            name: name.into(),
            peer_urls: vec![peer_url.into()],
            client_urls: if name.is_empty() {
                vec![]
            } else {
                vec!["https://c:2379".into()]
            },
        }
    }

    pub(crate) fn status(members: Vec<(u64, Member, bool)>) -> Status {
        Status {
            cluster_id: CLUSTER_ID,
            member_id: 1,
            role: Role::Leader,
            leader: Some(1),
            term: 3,
            committed_index: 10,
            applied_index: 10,
            members,
            out_of_reach: false,
            fatal: None,
        }
    }

    /// A cluster in memory, that fails as told.
    #[derive(Debug)]
    pub(crate) struct FakeCluster(pub(crate) Mutex<Fake>);

    #[derive(Debug)]
    pub(crate) struct Fake {
        pub(crate) status: Status,
        pub(crate) last_id: u64,
        /// Show no changes in `status`.
        pub(crate) lags: bool,
        pub(crate) keys: BTreeMap<String, Bytes>,
        pub(crate) puts: usize,
        /// Names of members that were added.
        pub(crate) given: BTreeMap<String, u64>,
        pub(crate) store: Result<(), String>,
        pub(crate) linearize: Result<(), ReadError>,
        /// Never answer `linearize`.
        pub(crate) hang: bool,
        pub(crate) add: Result<(), ProposeError>,
        /// This member was heard of lately.
        pub(crate) heard: Option<u64>,
        pub(crate) password_hashes: BTreeMap<u64, String>,
    }

    impl FakeCluster {
        pub(crate) fn of_one() -> Arc<FakeCluster> {
            let members = vec![(1, member("one", "https://127.0.0.1:2380"), false)];
            Arc::new(FakeCluster(Mutex::new(Fake {
                status: status(members),
                last_id: 1,
                lags: false,
                keys: BTreeMap::new(),
                puts: 0,
                given: BTreeMap::new(),
                store: Ok(()),
                linearize: Ok(()),
                hang: false,
                add: Ok(()),
                heard: None,
                password_hashes: BTreeMap::new(),
            })))
        }

        pub(crate) fn change(&self, change: impl FnOnce(&mut Fake)) {
            change(&mut self.0.lock().unwrap());
        }
    }

    impl Cluster for FakeCluster {
        fn status(&self) -> Arc<Status> {
            Arc::new(self.0.lock().unwrap().status.clone())
        }

        fn store_serves(&self) -> Result<(), String> {
            self.0.lock().unwrap().store.clone()
        }

        fn pulses(&self) -> [u64; 3] {
            [0; 3]
        }

        async fn linearize(&self) -> Result<(), ReadError> {
            let (answer, hang) = {
                let fake = self.0.lock().unwrap();
                (fake.linearize.clone(), fake.hang)
            };
            if hang {
                std::future::pending::<()>().await;
            }
            answer
        }

        async fn add_member(
            &self,
            name: String,
            peer_urls: Vec<String>,
        ) -> Result<u64, ProposeError> {
            let mut fake = self.0.lock().unwrap();
            fake.add.clone()?;
            let is_member = |id: u64| fake.status.members.iter().any(|(known, ..)| *known == id);
            if let Some(id) = fake.given.get(&name).copied().filter(|id| is_member(*id)) {
                return Err(ProposeError::MemberName(id));
            }
            fake.last_id += 1;
            let id = fake.last_id;
            fake.given.insert(name, id);
            if !fake.lags {
                let member = Member {
                    peer_urls,
                    ..Member::default()
                };
                fake.status.members.push((id, member, true));
            }
            Ok(id)
        }

        async fn displace_member(&self, id: u64) -> Result<(), ProposeError> {
            if self.0.lock().unwrap().heard == Some(id) {
                return Err(ProposeError::MemberHeard);
            }
            self.remove_member(id).await
        }

        async fn remove_member(&self, id: u64) -> Result<(), ProposeError> {
            let members = &mut self.0.lock().unwrap().status.members;
            let before = members.len();
            members.retain(|(known, _, _)| *known != id);
            if members.len() < before {
                Ok(())
            } else {
                Err(ProposeError::MemberNotFound)
            }
        }

        fn password_hash(&self, id: u64) -> Result<String, String> {
            let hashes = &self.0.lock().unwrap().password_hashes;
            Ok(hashes.get(&id).cloned().unwrap_or_default())
        }

        fn get(&self, key: &str) -> Result<Option<Bytes>, String> {
            Ok(self.0.lock().unwrap().keys.get(key).cloned())
        }

        async fn put_if_absent(&self, key: &str, value: Bytes) -> Result<(), ProposeError> {
            let mut fake = self.0.lock().unwrap();
            fake.puts += 1;
            fake.keys.entry(key.to_owned()).or_insert(value);
            Ok(())
        }

        async fn swap(&self, swap: Swap) -> Result<bool, ProposeError> {
            let keys = &mut self.0.lock().unwrap().keys;
            if keys.get(&swap.key) != swap.before.as_ref() {
                return Ok(false);
            }
            keys.insert(swap.key, swap.after);
            keys.extend(swap.put);
            for key in &swap.delete {
                keys.remove(key);
            }
            Ok(true)
        }
    }
}
