//! Scripts from seeds. A script depends on its profile, seed and length alone, never on what a
//! server answers, so that a seed means the same script for good and any part of it can be sent.

mod auth;
mod concurrency;
mod kv;
mod lease;
mod maintenance;
mod malformed;
mod txn;
mod watch;
mod words;

use crate::script::{Request, Step};
use skerry_tests_harness::Random;
use std::str::FromStr;

/// What a script is mostly about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Ranges with every option, puts, deletes, compaction.
    Kv,
    /// Transactions, nested ones too.
    Txn,
    /// Granting, attaching, renewing, revoking, expiry.
    Lease,
    /// Watches from now, the past and the future, with every option.
    Watch,
    /// Users, roles, permissions; requests as several users.
    Auth,
    /// Requests that must be refused, each in the right words.
    Malformed,
    /// Alarms, status, hashes, members.
    Maintenance,
    /// The lock and election services.
    Concurrency,
    /// Some of all but authentication.
    Mixed,
}

impl Profile {
    /// All of them, in the order the short form runs them.
    pub const ALL: [Self; 9] = [
        Self::Kv,
        Self::Txn,
        Self::Lease,
        Self::Watch,
        Self::Auth,
        Self::Malformed,
        Self::Maintenance,
        Self::Concurrency,
        Self::Mixed,
    ];

    /// As it is named on the command line.
    pub fn name(self) -> String {
        format!("{self:?}").to_lowercase()
    }
}

impl FromStr for Profile {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|profile| profile.name() == name);
        known.ok_or_else(|| anyhow::anyhow!("no profile is named {name}: {:?}", Self::ALL))
    }
}

/// The script of `seed`, of about `length` steps.
pub fn script(profile: Profile, seed: u64, length: usize) -> Vec<Step> {
    let mut random = Random::new(seed ^ ((profile as u64) << 32));
    let random = &mut random;
    let mut steps = Vec::with_capacity(length + 32);
    match profile {
        Profile::Auth => steps.extend(auth::preparation()),
        Profile::Malformed => steps.extend(malformed::catalogue().into_iter().map(anonymous)),
        Profile::Concurrency => steps.extend(concurrency::preparation().into_iter().map(anonymous)),
        Profile::Kv | Profile::Txn | Profile::Watch => {
            steps.extend(lease::preparation().into_iter().map(anonymous));
        }
        Profile::Lease | Profile::Maintenance | Profile::Mixed => {}
    }
    while steps.len() < length {
        let state = !matches!(
            profile,
            Profile::Auth | Profile::Malformed | Profile::Concurrency
        );
        if state && random.below(80) == 0 {
            // Tokens and waiting clients do not survive it; all else must.
            steps.push(anonymous(Request::Restart));
        }
        match profile {
            Profile::Kv => steps.push(anonymous(kv::any(random))),
            Profile::Txn => steps.push(anonymous(txn_or_write(random))),
            Profile::Lease => steps.push(anonymous(lease::any(random))),
            Profile::Watch => steps.push(anonymous(watch_or_write(random))),
            Profile::Auth if random.below(40) == 0 => steps.extend(auth::restoration()),
            Profile::Auth => steps.push(auth::any(random)),
            Profile::Malformed => steps.push(anonymous(malformed::any(random))),
            Profile::Maintenance => steps.push(anonymous(maintenance::any(random))),
            Profile::Concurrency => {
                steps.extend(concurrency::any(random).into_iter().map(anonymous));
            }
            Profile::Mixed => steps.push(anonymous(mixed(random))),
        }
    }
    steps
}

fn anonymous(request: Request) -> Step {
    Step {
        user: None,
        request,
    }
}

fn txn_or_write(random: &mut Random) -> Request {
    match random.below(10) {
        0..=5 => Request::Txn(txn::any(random, 2)),
        _ => kv::any(random),
    }
}

fn watch_or_write(random: &mut Random) -> Request {
    match random.below(10) {
        0..=2 => Request::Watch(watch::any(random)),
        3 => Request::Txn(txn::any(random, 1)),
        4 => kv::any(random),
        _ => kv::write(random),
    }
}

fn mixed(random: &mut Random) -> Request {
    match random.below(20) {
        0..=5 => kv::any(random),
        6..=9 => Request::Txn(txn::any(random, 2)),
        10..=13 => lease::without_expiry(random),
        14..=15 => Request::Watch(watch::any(random)),
        16 => malformed::any(random),
        17 => match maintenance::any(random) {
            // Under a full quota etcd lets nested transactions write; Skerry does not.
            Request::Alarm(_) => Request::Txn(txn::any(random, 0)),
            other => other,
        },
        _ => kv::write(random),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_script() {
        for profile in Profile::ALL {
            let (one, two) = (script(profile, 3, 120), script(profile, 3, 120));
            assert_eq!(format!("{one:?}"), format!("{two:?}"), "{profile:?}");
        }
    }
}
