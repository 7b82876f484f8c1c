//! The file `<data-dir>/token`: the cluster's token, for the operator to copy.
//!
//! Knows nothing about the cluster beyond the hash of its CA. Invariant: the password in
//! it changes only at the word of the operator. `token.before` beside it knows by their digests
//! which it held before, so that a configuration that still names one of those does no harm.

use std::path::{Path, PathBuf};

use crate::limits::TOKENS_BEFORE_MAX;
use crate::{CaHash, Password, PkiError, Token, TokenError, TokenFileError, file};

/// `<data-dir>/token`, 0600.
#[derive(Debug, Clone)]
pub struct TokenFile {
    path: PathBuf,
    /// The cluster's CA file, where it is known: a pin of an authority before is good, too.
    bundle: Option<String>,
}

impl TokenFile {
    /// The token file of a data directory.
    pub fn of(data_dir: &Path) -> TokenFile {
        TokenFile {
            path: data_dir.join("token"),
            bundle: None,
        }
    }

    /// Of a cluster whose CA file this is.
    #[must_use]
    pub fn in_cluster(mut self, bundle: &str) -> TokenFile {
        self.bundle = Some(bundle.to_owned());
        self
    }

    /// Whether a pin is of this cluster's authority, or one that was before.
    fn is_of(&self, pin: CaHash, ca_hash: CaHash) -> bool {
        let bundle = self.bundle.as_deref().unwrap_or_default();
        pin == ca_hash || pin.certificate_in(bundle.as_bytes()).is_some()
    }

    /// Where it stands.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The token in the file, if there is one.
    pub fn load(&self) -> Result<Option<Token>, TokenFileError> {
        let Some(text) = file::read(&self.path)? else {
            return Ok(None);
        };
        let token = Token::parse(&text);
        token.map(Some).map_err(|source| TokenFileError::Token {
            path: self.path.clone(),
            source,
        })
    }

    /// The token of the cluster with this CA: the file's, else the one given, else a new one; the
    /// file holds it afterwards, in full form.
    ///
    /// A token given that is not the file's is an error: the bootstrap data is encrypted under
    /// the first.
    pub fn load_or_create(
        &self,
        given: Option<&Token>,
        ca_hash: CaHash,
    ) -> Result<Token, TokenFileError> {
        if let Some(pin) = given.and_then(Token::pin)
            && !self.is_of(pin, ca_hash)
        {
            return Err(TokenFileError::CaHash {
                given: pin.to_string(),
                cluster: ca_hash.to_string(),
            });
        }
        if let Some(found) = self.load()? {
            if let Some(pin) = found.pin()
                && !self.is_of(pin, ca_hash)
            {
                return Err(TokenFileError::CaHash {
                    given: pin.to_string(),
                    cluster: ca_hash.to_string(),
                });
            }
            let same = given.is_none_or(|given| {
                found
                    .password()
                    .matches(given.password().expose().as_bytes())
            });
            if !same && given.is_some_and(|given| self.held_before(given.password())) {
                tracing::warn!(
                    token_file = %self.path.display(),
                    "the token given is from before it was rotated: put the one of the token file in its place"
                );
            } else if !same {
                return Err(TokenFileError::Differs {
                    path: self.path.clone(),
                });
            }
            let token = Token::new(ca_hash, found.password().clone());
            if found.pin() != Some(ca_hash) {
                self.store(&token)?;
            }
            return Ok(token);
        }
        let password = match given {
            Some(given) => given.password().clone(),
            None => Password::generate()?,
        };
        let token = Token::new(ca_hash, password);
        self.store(&token)?;
        Ok(token)
    }

    /// Has the file hold `token`, which was put in force while the server ran; true where it held
    /// another.
    pub fn follow(&self, token: &Token) -> Result<bool, TokenFileError> {
        let held = self.load()?;
        if let Some(held) = &held {
            let password = token.password().expose().as_bytes();
            if held.password().matches(password) {
                return Ok(false);
            }
            self.remember(held.password())?;
        }
        self.store(token)?;
        Ok(held.is_some())
    }

    fn before(&self) -> PathBuf {
        self.path.with_file_name("token.before")
    }

    /// Notes that the file held this password; the newest are kept.
    fn remember(&self, password: &Password) -> Result<(), PkiError> {
        let known = file::read(&self.before())?.unwrap_or_default();
        let mut lines: Vec<String> = known.lines().map(str::to_owned).collect();
        lines.insert(0, password.digest());
        lines.truncate(TOKENS_BEFORE_MAX);
        file::write(&self.before(), &lines.join("\n"), file::SECRET)
    }

    fn held_before(&self, password: &Password) -> bool {
        let digest = password.digest();
        let known = file::read(&self.before()).ok().flatten();
        known.is_some_and(|known| known.lines().any(|line| line == digest))
    }

    /// Puts `token` in the file, as a server that has joined does.
    pub fn store(&self, token: &Token) -> Result<(), PkiError> {
        if let Some(folder) = self.path.parent() {
            file::make_folder(folder, true)?;
        }
        let mut text = token.expose();
        text.push('\n');
        file::write(&self.path, &text, file::SECRET)
    }
}

/// The token in a file that the operator names (`--token-file`).
pub fn read_token_file(path: &Path) -> Result<Token, TokenFileError> {
    let Some(text) = file::read(path)? else {
        let source = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(PkiError::Read {
            path: path.to_owned(),
            source,
        }
        .into());
    };
    let wrong = |source: TokenError| TokenFileError::Token {
        path: path.to_owned(),
        source,
    };
    Token::parse(&text).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn hash(byte: char) -> CaHash {
        CaHash::from_hex(&byte.to_string().repeat(64)).unwrap()
    }

    #[test]
    fn a_token_that_was_rotated_away_is_told_from_a_wrong_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::of(folder.path());
        let word = |text: &str| Token::new(hash('a'), Password::new(text).unwrap());
        file.load_or_create(Some(&word("first")), hash('a'))
            .unwrap();
        assert!(file.follow(&word("second")).unwrap());
        assert!(!file.follow(&word("second")).unwrap());
        for given in ["first", "second"] {
            let used = file.load_or_create(Some(&word(given)), hash('a')).unwrap();
            assert_eq!(used.password().expose(), "second");
        }
        let wrong = file.load_or_create(Some(&word("third")), hash('a'));
        assert!(matches!(wrong, Err(TokenFileError::Differs { .. })));
        for n in 0..=TOKENS_BEFORE_MAX {
            file.follow(&word(&format!("t{n}"))).unwrap();
        }
        let known = std::fs::read_to_string(file.before()).unwrap();
        assert_eq!(known.lines().count(), TOKENS_BEFORE_MAX);
    }

    #[test]
    fn a_token_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::of(&folder.path().join("new"));
        let first = file.load_or_create(None, hash('a')).unwrap();
        let again = file.load_or_create(None, hash('a')).unwrap();
        assert_eq!(*first.expose(), *again.expose());
        let text = std::fs::read_to_string(file.path()).unwrap();
        assert_eq!(text, format!("{}\n", *first.expose()));
        let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
    }

    #[test]
    fn a_short_password_given_is_written_in_full_form() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::of(folder.path());
        let given = Token::parse("secret").unwrap();
        let token = file.load_or_create(Some(&given), hash('a')).unwrap();
        assert_eq!(*token.expose(), format!("K10{}::server:secret", hash('a')));
        assert!(file.load_or_create(Some(&given), hash('a')).is_ok());
    }

    #[test]
    fn a_short_password_that_the_operator_put_in_the_file_gets_its_pin() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::of(folder.path());
        std::fs::write(file.path(), "secret\n").unwrap();
        let token = file.load_or_create(None, hash('a')).unwrap();
        assert_eq!(token.pin(), Some(hash('a')));
        assert_eq!(*file.load().unwrap().unwrap().expose(), *token.expose());
    }

    #[test]
    fn another_token_than_before_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::of(folder.path());
        file.load_or_create(Some(&Token::parse("one").unwrap()), hash('a'))
            .unwrap();
        let two = Token::parse("two").unwrap();
        let error = file.load_or_create(Some(&two), hash('a')).unwrap_err();
        assert!(matches!(error, TokenFileError::Differs { .. }), "{error}");
    }

    #[test]
    fn a_token_that_pins_another_cluster_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = TokenFile::of(folder.path());
        let other = Token::parse(&format!("K10{}::server:x", hash('b'))).unwrap();
        let error = file.load_or_create(Some(&other), hash('a')).unwrap_err();
        assert!(matches!(error, TokenFileError::CaHash { .. }), "{error}");
        file.store(&other).unwrap();
        let error = file.load_or_create(None, hash('a')).unwrap_err();
        assert!(matches!(error, TokenFileError::CaHash { .. }), "{error}");
    }

    #[test]
    fn a_token_file_that_is_missing_or_holds_no_token_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine");
        assert!(
            read_token_file(&path)
                .unwrap_err()
                .to_string()
                .contains("mine")
        );
        std::fs::write(&path, "not a token").unwrap();
        assert!(
            read_token_file(&path)
                .unwrap_err()
                .to_string()
                .contains("mine")
        );
        std::fs::write(&path, "secret\n").unwrap();
        assert_eq!(
            read_token_file(&path).unwrap().password().expose(),
            "secret"
        );
    }
}
