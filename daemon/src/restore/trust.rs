//! The authorities, the service account key and the token of the cluster that a snapshot is from.
//!
//! Without them the members, agents and tokens of that cluster would be strangers to the restored
//! one. Knows nothing about the keys of the snapshot. Invariant: what a snapshot holds sealed is
//! opened, or the restore is refused with what is missing; nothing is written but in the folder that
//! is being made, and new authorities of a server that has none.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use skerry_archive::Origin;
use skerry_pki::{AuthorityFiles, CaHash, Clock, Pki, Token, TokenFile};
use skerry_supervisor::{Bootstrap, BootstrapError, EnvelopeError};

use super::k3s;
use super::objects::Objects;
use crate::config::Settings;
use crate::membership::pki_identity;

/// Writes what the restored server needs of it to `folder`.
pub(super) fn take(
    settings: &Settings,
    origin: Option<&Origin>,
    objects: &Objects,
    folder: &Path,
    clock: &Arc<Clock>,
) -> anyhow::Result<()> {
    let data_dir = &settings.data_dir;
    let has_own = data_dir.join("tls/server-ca.crt").exists();
    let tokens = tokens(settings)?;
    let sealed = origin.and_then(|origin| origin.bootstrap.as_deref());
    let opened = match (sealed, &objects.own[..], &objects.k3s[..]) {
        (Some(sealed), ..) => {
            let of = origin.and_then(|origin| origin.metadata.token_fingerprint.as_deref());
            let open = |token: &Token| open(sealed, token);
            Some(first(&tokens, of.unwrap_or("unknown"), open)?)
        }
        (None, [.., (name, sealed)], _) => Some(first(&tokens, name, |token| open(sealed, token))?),
        (None, [], [.., (name, _)]) => {
            let open = |token: &Token| k3s::open(&objects.k3s, token.password());
            Some(first(&tokens, name, open)?)
        }
        (None, [], []) => None,
    };
    let own = |create: bool| {
        let load = if create {
            Pki::load_or_create
        } else {
            Pki::load
        };
        load(data_dir, pki_identity(settings), Arc::clone(clock))
    };
    let Some((files, token)) = opened else {
        if !has_own {
            own(true)?;
        }
        return Ok(());
    };
    let is_same = has_own && own(false).is_ok_and(|own| own.authority_files().are(&files));
    if !is_same {
        files.install(folder)?;
    }
    let bundle = files.text("server-ca.crt")?;
    let (ca_hash, _) =
        CaHash::of_bundle(bundle.as_bytes()).context("server-ca.crt: it ends in no root")?;
    let file = TokenFile::of(folder).in_cluster(bundle);
    file.load_or_create(Some(token), ca_hash)?;
    Ok(())
}

/// The token given, and the one in the data directory.
fn tokens(settings: &Settings) -> anyhow::Result<Vec<Token>> {
    let given = settings.token.as_deref().map(Token::parse).transpose();
    let given = given.context("token")?;
    let kept = TokenFile::of(&settings.data_dir).load()?;
    Ok(given.into_iter().chain(kept).collect())
}

/// What the first token opens that opens anything.
fn first<'t>(
    tokens: &'t [Token],
    fingerprint: &str,
    open: impl Fn(&Token) -> anyhow::Result<Option<AuthorityFiles>>,
) -> anyhow::Result<(AuthorityFiles, &'t Token)> {
    for token in tokens {
        if let Some(files) = open(token)? {
            return Ok((files, token));
        }
    }
    let which = format!(
        "the servers' token of that time, whose SHA-256 begins with {fingerprint}: give it with --token or --token-file"
    );
    if tokens.is_empty() {
        bail!("the snapshot holds the cluster's authorities, which only a token opens: {which}");
    }
    bail!(
        "the snapshot holds the cluster's authorities, sealed under another token. It needs {which}"
    )
}

fn open(sealed: &[u8], token: &Token) -> anyhow::Result<Option<AuthorityFiles>> {
    match Bootstrap::open(sealed, token.password()) {
        Ok(bootstrap) => Ok(Some(bootstrap.files)),
        Err(BootstrapError::Envelope(EnvelopeError::Password)) => Ok(None),
        Err(error) => Err(error).context("its authorities"),
    }
}
