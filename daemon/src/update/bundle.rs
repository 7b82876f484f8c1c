//! The file that an update comes in, and whether it is what its maker made.
//!
//! ```text
//! "SKERRY-UPDATE-1\n"
//! u32     bytes of the manifest, big-endian
//! bytes   the manifest, JSON
//! [u8;64] its signature, Ed25519
//! bytes   the parts, in the manifest's order
//! ```
//!
//! The manifest names the hash of each part, so the one signature covers all. Knows nothing about
//! where the parts go. Invariant: no byte of a part is handed out before the signature is verified.

use std::io::Read;

use anyhow::{Context as _, bail, ensure};
use ring::digest::{Context as Hash, SHA256};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;

const MAGIC: &[u8] = b"SKERRY-UPDATE-1\n";
const SIGNATURE_BYTES: usize = 64;
const MANIFEST_BYTES_MAX: u32 = 64 << 10;
/// Bytes that are read and hashed at once.
const CHUNK_BYTES: usize = 256 << 10;
/// What stands before the 32 bytes of an Ed25519 key in its public form (RFC 8410).
const ED25519_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What an update says of itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) version: String,
    /// Of the processor, as Rust names it: `aarch64`.
    pub(crate) architecture: String,
    /// The formats of state that this version reads, first and last.
    pub(crate) state_formats: [u32; 2],
    pub(crate) parts: Vec<Part>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    /// In hex.
    pub(crate) sha256: String,
}

/// The key that updates are signed with, as `openssl pkey -pubout` writes it.
pub(crate) fn public_key(pem: &str) -> anyhow::Result<Vec<u8>> {
    use rustls::pki_types::{SubjectPublicKeyInfoDer, pem::PemObject as _};
    let key = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| anyhow::anyhow!("no public key in PEM: {error}"))?;
    match key.strip_prefix(&ED25519_PREFIX[..]) {
        Some(key) if key.len() == 32 => Ok(key.to_vec()),
        _ => bail!("not an Ed25519 key"),
    }
}

/// An update whose signature is good and that this machine can take; its parts are still unread.
#[derive(Debug)]
pub(crate) struct Bundle<R> {
    pub(crate) manifest: Manifest,
    file: R,
    next: usize,
}

impl<R: Read> Bundle<R> {
    /// Reads as far as the parts, and verifies.
    pub(crate) fn open(mut file: R, public_key: &[u8]) -> anyhow::Result<Bundle<R>> {
        let mut magic = [0; MAGIC.len()];
        let read = file.read_exact(&mut magic);
        ensure!(read.is_ok() && magic == MAGIC, "not an update of Skerry");
        let short = "the update ends in its manifest";
        let mut length = [0; 4];
        file.read_exact(&mut length).context(short)?;
        let length = u32::from_be_bytes(length);
        ensure!(
            length <= MANIFEST_BYTES_MAX,
            "its manifest has {length} bytes, {MANIFEST_BYTES_MAX} at most are read"
        );
        let mut manifest = vec![0; length as usize];
        file.read_exact(&mut manifest).context(short)?;
        let mut signature = [0; SIGNATURE_BYTES];
        file.read_exact(&mut signature).context(short)?;
        UnparsedPublicKey::new(&ED25519, public_key)
            .verify(&manifest, &signature)
            .map_err(|_| anyhow::anyhow!("its signature is not that of this machine's key"))?;
        let manifest: Manifest = serde_json::from_slice(&manifest).context("its manifest")?;
        manifest.fits()?;
        Ok(Bundle {
            manifest,
            file,
            next: 0,
        })
    }

    /// Hands out the next part, which must be called `name`, and fails at its end if it was not what
    /// the manifest says.
    pub(crate) fn part(
        &mut self,
        name: &str,
        mut write: impl FnMut(&[u8]) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let part = self.manifest.parts.get(self.next);
        let part = part.filter(|part| part.name == name);
        let part = part.with_context(|| format!("the update has no part '{name}' next"))?;
        self.next += 1;
        let mut hash = Hash::new(&SHA256);
        let mut left = part.bytes;
        let mut chunk = vec![0; CHUNK_BYTES];
        while left > 0 {
            let take = usize::try_from(left).map_or(CHUNK_BYTES, |left| left.min(CHUNK_BYTES));
            let chunk = chunk.get_mut(..take).unwrap_or_default();
            let short = || format!("the update ends in its part '{name}'");
            self.file.read_exact(chunk).with_context(short)?;
            hash.update(chunk);
            write(chunk)?;
            left -= take as u64;
        }
        let found: String = hash
            .finish()
            .as_ref()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        ensure!(
            found == part.sha256,
            "part '{name}' is damaged: its SHA-256 is {found}, not {}",
            part.sha256
        );
        Ok(())
    }
}

impl Manifest {
    /// Refuses what this machine could not run, before anything is touched.
    fn fits(&self) -> anyhow::Result<()> {
        let here = std::env::consts::ARCH;
        ensure!(
            self.architecture == here,
            "it is for {}, this machine is {here}",
            self.architecture
        );
        let [first, last] = self.state_formats;
        let ours = super::STATE_FORMAT;
        ensure!(
            (first..=last).contains(&ours),
            "version {} reads state of the formats {first} to {last}, and this server writes {ours}: \
             it could not go on with what is on the disk",
            self.version
        );
        let printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        ensure!(
            (1..=64).contains(&self.version.len()) && printable(&self.version),
            "its version is none: {:?}",
            self.version
        );
        Ok(())
    }

    /// How many bytes a part has.
    pub(crate) fn bytes_of(&self, name: &str) -> anyhow::Result<u64> {
        let part = self.parts.iter().find(|part| part.name == name);
        Ok(part
            .with_context(|| format!("the update has no part '{name}'"))?
            .bytes)
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::{Value, json};

    use super::*;

    fn key() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
    }

    fn hex(bytes: &[u8]) -> String {
        let digest = ring::digest::digest(&SHA256, bytes);
        digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
    }

    fn manifest(kernel: &[u8], root: &[u8]) -> Value {
        json!({
            "version": "0.2.0",
            "architecture": std::env::consts::ARCH,
            "stateFormats": [1, 3],
            "parts": [
                {"name": "kernel", "bytes": kernel.len(), "sha256": hex(kernel)},
                {"name": "root", "bytes": root.len(), "sha256": hex(root)},
            ],
        })
    }

    fn sealed(manifest: &Value, parts: &[&[u8]]) -> Vec<u8> {
        let manifest = manifest.to_string();
        let mut file = MAGIC.to_vec();
        file.extend(u32::try_from(manifest.len()).unwrap().to_be_bytes());
        file.extend(manifest.as_bytes());
        file.extend(key().sign(manifest.as_bytes()).as_ref());
        file.extend(parts.concat());
        file
    }

    fn open(file: &[u8]) -> anyhow::Result<Bundle<&[u8]>> {
        Bundle::open(file, key().public_key().as_ref())
    }

    fn refusal(file: &[u8]) -> String {
        format!("{:#}", open(file).unwrap_err())
    }

    #[test]
    fn what_was_signed_comes_out_again() {
        let root = vec![9; CHUNK_BYTES + 1];
        let file = sealed(&manifest(b"kernel", &root), &[b"kernel", &root]);
        let mut bundle = open(&file).unwrap();
        assert_eq!(bundle.manifest.bytes_of("root").unwrap(), root.len() as u64);
        for (name, wanted) in [("kernel", b"kernel".as_slice()), ("root", &root)] {
            let mut found = Vec::new();
            let keep = |chunk: &[u8]| {
                found.extend_from_slice(chunk);
                Ok(())
            };
            bundle.part(name, keep).unwrap();
            assert_eq!(found, wanted);
        }
        assert!(
            bundle.part("root", |_| Ok(())).is_err(),
            "there is no other"
        );
    }

    #[test]
    fn every_byte_that_differs_and_every_end_that_comes_early_is_noticed() {
        let file = sealed(&manifest(b"kernel", b"root"), &[b"kernel", b"root"]);
        let read = |file: &[u8]| -> anyhow::Result<()> {
            let mut bundle = open(file)?;
            bundle.part("kernel", |_| Ok(()))?;
            bundle.part("root", |_| Ok(()))
        };
        read(&file).unwrap();
        for at in 0..file.len() {
            let mut other = file.clone();
            other[at] ^= 1;
            assert!(read(&other).is_err(), "byte {at} differs");
            assert!(read(&file[..at]).is_err(), "it ends at {at}");
        }
    }

    #[test]
    fn what_this_machine_could_not_run_is_refused_before_anything_is_read() {
        let of = |change: &dyn Fn(&mut Value)| {
            let mut manifest = manifest(b"", b"");
            change(&mut manifest);
            refusal(&sealed(&manifest, &[]))
        };
        let other = of(&|manifest| manifest["architecture"] = "riscv64".into());
        assert!(other.contains("it is for riscv64"), "{other}");
        let older = of(&|manifest| manifest["stateFormats"] = json!([0, 0]));
        assert!(
            older.contains("could not go on with what is on the disk"),
            "{older}"
        );
        let odd = of(&|manifest| manifest["version"] = "../../etc\n".into());
        assert!(odd.contains("its version is none"), "{odd}");
        let long = of(&|manifest| manifest["version"] = "1".repeat(70_000).into());
        assert!(long.contains("65536 at most"), "{long}");
        assert!(refusal(b"PK\x03\x04").contains("not an update"));
    }

    #[test]
    fn a_key_is_read_as_openssl_writes_it() {
        let pem = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
            -----END PUBLIC KEY-----\n";
        assert_eq!(public_key(pem).unwrap().len(), 32);
        for odd in [
            "",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        ] {
            assert!(public_key(odd).is_err(), "{odd}");
        }
    }
}
