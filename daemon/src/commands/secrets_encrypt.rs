//! `skerry secrets-encrypt`: encryption of Secrets in the datastore, as K3s's command of that name.
//!
//! Knows nothing about ciphers. Invariant: what takes several steps with K3s, and a restart between
//! them, is one here, and the command says so.

use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use skerry_kube::{ApiError, Encryption, EncryptionChange};

use super::print;
use crate::admin::{Client, Refused, Routes};
use crate::config::Settings;

const USAGE: &str = "\
usage:
  skerry secrets-encrypt status [flags]       whether it is on, how far it has come, with which key
  skerry secrets-encrypt enable [flags]       encrypt from now on, and all that is there
  skerry secrets-encrypt disable [flags]      write in the clear from now on, and all that is there
  skerry secrets-encrypt rotate-keys [flags]  make a new key and encrypt all that is there with it
  skerry secrets-encrypt reencrypt [flags]    look once more for what is not as it should be

No server has to be restarted. The flags are those of `skerry server`; --data-dir and --node-ip say
which server is asked.
";

/// Below the administrators' routes.
const STATUS: &str = "encrypt/status";
const CONFIG: &str = "encrypt/config";

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    let help = |word: &String| word == "--help" || word == "-h";
    let (command, flags) = match words.split_first() {
        Some(_) if words.iter().any(help) => return print(USAGE),
        Some((command, flags)) => (command.as_str(), flags),
        None => bail!("secrets-encrypt wants a word\n{USAGE}"),
    };
    let (change, done) = match command {
        "status" => (None, ""),
        "enable" => (
            Some("enable"),
            "secrets-encryption enabled, reencryption started",
        ),
        "disable" => (
            Some("disable"),
            "secrets-encryption disabled, reencryption started",
        ),
        "rotate-keys" => (Some("rotate-keys"), "keys rotated, reencryption started"),
        "reencrypt" => (Some("reencrypt"), "reencryption started"),
        "prepare" | "rotate" => bail!(
            "there is no {command} here: 'skerry secrets-encrypt rotate-keys' makes a new key, which \
             every server knows at once, and encrypts all that is there with it"
        ),
        other => bail!("secrets-encrypt has no '{other}'\n{USAGE}"),
    };
    let settings = Settings::load(flags, std::env::vars()).context("configuration")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = Client::of(&settings)?;
        let Some(change) = change else {
            let status = client.get(&format!("/v1-skerry/admin/{STATUS}")).await?;
            return print(&told(&status));
        };
        let path = format!("/v1-skerry/admin/{CONFIG}");
        client.put(&path, &json!({"change": change})).await?;
        print(&format!("{done}\n"))
    })
}

/// The server's side.
pub(crate) fn routes(routes: Routes, encryption: &Encryption) -> Routes {
    let (status, config) = (encryption.clone(), encryption.clone());
    routes
        .at(Method::GET, STATUS, move |_| {
            let status = status.status().map_err(refused);
            async move { status }
        })
        .at(Method::PUT, CONFIG, move |ask| {
            let encryption = config.clone();
            async move {
                let asked = ask.body["change"].as_str().unwrap_or_default();
                let change = match asked {
                    "enable" => EncryptionChange::Enable,
                    "disable" => EncryptionChange::Disable,
                    "rotate-keys" => EncryptionChange::RotateKeys,
                    "reencrypt" => EncryptionChange::Reencrypt,
                    other => return Err(Refused::bad_request(format!("no change: {other:?}"))),
                };
                encryption.change(change).await.map_err(refused)?;
                tracing::info!(change = asked, "secrets-encryption was changed");
                Ok(json!({}))
            }
        })
}

fn refused(error: ApiError) -> Refused {
    Refused {
        code: StatusCode::from_u16(error.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        message: error.message,
    }
}

/// In K3s's words.
fn told(status: &Value) -> String {
    let Some(enabled) = status["enable"].as_bool() else {
        return "Encryption Status: Disabled, no configuration file found\n".to_owned();
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| -> Vec<String> {
        let list = value.as_array().map_or(&[][..], Vec::as_slice);
        list.iter().map(text).collect()
    };
    let mut out = format!(
        "Encryption Status: {}\nCurrent Rotation Stage: {}\nServer Encryption Hashes: All hashes match\nEncrypted Resources: {}\n\n",
        if enabled { "Enabled" } else { "Disabled" },
        text(&status["stage"]),
        list(&status["resources"]).join(", "),
    );
    out.push_str("Active  Key Type  Name\n------  --------  ----\n");
    let active = text(&status["activekey"]);
    let mark = if enabled { "*" } else { " " };
    let _ = writeln!(out, " {mark}      AES-GCM   {active}");
    for name in list(&status["inactivekeys"]) {
        let _ = writeln!(out, "        AES-GCM   {name}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_told_in_the_words_that_scripts_for_k3s_look_for() {
        assert_eq!(
            told(&json!({})),
            "Encryption Status: Disabled, no configuration file found\n"
        );
        let status = json!({
            "enable": true, "stage": "reencrypt_finished", "resources": ["secrets"],
            "activekey": "new", "inactivekeys": ["old"],
        });
        assert_eq!(
            told(&status),
            "Encryption Status: Enabled\n\
             Current Rotation Stage: reencrypt_finished\n\
             Server Encryption Hashes: All hashes match\n\
             Encrypted Resources: secrets\n\n\
             Active  Key Type  Name\n\
             ------  --------  ----\n \
             *      AES-GCM   new\n        AES-GCM   old\n"
        );
    }
}
