//! Bootstrap tokens: made, listed and deleted as the Secrets of `kube-system` that they are.
//!
//! Knows nothing about the command line. Names, formats and defaults are K3s's and kubeadm's.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Value, json};
use skerry_pki::CaHash;
use skerry_token::time;

use super::token::Own;
use crate::admin::Client;
use crate::config::{Settings, duration};

const SECRETS: &str = "/api/v1/namespaces/kube-system/secrets";
const TYPE: &str = "bootstrap.kubernetes.io/token";
const NAME_PREFIX: &str = "bootstrap-token-";
const ID_LETTERS: usize = 6;
const SECRET_LETTERS: usize = 16;
const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// How long a token lives where nothing is said.
const TTL: &str = "24h";
/// What it is for where nothing is said.
const USAGES: &str = "signing,authentication";
const USAGES_KNOWN: [&str; 2] = ["signing", "authentication"];
/// Which group its bearer is in, besides that of all bootstrappers.
const GROUPS: &str = "system:bootstrappers:skerry:default-node-token";

/// `[a-z0-9]{6}.[a-z0-9]{16}`
pub(super) fn generate() -> anyhow::Result<String> {
    Ok(format!(
        "{}.{}",
        letters(ID_LETTERS)?,
        letters(SECRET_LETTERS)?
    ))
}

fn letters(count: usize) -> anyhow::Result<String> {
    let random = SystemRandom::new();
    let mut text = String::new();
    while text.len() < count {
        let mut byte = [0];
        if random.fill(&mut byte).is_err() {
            bail!("the system's random number generator failed");
        }
        // The last few values would make some letters likelier than others.
        if byte[0] < 252 {
            text.push(char::from(LETTERS[usize::from(byte[0]) % LETTERS.len()]));
        }
    }
    Ok(text)
}

fn is_plain(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| LETTERS.contains(&byte))
}

fn parts(token: &str) -> anyhow::Result<(&str, &str)> {
    let parts = token.split_once('.');
    let parts =
        parts.filter(|(id, secret)| is_plain(id, ID_LETTERS) && is_plain(secret, SECRET_LETTERS));
    parts.with_context(|| {
        format!(
            "the bootstrap token {token:?} was not of the form \"[a-z0-9]{{6}}.[a-z0-9]{{16}}\""
        )
    })
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

/// Makes a token; what to print: its full form, with the hash of the cluster's authority.
pub(super) async fn create(
    client: &Client,
    settings: &Settings,
    own: &Own,
) -> anyhow::Result<String> {
    let token = match own.names.as_slice() {
        [] => generate()?,
        [token] => token.clone(),
        _ => bail!("token create takes one token"),
    };
    let (id, _) = parts(&token)?;
    let secret = secret(&token, own, now())?;
    let there = client.get(&format!("{SECRETS}/{NAME_PREFIX}{id}")).await;
    if there.is_ok() {
        bail!("a token with id {id:?} already exists");
    }
    client.post(SECRETS, &secret).await?;
    let path = settings.data_dir.join("tls/server-ca.crt");
    let bundle = std::fs::read(&path).with_context(|| path.display().to_string())?;
    let (hash, _) = CaHash::of_bundle(&bundle)
        .with_context(|| format!("{}: holds no certificate", path.display()))?;
    Ok(format!("K10{hash}::{token}\n"))
}

fn secret(token: &str, own: &Own, now: i64) -> anyhow::Result<Value> {
    let (id, secret) = parts(token)?;
    let mut fields = json!({"token-id": id, "token-secret": secret});
    let ttl = own.ttl.as_deref().unwrap_or(TTL);
    let life = match ttl {
        "0" => std::time::Duration::ZERO,
        ttl => duration(ttl).map_err(|error| anyhow::anyhow!("--ttl: {error}"))?,
    };
    if !life.is_zero() {
        let life = i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
        fields["expiration"] = time::rfc3339(now.saturating_add(life)).into();
    }
    if let Some(description) = &own.description {
        fields["description"] = description.as_str().into();
    }
    for usage in own.usages.as_deref().unwrap_or(USAGES).split(',') {
        if !USAGES_KNOWN.contains(&usage) {
            bail!("--usages: {usage:?} is none of {}", USAGES_KNOWN.join(", "));
        }
        fields[format!("usage-bootstrap-{usage}")] = "true".into();
    }
    let groups = own.groups.as_deref().unwrap_or(GROUPS);
    if let Some(odd) = groups
        .split(',')
        .find(|group| !group.starts_with("system:bootstrappers:"))
    {
        bail!("--groups: {odd:?} must start with \"system:bootstrappers:\"");
    }
    fields["auth-extra-groups"] = groups.into();
    Ok(json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": format!("{NAME_PREFIX}{id}"), "namespace": "kube-system"},
        "type": TYPE,
        "stringData": fields,
    }))
}

/// Deletes tokens, named by their identifier or as a whole.
pub(super) async fn delete(client: &Client, tokens: &[String]) -> anyhow::Result<String> {
    if tokens.is_empty() {
        bail!("missing argument; 'token delete' is missing token");
    }
    let mut said = String::new();
    for token in tokens {
        let token = token
            .rsplit_once("::")
            .map_or(token.as_str(), |(_, token)| token);
        let id = match is_plain(token, ID_LETTERS) {
            true => token,
            false => parts(token)?.0,
        };
        client
            .delete(&format!("{SECRETS}/{NAME_PREFIX}{id}"))
            .await
            .with_context(|| format!("failed to delete bootstrap token {id:?}"))?;
        let _ = writeln!(said, "bootstrap token {id:?} deleted");
    }
    Ok(said)
}

/// Lists them, without their secrets.
pub(super) async fn list(client: &Client, output: Option<&str>) -> anyhow::Result<String> {
    let path = format!(
        "{SECRETS}?fieldSelector=type%3D{}",
        TYPE.replace('/', "%2F")
    );
    let answer = client.get(&path).await?;
    let secrets = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<Row> = secrets.iter().map(Row::of).collect();
    match output.unwrap_or("text") {
        "json" => Ok(format!(
            "{}\n",
            Value::from_iter(rows.iter().map(Row::json))
        )),
        "text" => Ok(table(&rows, now())),
        "yaml" => {
            let rows = Value::from_iter(rows.iter().map(Row::json));
            Ok(super::yaml::list("tokens", &rows))
        }
        other => bail!("--output: {other:?} is none of text, json, yaml"),
    }
}

/// What is told of a token.
#[derive(Debug, Default)]
struct Row {
    id: String,
    expires: Option<i64>,
    usages: Vec<String>,
    description: String,
    groups: String,
}

impl Row {
    fn of(secret: &Value) -> Row {
        let field = |key: &str| -> String {
            let text = secret["data"][key].as_str().unwrap_or_default();
            let bytes = STANDARD.decode(text).unwrap_or_default();
            String::from_utf8(bytes).unwrap_or_default()
        };
        let usages = ["authentication", "signing"].into_iter();
        let usages = usages.filter(|usage| field(&format!("usage-bootstrap-{usage}")) == "true");
        Row {
            id: field("token-id"),
            expires: time::parse(&field("expiration")),
            usages: usages.map(str::to_owned).collect(),
            description: field("description"),
            groups: field("auth-extra-groups"),
        }
    }

    fn json(&self) -> Value {
        json!({
            "token": self.id,
            "description": self.description,
            "expires": self.expires.map(time::rfc3339),
            "usages": self.usages,
            "groups": self.groups.split(',').filter(|group| !group.is_empty()).collect::<Vec<_>>(),
        })
    }
}

fn table(rows: &[Row], now: i64) -> String {
    let or_none = |text: &str| match text {
        "" => "<none>".to_owned(),
        text => text.to_owned(),
    };
    let mut lines = vec![
        [
            "TOKEN",
            "TTL",
            "EXPIRES",
            "USAGES",
            "DESCRIPTION",
            "EXTRA GROUPS",
        ]
        .map(str::to_owned),
    ];
    for row in rows {
        let (ttl, expires) = match row.expires {
            Some(end) => (short(end.saturating_sub(now)), time::rfc3339(end)),
            None => ("<forever>".to_owned(), "<never>".to_owned()),
        };
        lines.push([
            row.id.clone(),
            ttl,
            expires,
            or_none(&row.usages.join(",")),
            or_none(&row.description),
            or_none(&row.groups),
        ]);
    }
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0).max(7) + 3
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths).take(5) {
            let _ = write!(text, "{cell:<width$}");
        }
        let _ = writeln!(text, "{}", line[5]);
    }
    text
}

/// Seconds in the largest unit that fits.
fn short(seconds: i64) -> String {
    match seconds {
        ..0 => "<invalid>".to_owned(),
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        86_400..31_536_000 => format!("{}d", seconds / 86_400),
        _ => format!("{}y", seconds / 31_536_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_token_is_of_the_form() {
        let token = generate().unwrap();
        assert!(parts(&token).is_ok(), "{token}");
        assert_ne!(generate().unwrap(), token);
        for odd in [
            "",
            "abcdef",
            "abcdef.0123456789ABCDEF",
            "abcde.0123456789abcdef",
        ] {
            assert!(parts(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_token_lives_a_day_and_is_for_both_uses_unless_something_else_is_said() {
        let token = "abcdef.0123456789abcdef";
        let made = secret(token, &Own::default(), 0).unwrap();
        assert_eq!(made["metadata"]["name"], "bootstrap-token-abcdef");
        let fields = &made["stringData"];
        assert_eq!(fields["expiration"], "1970-01-02T00:00:00Z");
        assert_eq!(fields["usage-bootstrap-signing"], "true");
        assert_eq!(fields["usage-bootstrap-authentication"], "true");
        let own = |ttl: &str, usages: &str, groups: &str| Own {
            ttl: Some(ttl.into()),
            usages: Some(usages.into()),
            groups: Some(groups.into()),
            ..Own::default()
        };
        let ever = secret(token, &own("0", "signing", GROUPS), 0).unwrap();
        assert_eq!(ever["stringData"].get("expiration"), None);
        assert_eq!(
            ever["stringData"].get("usage-bootstrap-authentication"),
            None
        );
        assert!(secret(token, &own("soon", USAGES, GROUPS), 0).is_err());
        assert!(secret(token, &own("1h", "cooking", GROUPS), 0).is_err());
        assert!(secret(token, &own("1h", USAGES, "system:masters"), 0).is_err());
    }

    #[test]
    fn tokens_are_listed_in_columns() {
        let row = Row {
            id: "abcdef".into(),
            expires: Some(90_000),
            usages: vec!["authentication".into()],
            ..Row::default()
        };
        let text = table(&[row], 3_600);
        assert_eq!(
            text,
            "TOKEN     TTL       EXPIRES                USAGES           DESCRIPTION   EXTRA GROUPS\n\
             abcdef    1d        1970-01-02T01:00:00Z   authentication   <none>        <none>\n"
        );
    }
}
