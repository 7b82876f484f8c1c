//! Other authorities for a cluster that runs: what follows which, and what the next start takes.
//!
//! Each new authority is vouched for by the one it follows, and trusts what that has signed: members
//! with old and with new certificates take each other's, in both directions. Knows nothing about how
//! members hear of it. Invariants: what follows is complete and fits together; a start that was cut
//! short takes it again.

use std::path::{Path, PathBuf};

use rcgen::{KeyPair, PublicKeyData as _};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

use crate::authority::{Authority, LoadedAuthority, SEAL_KEY, SERVICE_KEY};
use crate::cross::cross_sign;
use crate::leaf::pem_of;
use crate::limits::{EARLIER_MAX, LEAF_LIFE_SECONDS};
use crate::{AuthorityFile, AuthorityFiles, Clock, PkiError, file};

/// Below `tls/`.
const NEXT: &str = "next.json";

/// Who is to follow.
#[derive(Debug, Clone, Default)]
pub struct Succession {
    /// Files that take the place of those of the same name; authorities with their keys.
    pub given: Vec<AuthorityFile>,
    /// Whether authorities that are not given are made.
    pub make_authorities: bool,
    /// Whether a key for service account tokens is made.
    pub make_service_key: bool,
    /// Whether to go on where clients will have to be told of it.
    pub force: bool,
}

/// Why nobody follows.
#[derive(Debug, thiserror::Error)]
pub enum SuccessionError {
    /// There is a certificate without its key, or the other way round.
    #[error("{name} is missing: an authority is given with its certificate and its key")]
    Half {
        /// The file that is not there.
        name: String,
    },
    /// A file that is none of those that servers share.
    #[error("{name} is not the name of an authority, of its key, or {SERVICE_KEY}")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// What was given cannot be used.
    #[error("{name}: {reason}")]
    Unusable {
        /// The file.
        name: String,
        /// Why not.
        reason: String,
    },
    /// It would end trust that clients have.
    #[error("{name}: {reason}; --force goes on nevertheless")]
    NeedsForce {
        /// The file.
        name: String,
        /// What would happen.
        reason: String,
    },
    /// Nothing is to change.
    #[error("nothing is given that is not there already")]
    Nothing,
    /// What there is, or what follows, does not fit together.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

impl AuthorityFiles {
    /// The files that follow these.
    ///
    /// # Errors
    /// What was given cannot be used, or would end trust that clients have.
    pub fn followed_by(
        &self,
        succession: &Succession,
        clock: &Clock,
    ) -> Result<AuthorityFiles, SuccessionError> {
        let wanted = Wanted {
            before: self,
            succession,
            clock,
        };
        wanted.check_names()?;
        let mut files = Vec::new();
        for authority in Authority::ALL {
            wanted.follow(authority, &mut files)?;
        }
        wanted.follow_service_key(&mut files)?;
        let next = AuthorityFiles(files);
        next.check()?;
        match next.are(self) {
            true => Err(SuccessionError::Nothing),
            false => Ok(next),
        }
    }

    /// Has the next start take these.
    pub fn take_at_next_start(&self, data_dir: &Path) -> Result<(), PkiError> {
        self.check()?;
        let text = serde_json::to_string(self).map(Zeroizing::new);
        let text = text.map_err(|error| transferred(error.to_string()))?;
        file::write(&next_path(data_dir), &text, file::SECRET)
    }

    /// Has the next start take what is there already.
    pub fn take_none_at_next_start(data_dir: &Path) -> Result<(), PkiError> {
        file::remove(&next_path(data_dir))
    }
}

fn next_path(data_dir: &Path) -> PathBuf {
    data_dir.join("tls").join(NEXT)
}

fn transferred(reason: String) -> PkiError {
    PkiError::Transferred {
        name: NEXT.to_owned(),
        reason,
    }
}

/// Puts in place what an earlier life was told to take, where it was.
pub(crate) fn take_next(data_dir: &Path) -> Result<(), PkiError> {
    let path = next_path(data_dir);
    let Some(text) = file::read(&path)? else {
        return Ok(());
    };
    let files = serde_json::from_str::<AuthorityFiles>(&text);
    let files = files.map_err(|error| transferred(error.to_string()))?;
    files.install(data_dir)?;
    tracing::warn!("the cluster's authorities were rotated: this server uses the new ones");
    file::remove(&path)
}

struct Wanted<'a> {
    before: &'a AuthorityFiles,
    succession: &'a Succession,
    clock: &'a Clock,
}

impl Wanted<'_> {
    fn given(&self, name: &str) -> Option<&Zeroizing<String>> {
        let mut given = self.succession.given.iter();
        given.find(|file| file.name == name).map(|file| &file.pem)
    }

    fn check_names(&self) -> Result<(), SuccessionError> {
        let is_known = |name: &String| {
            let mut all = Authority::ALL.into_iter();
            *name == SERVICE_KEY
                || all.any(|one| *name == one.certificate_name() || *name == one.key_name())
        };
        let mut names = self.succession.given.iter().map(|file| &file.name);
        match names.find(|name| !is_known(name)) {
            Some(name) => Err(SuccessionError::Unknown { name: name.clone() }),
            None => Ok(()),
        }
    }

    /// Adds the files of the authority that is next.
    fn follow(
        &self,
        authority: Authority,
        files: &mut Vec<AuthorityFile>,
    ) -> Result<(), SuccessionError> {
        let (name, key_name) = (authority.certificate_name(), authority.key_name());
        let unusable = |reason: String| SuccessionError::Unusable {
            name: name.clone(),
            reason,
        };
        let cross = self.before.optional(&authority.cross_name())?;
        let before = LoadedAuthority::from_pem(
            self.before.text(&name)?,
            self.before.text(&key_name)?.clone(),
            cross,
        );
        let before = before.map_err(|fault| unusable(fault.to_string()))?;
        let next = match (self.given(&name), self.given(&key_name)) {
            (Some(pem), Some(key)) => {
                let next = LoadedAuthority::from_pem(pem, key.clone(), "");
                next.map_err(|fault| unusable(fault.to_string()))?
            }
            (Some(_), None) => return Err(SuccessionError::Half { name: key_name }),
            (None, Some(_)) => return Err(SuccessionError::Half { name }),
            (None, None) if self.succession.make_authorities => self.make(authority, &before)?,
            (None, None) => return self.keep(authority, files),
        };
        if next.anchor() == before.anchor() {
            return self.keep(authority, files);
        }
        self.judge(&name, &before, &next)?;
        let vouched = cross_sign(&before, &next).map_err(|error| unusable(error.to_string()))?;
        let pem = join(&next.pem, before.anchors().iter().map(pem_of));
        let cross = std::iter::once(vouched);
        let cross = cross.chain(blocks(&before.cross_pem)).take(EARLIER_MAX);
        let cross: String = cross.map(|certificate| pem_of(&certificate)).collect();
        for (name, pem) in [
            (name, Zeroizing::new(pem)),
            (key_name, next.key_pem),
            (authority.cross_name(), Zeroizing::new(cross)),
        ] {
            files.push(AuthorityFile { name, pem });
        }
        Ok(())
    }

    /// A new one, under another name than the one before it.
    fn make(
        &self,
        authority: Authority,
        before: &LoadedAuthority,
    ) -> Result<LoadedAuthority, SuccessionError> {
        let mut now = self.clock.now();
        loop {
            let at = now;
            let next =
                LoadedAuthority::create(Path::new(""), authority, &Clock::reading(move || at))?;
            if subject(&next) != subject(before) {
                return Ok(next);
            }
            now += 1;
        }
    }

    fn judge(
        &self,
        name: &str,
        before: &LoadedAuthority,
        next: &LoadedAuthority,
    ) -> Result<(), SuccessionError> {
        let now = self.clock.now();
        if next.not_after <= now {
            return Err(SuccessionError::Unusable {
                name: name.to_owned(),
                reason: "it has expired".to_owned(),
            });
        }
        let reason = if before.not_after <= now {
            "the authority before it has expired, so nobody who trusts that one will trust it"
        } else if next.not_after < now.saturating_add(LEAF_LIFE_SECONDS) {
            "it ends within a year, and with it all certificates"
        } else {
            return Ok(());
        };
        match self.succession.force {
            true => Ok(()),
            false => Err(SuccessionError::NeedsForce {
                name: name.to_owned(),
                reason: reason.to_owned(),
            }),
        }
    }

    fn keep(
        &self,
        authority: Authority,
        files: &mut Vec<AuthorityFile>,
    ) -> Result<(), SuccessionError> {
        for name in [authority.certificate_name(), authority.key_name()] {
            let pem = self.before.text(&name)?.clone();
            files.push(AuthorityFile { name, pem });
        }
        let cross = self.before.optional(&authority.cross_name())?;
        if !cross.is_empty() {
            files.push(AuthorityFile {
                name: authority.cross_name(),
                pem: Zeroizing::new(cross.to_owned()),
            });
        }
        Ok(())
    }

    fn follow_service_key(&self, files: &mut Vec<AuthorityFile>) -> Result<(), SuccessionError> {
        let before = self.before.text(SERVICE_KEY)?;
        let unusable = |reason: String| SuccessionError::Unusable {
            name: SERVICE_KEY.to_owned(),
            reason,
        };
        let pem = match self.given(SERVICE_KEY) {
            Some(pem) => pem.clone(),
            None if self.succession.make_service_key => {
                let pair = KeyPair::generate().map_err(|error| unusable(error.to_string()))?;
                let own = Zeroizing::new(pair.serialize_pem());
                let earlier = keys(before).into_iter().take(EARLIER_MAX);
                Zeroizing::new(join(&own, earlier))
            }
            None => before.clone(),
        };
        let public = |pem: &str| {
            let pair = KeyPair::from_pem(pem).map_err(|error| unusable(error.to_string()))?;
            Ok::<_, SuccessionError>(pair.subject_public_key_info())
        };
        let current = public(before)?;
        let verifying = keys(&pem);
        let verifying: Result<Vec<_>, _> = verifying.iter().map(|key| public(key)).collect();
        let verifying = verifying?;
        if verifying.is_empty() {
            return Err(unusable("holds no private key in PKCS#8 PEM".to_owned()));
        }
        if !verifying.contains(&current) && !self.succession.force {
            return Err(SuccessionError::NeedsForce {
                name: SERVICE_KEY.to_owned(),
                reason: "it does not hold the key in use, whose tokens would be refused".to_owned(),
            });
        }
        let seal = self.before.optional(SEAL_KEY)?;
        let seal = match (seal.is_empty(), pem == *before) {
            (false, _) => Some(Zeroizing::new(seal.to_owned())),
            // What was sealed with the first service key stays readable for every member.
            (true, false) => Some(before.clone()),
            (true, true) => None,
        };
        files.push(AuthorityFile {
            name: SERVICE_KEY.to_owned(),
            pem,
        });
        files.extend(seal.map(|pem| AuthorityFile {
            name: SEAL_KEY.to_owned(),
            pem,
        }));
        Ok(())
    }
}

fn subject(authority: &LoadedAuthority) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(authority.anchor()).ok()?;
    Some(parsed.subject().as_raw().to_vec())
}

/// A text and further ones, each from the beginning of a line; [`EARLIER_MAX`] at most.
fn join(first: &str, further: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut text = format!("{}\n", first.trim_end());
    for part in further.into_iter().take(EARLIER_MAX) {
        text.push_str(part.as_ref().trim_end());
        text.push('\n');
    }
    text
}

fn blocks(pem: &str) -> Vec<rustls_pki_types::CertificateDer<'static>> {
    crate::authority::parse_chain(pem.as_bytes()).unwrap_or_default()
}

/// The private keys of a PEM text, each as one.
fn keys(pem: &str) -> Vec<String> {
    const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
    const END: &str = "-----END PRIVATE KEY-----";
    let parts = pem.split(BEGIN).skip(1);
    let bodies = parts.filter_map(|part| part.split_once(END));
    bodies
        .map(|(body, _)| format!("{BEGIN}{body}{END}\n"))
        .collect()
}
