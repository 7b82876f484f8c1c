//! What goes wrong, and when: a sequence of faults fixed by the seed.
//!
//! Kinds come from a shuffled deck that is dealt out before it is shuffled again, so that a
//! short run meets every kind. Who leads is looked up when the fault strikes.

use std::fmt;
use std::time::Duration;

use anyhow::{Result, ensure};
use skerry_tests_harness::Random;

use crate::bulk;
use crate::fleet::Fleet;
use crate::limits::BULK_WRITES;
use crate::network::Weather;

/// Which member is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The one that leads when the fault strikes.
    Leader,
    /// One of those that do not.
    Follower,
}

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL of one member.
    Kill(Who),
    /// SIGKILL of the leader and a follower: no quorum.
    KillTwo,
    /// SIGKILL of all: a power cut.
    KillAll,
    /// SIGTERM of the leader.
    StopLeader,
    /// SIGSTOP of one member.
    Pause(Who),
    /// All links of one member are cut.
    Isolate(Who),
    /// Every link is cut.
    IsolateAll,
    /// The link between the leader and one follower is cut.
    CutLink,
    /// The leader's packets to one follower are lost, not those back.
    CutTowardsFollower,
    /// A follower's packets to the leader are lost, not those back.
    CutTowardsLeader,
    /// A quarter of all packets between members is lost.
    Lossy,
    /// A follower is away while more is written than the log keeps, so that it needs a
    /// snapshot; away is paused, or killed and killed again while it catches up.
    FallBehind,
}

/// Every kind of fault.
pub const FAULTS: [Fault; 15] = [
    Fault::Kill(Who::Leader),
    Fault::Kill(Who::Follower),
    Fault::KillTwo,
    Fault::KillAll,
    Fault::StopLeader,
    Fault::Pause(Who::Leader),
    Fault::Pause(Who::Follower),
    Fault::Isolate(Who::Leader),
    Fault::Isolate(Who::Follower),
    Fault::IsolateAll,
    Fault::CutLink,
    Fault::CutTowardsFollower,
    Fault::CutTowardsLeader,
    Fault::Lossy,
    Fault::FallBehind,
];

/// One fault with its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// How long all is well before.
    pub calm: Duration,
    /// What goes wrong.
    pub fault: Fault,
    /// For how long.
    pub hold: Duration,
    /// Chooses among followers.
    pub choice: usize,
}

impl fmt::Display for Strike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            calm,
            fault,
            hold,
            choice,
        } = self;
        write!(
            f,
            "after {calm:?}: {fault:?} (follower {choice}) for {hold:?}"
        )
    }
}

/// The endless sequence of faults of a seed.
#[derive(Debug)]
pub struct Strikes {
    random: Random,
    kinds: Vec<Fault>,
    deck: Vec<Fault>,
}

impl Strikes {
    /// The sequence of this seed: of all kinds, or of those whose name has this beginning.
    ///
    /// # Errors
    /// Where no kind has.
    pub fn new(seed: u64, name: &str) -> Result<Self> {
        let named = |fault: &Fault| format!("{fault:?}").starts_with(name);
        let kinds: Vec<_> = FAULTS.into_iter().filter(named).collect();
        ensure!(
            !kinds.is_empty(),
            "no fault is called {name}; there are {FAULTS:?}"
        );
        Ok(Self {
            random: Random::new(seed),
            kinds,
            deck: Vec::new(),
        })
    }

    fn milliseconds(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(low + self.random.bits() % (high - low + 1))
    }
}

impl Iterator for Strikes {
    type Item = Strike;

    fn next(&mut self) -> Option<Strike> {
        if self.deck.is_empty() {
            self.deck.extend(&self.kinds);
        }
        let at = self.random.below(self.deck.len());
        let fault = self.deck.swap_remove(at);
        // Most faults outlast an election, some do not.
        let hold = if self.random.chance(25) {
            self.milliseconds(100, 900)
        } else {
            self.milliseconds(1_500, 4_000)
        };
        let calm = self.milliseconds(300, 1_500);
        Some(Strike {
            calm,
            fault,
            hold,
            choice: self.random.below(1_000),
        })
    }
}

/// Makes the fault happen.
///
/// # Errors
/// Where a member had ended by itself, no leader is found in time, or a tool fails.
pub async fn inflict(fleet: &mut Fleet, strike: &Strike) -> Result<()> {
    let leader = fleet.cluster.leader().await?;
    let followers: Vec<_> = (0..fleet.size()).filter(|&index| index != leader).collect();
    let follower = followers[strike.choice % followers.len()];
    let the = |who| match who {
        Who::Leader => leader,
        Who::Follower => follower,
    };
    let cut = |pairs: &[(usize, usize)]| Weather::Cut(pairs.to_vec());
    match strike.fault {
        Fault::Kill(who) => fleet.kill(the(who)),
        Fault::KillTwo => {
            fleet.kill(leader)?;
            fleet.kill(follower)
        }
        Fault::KillAll => (0..fleet.size()).try_for_each(|index| fleet.kill(index)),
        Fault::StopLeader => fleet.stop(leader),
        Fault::Pause(who) => fleet.pause(the(who)),
        Fault::Isolate(who) => fleet.isolate(the(who)),
        Fault::IsolateAll => {
            let all =
                (0..fleet.size()).flat_map(|from| (0..fleet.size()).map(move |to| (from, to)));
            fleet.weather(&Weather::Cut(all.filter(|(from, to)| from != to).collect()))
        }
        Fault::CutLink => fleet.weather(&cut(&[(leader, follower), (follower, leader)])),
        Fault::CutTowardsFollower => fleet.weather(&cut(&[(leader, follower)])),
        Fault::CutTowardsLeader => fleet.weather(&cut(&[(follower, leader)])),
        Fault::Lossy => fleet.weather(&Weather::Lossy),
        Fault::FallBehind => fall_behind(fleet, leader, follower, strike.choice).await,
    }
}

async fn fall_behind(
    fleet: &mut Fleet,
    leader: usize,
    follower: usize,
    choice: usize,
) -> Result<()> {
    let killed = choice.is_multiple_of(2);
    if killed {
        fleet.kill(follower)?
    } else {
        fleet.pause(follower)?
    }
    bulk::write(&fleet.targets()[leader], BULK_WRITES).await?;
    if killed {
        fleet.cluster.members[follower].start()?;
        // A moment of the schedule: somewhere while it starts or catches up.
        tokio::time::sleep(Duration::from_millis(choice as u64 * 2)).await;
        fleet.kill(follower)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_fixes_the_faults_and_one_deal_holds_every_kind() {
        let deal = |seed| {
            Strikes::new(seed, "")
                .unwrap()
                .take(FAULTS.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(deal(7), deal(7));
        assert_ne!(deal(7), deal(8));
        for fault in FAULTS {
            assert!(
                deal(7).iter().any(|strike| strike.fault == fault),
                "{fault:?}"
            );
        }
    }
}
