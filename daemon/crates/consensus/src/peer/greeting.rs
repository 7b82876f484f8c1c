//! What two members say to each other before anything else.
//!
//! TLS has shown that both hold a certificate of the cluster; here they check that they speak the
//! same version, are of the same cluster, and are who the other thinks. The asker also says where it
//! is reached today: a member that has moved is called back there. Invariant: a member is told
//! that it was removed only on the word of a committed membership that is newer than the one in
//! which it knows itself to be a member.
//!
//! ```text
//! asker     "SKRY" | version u8 | class u8 | cluster u64 | asker u64 | asked u64 |
//!           position of the membership by which the asker is a member, plus 1, or 0: u64 |
//!           whether the asked votes, as far as the asker knows: u8 |
//!           length of the asker's peer URL, or 0: u8 | that URL
//! asked     "SKRY" | version u8 | verdict u8
//! ```

use super::Class;

const MAGIC: [u8; 4] = *b"SKRY";
/// The protocol between members.
pub(crate) const VERSION: u8 = 2;
/// Bytes of the asker's greeting, but for its URL.
pub(crate) const HELLO_BYTES: usize = 39;
/// Bytes of the answer.
pub(crate) const VERDICT_BYTES: usize = 6;

/// The asker's greeting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) class: Class,
    pub(crate) cluster_id: u64,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// 0: not known to be a member.
    pub(crate) member_since: u64,
    /// The asker takes the asked for a voter.
    pub(crate) votes: bool,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Welcome = 0,
    OtherVersion = 1,
    OtherCluster = 2,
    OtherMember = 3,
    /// The asker is a member no more.
    Removed = 4,
    Busy = 5,
    /// The asked is a voter that has lost all it had written.
    Empty = 6,
}

impl Hello {
    pub(crate) fn encode(&self) -> [u8; HELLO_BYTES] {
        let mut out = [0; HELLO_BYTES];
        out[..4].copy_from_slice(&MAGIC);
        out[4] = VERSION;
        out[5] = self.class as u8;
        let numbers = [self.cluster_id, self.from, self.to, self.member_since];
        for (number, place) in numbers.iter().zip(out[6..].chunks_exact_mut(8)) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        out[HELLO_BYTES - 1] = u8::from(self.votes);
        out
    }

    /// Reads a greeting; otherwise what to answer, or `None` where it is not one at all.
    pub(crate) fn decode(bytes: &[u8; HELLO_BYTES]) -> Result<Self, Option<Verdict>> {
        if bytes[..4] != MAGIC {
            return Err(None);
        }
        if bytes[4] != VERSION {
            return Err(Some(Verdict::OtherVersion));
        }
        let class = Class::decode(bytes[5]).ok_or(Some(Verdict::OtherVersion))?;
        let mut numbers = [0; 4];
        for (number, place) in numbers.iter_mut().zip(bytes[6..].chunks_exact(8)) {
            let mut le = [0; 8];
            le.copy_from_slice(place);
            *number = u64::from_le_bytes(le);
        }
        let [cluster_id, from, to, member_since] = numbers;
        let votes = bytes[HELLO_BYTES - 1] != 0;
        Ok(Self {
            class,
            cluster_id,
            from,
            to,
            member_since,
            votes,
        })
    }
}

impl Verdict {
    pub(crate) fn encode(self) -> [u8; VERDICT_BYTES] {
        let [a, b, c, d] = MAGIC;
        [a, b, c, d, VERSION, self as u8]
    }

    pub(crate) fn decode(bytes: &[u8; VERDICT_BYTES]) -> Option<Self> {
        if bytes[..4] != MAGIC {
            return None;
        }
        Some(match bytes[5] {
            0 => Self::Welcome,
            1 => Self::OtherVersion,
            2 => Self::OtherCluster,
            3 => Self::OtherMember,
            4 => Self::Removed,
            5 => Self::Busy,
            6 => Self::Empty,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings_are_read_back_as_they_were_written() {
        for class in [
            Class::Control,
            Class::Append,
            Class::Forward,
            Class::Snapshot,
        ] {
            let hello = Hello {
                class,
                cluster_id: 1,
                from: u64::MAX,
                to: 3,
                member_since: 4,
                votes: class == Class::Append,
            };
            assert_eq!(Hello::decode(&hello.encode()), Ok(hello));
        }
        for verdict in [Verdict::Welcome, Verdict::Removed, Verdict::Empty] {
            assert_eq!(Verdict::decode(&verdict.encode()), Some(verdict));
        }
    }

    #[test]
    fn another_protocol_gets_no_answer_and_another_version_gets_told() {
        let hello = Hello {
            class: Class::Control,
            cluster_id: 1,
            from: 2,
            to: 3,
            member_since: 0,
            votes: false,
        };
        let mut bytes = hello.encode();
        bytes[4] = VERSION + 1;
        assert_eq!(Hello::decode(&bytes), Err(Some(Verdict::OtherVersion)));
        bytes[0] = b'G';
        assert_eq!(Hello::decode(&bytes), Err(None));
    }
}
