//! `skerry token`: bootstrap tokens, which are Secrets of `kube-system`, the tokens of users, and
//! the servers' own.
//!
//! Knows nothing about how tokens are recognized. Asks this node's server as its administrator.

use anyhow::{Context as _, bail};
use serde_json::json;
use skerry_pki::Token;

use super::bootstrap_token;
use super::print;
use crate::admin::Client;
use crate::config::Settings;
use crate::server_token;

const USAGE: &str = "\
usage:
  skerry token create [ID.SECRET] [--ttl 24h] [--description TEXT] [--groups G,...]
                      [--usages signing,authentication] [flags]
                                        a bootstrap token, kept as a Secret of kube-system
  skerry token delete ID[.SECRET]... [flags]
  skerry token generate                 one that is kept nowhere
  skerry token list [-o text|json|yaml] [flags]
  skerry token rotate [--new-token TOKEN] [flags]
                                        another token for the servers, while all of them run
  skerry token revoke-user NAME [flags] all tokens of a user, by user name or user-id

The flags are those of `skerry server`; --data-dir and --node-ip say which server is asked.
";

/// The path at which tokens of users are given out and revoked.
const USER_TOKENS: &str = "/v1-security/authn/token";

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return print(USAGE);
    }
    let Some((command, rest)) = words.split_first() else {
        bail!("token wants a command\n{USAGE}");
    };
    let (own, flags) = Own::of(command, rest)?;
    if command == "generate" {
        return print(&format!("{}\n", bootstrap_token::generate()?));
    }
    let settings = Settings::load(&flags, std::env::vars()).context("configuration")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = Client::of(&settings)?;
    let text = runtime.block_on(async {
        match command.as_str() {
            "create" => bootstrap_token::create(&client, &settings, &own).await,
            "delete" => bootstrap_token::delete(&client, &own.names).await,
            "rotate" => rotate(&client, &settings, &own).await,
            "list" => bootstrap_token::list(&client, own.output.as_deref()).await,
            _ => revoke_user(&client, &own.names).await,
        }
    })?;
    print(&text)
}

/// What the commands take besides the server's flags.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// What is no flag.
    pub(super) names: Vec<String>,
    pub(super) ttl: Option<String>,
    pub(super) description: Option<String>,
    pub(super) groups: Option<String>,
    pub(super) usages: Option<String>,
    pub(super) output: Option<String>,
    pub(super) new_token: Option<String>,
}

impl Own {
    /// Parts the words into these and the server's flags.
    fn of(command: &str, words: &[String]) -> anyhow::Result<(Own, Vec<String>)> {
        let takes: &[&str] = match command {
            "create" => &["--ttl", "--description", "--groups", "--usages"],
            "list" => &["--output", "-o"],
            "rotate" => &["--new-token"],
            "delete" | "generate" | "revoke-user" => &[],
            other => bail!("token has no command '{other}'\n{USAGE}"),
        };
        let (mut own, mut flags) = (Own::default(), Vec::new());
        let mut words = words.iter().peekable();
        while let Some(word) = words.next() {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (word.as_str(), None),
            };
            if takes.contains(&name) {
                let value = value.or_else(|| words.next().cloned());
                let value = value.with_context(|| format!("{name} wants a value"))?;
                let place = match name {
                    "--ttl" => &mut own.ttl,
                    "--description" => &mut own.description,
                    "--groups" => &mut own.groups,
                    "--usages" => &mut own.usages,
                    "--new-token" => &mut own.new_token,
                    _ => &mut own.output,
                };
                match place {
                    // As K3s has them: each may be given several times.
                    Some(before) if matches!(name, "--groups" | "--usages") => {
                        *before = format!("{before},{value}");
                    }
                    place => *place = Some(value),
                }
            } else if word.starts_with('-') {
                flags.push(word.clone());
                // The value of a flag of the server's, not a name.
                if value.is_none()
                    && flag_takes_value(name)
                    && let Some(value) = words.next()
                {
                    flags.push(value.clone());
                }
            } else {
                own.names.push(word.clone());
            }
        }
        Ok((own, flags))
    }
}

/// Whether a flag of the server's is followed by its value.
pub(super) fn flag_takes_value(flag: &str) -> bool {
    use crate::config::{KEYS, Kind};
    let long = flag.strip_prefix("--");
    let short = flag.strip_prefix('-').and_then(|rest| rest.chars().next());
    let found = KEYS.iter().find(|key| match long {
        Some(long) => key.name == long,
        None => key.short.is_some() && key.short == short,
    });
    found.is_some_and(|key| !matches!(key.kind, Kind::Switch))
}

async fn revoke_user(client: &Client, names: &[String]) -> anyhow::Result<String> {
    let [name] = names else {
        bail!("token revoke-user wants the name of one user\n{USAGE}");
    };
    let path = format!("{USER_TOKENS}?user={}", escaped(name));
    client.delete(&path).await?;
    Ok(format!("all tokens of {name} are revoked\n"))
}

async fn rotate(client: &Client, settings: &Settings, own: &Own) -> anyhow::Result<String> {
    if let Some(word) = own.names.first() {
        bail!("token rotate takes no {word:?}\n{USAGE}");
    }
    let new = own.new_token.as_deref().map(Token::parse).transpose();
    let new = new.context("--new-token")?;
    let body = match &new {
        Some(token) => json!({"new-token": token.password().expose()}),
        None => json!({}),
    };
    let path = format!("/v1-skerry/admin/{}", server_token::ROUTE);
    client.post(&path, &body).await?;
    Ok(format!(
        "Token rotated: every running server knows it, its file {} holds it.\n\
         Keep a record of the old token: a snapshot is restored with the token of its time.\n",
        settings.data_dir.join("token").display()
    ))
}

/// A name as it stands in a URL's query.
fn escaped(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            other => text.push_str(&format!("%{other:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_from_the_values_of_flags() {
        let words = [
            "a",
            "--data-dir",
            "d",
            "--debug",
            "--ttl=2h",
            "b",
            "-d",
            "e",
        ];
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let (own, flags) = Own::of("create", &words).unwrap();
        assert_eq!(own.names, ["a", "b"]);
        assert_eq!(own.ttl.as_deref(), Some("2h"));
        assert_eq!(flags, ["--data-dir", "d", "--debug", "-d", "e"]);
        let twice = ["--groups=a", "--groups", "b,c"].map(str::to_owned);
        let (own, _) = Own::of("create", &twice).unwrap();
        assert_eq!(own.groups.as_deref(), Some("a,b,c"));
        assert!(Own::of("create", &["--ttl".to_owned()]).is_err());
        assert!(Own::of("burn", &[]).is_err());
    }

    #[test]
    fn a_name_survives_a_url() {
        assert_eq!(escaped("a b:c/d&ä"), "a%20b%3Ac%2Fd%26%C3%A4");
    }
}
