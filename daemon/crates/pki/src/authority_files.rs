//! The authorities and the service account key on their way to a server that joins.
//!
//! Knows nothing about how they travel. Invariant: what is installed is complete and fits
//! together.

use std::fmt;
use std::path::Path;

use rcgen::KeyPair;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::authority::{Authority, Fault, LoadedAuthority, SEAL_KEY, SERVICE_KEY, make_folders};
use crate::file::NewFile;
use crate::limits::FILE_BYTES_MAX;
use crate::{PkiError, file};

/// One file that every server of the cluster has.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityFile {
    /// Path below `tls/`.
    pub name: String,
    /// Its text: a certificate chain or a private key.
    #[serde(
        serialize_with = "serialize_secret",
        deserialize_with = "deserialize_secret"
    )]
    pub pem: Zeroizing<String>,
}

impl AuthorityFile {
    /// A file of this name, below `tls/`, with this text.
    pub fn new(name: String, pem: String) -> AuthorityFile {
        AuthorityFile {
            name,
            pem: Zeroizing::new(pem),
        }
    }
}

fn serialize_secret<S: Serializer>(
    text: &Zeroizing<String>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

fn deserialize_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

impl fmt::Debug for AuthorityFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorityFile")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The authorities and the service account key, as a server that joins receives them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorityFiles(pub Vec<AuthorityFile>);

impl AuthorityFiles {
    /// Refuses a set that is not complete, holds anything else, or does not fit together.
    pub fn check(&self) -> Result<(), PkiError> {
        for authority in Authority::ALL {
            let (certificate, key) = (authority.certificate_name(), authority.key_name());
            let pem = self.text(&certificate)?;
            let key_pem = self.text(&key)?;
            let cross = self.optional(&authority.cross_name())?;
            LoadedAuthority::from_pem(pem, key_pem.clone(), cross).map_err(|fault| {
                let name = if matches!(fault, Fault::Key(_)) {
                    key
                } else {
                    certificate
                };
                PkiError::Transferred {
                    name,
                    reason: fault.to_string(),
                }
            })?;
        }
        KeyPair::from_pem(self.text(SERVICE_KEY)?).map_err(|error| PkiError::Transferred {
            name: SERVICE_KEY.to_owned(),
            reason: format!("not a private key in PKCS#8 PEM: {error}"),
        })?;
        let known = known_names();
        for (at, file) in self.0.iter().enumerate() {
            let is_twice = self.0[..at].iter().any(|other| other.name == file.name);
            if is_twice || !known.contains(&file.name) {
                return Err(PkiError::Transferred {
                    name: file.name.clone(),
                    reason: "not one of the files that servers share".to_owned(),
                });
            }
        }
        Ok(())
    }

    /// What the keys that all servers share are sealed with.
    pub fn sealing_text(&self) -> Result<&Zeroizing<String>, PkiError> {
        self.text(SEAL_KEY).or_else(|_| self.text(SERVICE_KEY))
    }

    /// Whether both hold the same, in whatever order.
    pub fn are(&self, other: &AuthorityFiles) -> bool {
        self.0.len() == other.0.len() && self.0.iter().all(|file| other.0.contains(file))
    }

    /// The text of a file that not every cluster has; empty where this one has it not.
    pub(crate) fn optional(&self, name: &str) -> Result<&str, PkiError> {
        match self.0.iter().any(|file| file.name == name) {
            true => self.text(name).map(|text| text.as_str()),
            false => Ok(""),
        }
    }

    /// The text of one file.
    pub fn text(&self, name: &str) -> Result<&Zeroizing<String>, PkiError> {
        let failed = |reason: String| PkiError::Transferred {
            name: name.to_owned(),
            reason,
        };
        let file = self.0.iter().find(|file| file.name == name);
        let file = file.ok_or_else(|| failed("missing".to_owned()))?;
        if file.pem.len() as u64 > FILE_BYTES_MAX {
            return Err(failed(format!("larger than {FILE_BYTES_MAX} bytes")));
        }
        Ok(&file.pem)
    }

    /// Checks them and writes them below `<data_dir>/tls`, over those of any cluster this node
    /// was in before.
    pub fn install(&self, data_dir: &Path) -> Result<(), PkiError> {
        self.check()?;
        let tls = make_folders(data_dir)?;
        // What these do not have is of another cluster.
        for name in known_names() {
            if !self.0.iter().any(|file| file.name == name) {
                file::remove(&tls.join(name))?;
            }
        }
        let mut files = Vec::with_capacity(self.0.len());
        for AuthorityFile { name, pem } in &self.0 {
            let mode = if name.ends_with(".key") {
                file::SECRET
            } else {
                file::PUBLIC
            };
            files.push(NewFile {
                path: tls.join(name),
                text: pem,
                mode,
            });
        }
        file::write_all(&files)
    }
}

/// All files that servers may share.
fn known_names() -> Vec<String> {
    let mut names = vec![SERVICE_KEY.to_owned(), SEAL_KEY.to_owned()];
    for authority in Authority::ALL {
        names.push(authority.certificate_name());
        names.push(authority.key_name());
        names.push(authority.cross_name());
    }
    names
}
