//! Bytes encrypted under a password, in a versioned envelope.
//!
//! ```text
//!  0   4  "SKBD"
//!  4   1  version: 1
//!  5   4  rounds of PBKDF2-HMAC-SHA256, big endian
//!  9  16  salt
//! 25  12  nonce
//! 37   n  AES-256-GCM: ciphertext, then the 16-byte tag; the 37 bytes before are covered by it
//! ```
//!
//! Knows nothing about what is inside. Invariant: what opens is what was sealed, under the same
//! password, down to the last bit of the header.

use std::num::NonZeroU32;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::pbkdf2;
use ring::rand::{SecureRandom, SystemRandom};
use skerry_pki::Password;
use zeroize::Zeroizing;

use crate::limits::{ENVELOPE_BYTES_MAX, PBKDF2_ROUNDS, PBKDF2_ROUNDS_MAX, PBKDF2_ROUNDS_MIN};

const MAGIC: &[u8; 4] = b"SKBD";
const VERSION: u8 = 1;
const SALT_BYTES: usize = 16;
const HEADER_BYTES: usize = 4 + 1 + 4 + SALT_BYTES + NONCE_LEN;
const KEY_BYTES: usize = 32;

/// Why bytes could not be sealed or opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not an envelope.
    #[error("not an encrypted envelope")]
    Form,
    /// Made by a program that this one does not know.
    #[error("the envelope is of version {version}, this program knows {VERSION}")]
    Version {
        /// Its version.
        version: u8,
    },
    /// Made to be weak, or to keep this node busy.
    #[error(
        "the envelope asks for {rounds} rounds of PBKDF2, \
         {PBKDF2_ROUNDS_MIN} to {PBKDF2_ROUNDS_MAX} are allowed"
    )]
    Rounds {
        /// What it asks for.
        rounds: u32,
    },
    /// Over the limit.
    #[error("the envelope holds {bytes} bytes, at most {ENVELOPE_BYTES_MAX} are allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The password is another one, or a bit was changed: nobody can tell which.
    #[error("the envelope does not open: it was sealed under another token, or altered")]
    Password,
    /// The system gave no random bytes.
    #[error("the system's random number generator failed")]
    Random,
}

/// Seals under one password. Making it costs [`PBKDF2_ROUNDS`]; sealing costs little.
pub struct Sealer {
    salt: [u8; SALT_BYTES],
    rounds: u32,
    key: LessSafeKey,
}

impl Sealer {
    /// Derives a key from the password and a salt of its own. Takes a noticeable time: not for
    /// the thread that serves.
    pub fn new(password: &Password) -> Result<Sealer, EnvelopeError> {
        Sealer::with_rounds(password, PBKDF2_ROUNDS)
    }

    pub(crate) fn with_rounds(password: &Password, rounds: u32) -> Result<Sealer, EnvelopeError> {
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new()
            .fill(&mut salt)
            .map_err(|_| EnvelopeError::Random)?;
        let key = derive(password, &salt, rounds)?;
        Ok(Sealer { salt, rounds, key })
    }

    /// An envelope around `text`.
    pub fn seal(&self, text: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
        if text.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLarge { bytes: text.len() });
        }
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| EnvelopeError::Random)?;
        let mut envelope = Vec::with_capacity(HEADER_BYTES + text.len() + AES_256_GCM.tag_len());
        envelope.extend_from_slice(MAGIC);
        envelope.push(VERSION);
        envelope.extend_from_slice(&self.rounds.to_be_bytes());
        envelope.extend_from_slice(&self.salt);
        envelope.extend_from_slice(&nonce);
        let header = Aad::from(envelope.clone());
        let mut sealed = Zeroizing::new(text.to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                header,
                sealed.as_mut_slice(),
            )
            .expect("ENVELOPE_BYTES_MAX is far below what AES-GCM takes");
        envelope.extend_from_slice(&sealed);
        envelope.extend_from_slice(tag.as_ref());
        Ok(envelope)
    }
}

/// What is in `envelope`. Takes a noticeable time: not for the thread that serves.
pub fn open(envelope: &[u8], password: &Password) -> Result<Zeroizing<Vec<u8>>, EnvelopeError> {
    let (header, sealed) = split(envelope)?;
    let key = derive(password, &header.salt, header.rounds)?;
    let mut sealed = Zeroizing::new(sealed.to_vec());
    let aad = Aad::from(&envelope[..HEADER_BYTES]);
    let length = key
        .open_in_place(Nonce::assume_unique_for_key(header.nonce), aad, &mut sealed)
        .map_err(|_| EnvelopeError::Password)?
        .len();
    sealed.truncate(length);
    Ok(sealed)
}

struct Header {
    rounds: u32,
    salt: [u8; SALT_BYTES],
    nonce: [u8; NONCE_LEN],
}

fn split(envelope: &[u8]) -> Result<(Header, &[u8]), EnvelopeError> {
    let (magic, rest) = envelope
        .split_first_chunk::<4>()
        .ok_or(EnvelopeError::Form)?;
    let (&[version], rest) = rest.split_first_chunk::<1>().ok_or(EnvelopeError::Form)?;
    if magic != MAGIC {
        return Err(EnvelopeError::Form);
    }
    if version != VERSION {
        return Err(EnvelopeError::Version { version });
    }
    let (rounds, rest) = rest.split_first_chunk::<4>().ok_or(EnvelopeError::Form)?;
    let (salt, rest) = rest
        .split_first_chunk::<SALT_BYTES>()
        .ok_or(EnvelopeError::Form)?;
    let (nonce, sealed) = rest
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(EnvelopeError::Form)?;
    let bytes = sealed
        .len()
        .checked_sub(AES_256_GCM.tag_len())
        .ok_or(EnvelopeError::Form)?;
    if bytes > ENVELOPE_BYTES_MAX {
        return Err(EnvelopeError::TooLarge { bytes });
    }
    let rounds = u32::from_be_bytes(*rounds);
    if !(PBKDF2_ROUNDS_MIN..=PBKDF2_ROUNDS_MAX).contains(&rounds) {
        return Err(EnvelopeError::Rounds { rounds });
    }
    Ok((
        Header {
            rounds,
            salt: *salt,
            nonce: *nonce,
        },
        sealed,
    ))
}

fn derive(
    password: &Password,
    salt: &[u8; SALT_BYTES],
    rounds: u32,
) -> Result<LessSafeKey, EnvelopeError> {
    let rounds = NonZeroU32::new(rounds).ok_or(EnvelopeError::Rounds { rounds })?;
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    let password = password.expose().as_bytes();
    pbkdf2::derive(
        pbkdf2::PBKDF2_HMAC_SHA256,
        rounds,
        salt,
        password,
        key.as_mut(),
    );
    let key =
        UnboundKey::new(&AES_256_GCM, key.as_ref()).expect("a key of AES-256 has KEY_BYTES bytes");
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::new(text).unwrap()
    }

    fn sealed(text: &[u8]) -> Vec<u8> {
        let sealer = Sealer::with_rounds(&password("secret"), PBKDF2_ROUNDS_MIN).unwrap();
        sealer.seal(text).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_under_the_same_password_only() {
        for text in [&b""[..], b"x", &[7; 10_000]] {
            let envelope = sealed(text);
            assert_eq!(
                open(&envelope, &password("secret")).unwrap().as_slice(),
                text
            );
            let error = open(&envelope, &password("Secret")).unwrap_err();
            assert_eq!(error, EnvelopeError::Password);
        }
    }

    #[test]
    fn new_envelopes_use_the_documented_rounds_and_never_repeat() {
        let sealer = Sealer::new(&password("secret")).unwrap();
        let (one, two) = (sealer.seal(b"same").unwrap(), sealer.seal(b"same").unwrap());
        assert_eq!(one[5..9], PBKDF2_ROUNDS.to_be_bytes());
        assert_ne!(one, two);
        let other = Sealer::new(&password("secret"))
            .unwrap()
            .seal(b"same")
            .unwrap();
        assert_ne!(one[9..25], other[9..25]);
        assert_eq!(open(&one, &password("secret")).unwrap().as_slice(), b"same");
    }

    #[test]
    fn an_envelope_with_any_bit_changed_does_not_open() {
        let envelope = sealed(b"authorities");
        for at in 0..envelope.len() {
            let mut changed = envelope.clone();
            changed[at] ^= 1 << (at % 8);
            assert!(open(&changed, &password("secret")).is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_envelope_cut_short_or_grown_does_not_open() {
        let envelope = sealed(b"authorities");
        for length in 0..envelope.len() {
            assert!(
                open(&envelope[..length], &password("secret")).is_err(),
                "{length} bytes"
            );
        }
        let mut longer = envelope;
        longer.push(0);
        assert!(open(&longer, &password("secret")).is_err());
    }

    #[test]
    fn rounds_and_versions_and_sizes_out_of_bounds_are_refused_before_any_work() {
        let envelope = sealed(b"x");
        for rounds in [0, PBKDF2_ROUNDS_MIN - 1, PBKDF2_ROUNDS_MAX + 1, u32::MAX] {
            let mut changed = envelope.clone();
            changed[5..9].copy_from_slice(&rounds.to_be_bytes());
            let error = open(&changed, &password("secret")).unwrap_err();
            assert_eq!(error, EnvelopeError::Rounds { rounds });
        }
        let mut changed = envelope.clone();
        changed[4] = 2;
        let error = open(&changed, &password("secret")).unwrap_err();
        assert_eq!(error, EnvelopeError::Version { version: 2 });
        let bytes = ENVELOPE_BYTES_MAX + 1;
        let mut changed = envelope;
        changed.resize(HEADER_BYTES + AES_256_GCM.tag_len() + bytes, 0);
        let error = open(&changed, &password("secret")).unwrap_err();
        assert_eq!(error, EnvelopeError::TooLarge { bytes });
        let sealer = Sealer::with_rounds(&password("secret"), PBKDF2_ROUNDS_MIN).unwrap();
        assert!(sealer.seal(&vec![0; ENVELOPE_BYTES_MAX]).is_ok());
        let error = sealer.seal(&vec![0; bytes]).unwrap_err();
        assert_eq!(error, EnvelopeError::TooLarge { bytes });
    }

    /// Seeded, so that a failure repeats.
    #[test]
    fn no_bytes_make_the_decoder_panic() {
        let mut state = 0x5eed_u64;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            u8::try_from(state >> 56).unwrap()
        };
        for round in 0..20_000 {
            let length = usize::from(next() % 80);
            let mut bytes: Vec<u8> = (0..length).map(|_| next()).collect();
            // Get past the first check most of the time; leave the costly one out.
            if round % 4 != 0 && length >= 6 {
                bytes[..4].copy_from_slice(MAGIC);
                bytes[4] = VERSION;
                bytes[5] = bytes[5].max(1);
            }
            assert!(open(&bytes, &password("secret")).is_err(), "round {round}");
        }
    }
}
