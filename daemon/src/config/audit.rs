//! The settings of the audit log, under kube-apiserver's names: as settings of their own, or as K3s
//! users write them, `kube-apiserver-arg: [audit-log-path=...]`.
//!
//! Invariant: an argument of kube-apiserver that means nothing here is an error that names it.

use std::path::PathBuf;
use std::time::Duration;

use skerry_audit::{FileOptions, Mode};

use super::admission;
use super::parse;
use super::settings::{ConfigError, Given};

/// K3s's name for what it hands to kube-apiserver.
const ARGUMENTS: &str = "kube-apiserver-arg";
const PATH: &str = "audit-log-path";
const POLICY: &str = "audit-policy-file";
const MODE: &str = "audit-log-mode";
const SIZE: &str = "audit-log-maxsize";
const AGE: &str = "audit-log-maxage";
const BACKUPS: &str = "audit-log-maxbackup";
const KNOWN: [&str; 7] = [PATH, POLICY, MODE, SIZE, AGE, BACKUPS, admission::ENABLED];

/// Megabytes of the file; small, as it lives on flash. Upstream's own is 100.
const SIZE_DEFAULT: u64 = 10;
/// What upstream makes of a size of 0.
const SIZE_OF_ZERO: u64 = 100;
/// Days; what K3s's hardening guide and RKE2 say. Upstream's own is for ever.
const AGE_DEFAULT: u64 = 30;
/// Files; as above.
const BACKUPS_DEFAULT: u64 = 10;
const DAY: u64 = 86_400;
/// Larger numbers are mistakes.
const NUMBER_MAX: u64 = 1_000_000;

/// An audit log that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditSettings {
    /// Nothing is recorded without.
    pub(crate) policy: Option<PathBuf>,
    pub(crate) file: FileOptions,
    pub(crate) mode: Mode,
}

/// The audit log that the settings ask for.
pub(super) fn audit(given: &Given) -> Result<Option<AuditSettings>, ConfigError> {
    given.check(ARGUMENTS, || {
        let arguments = given.list(ARGUMENTS);
        arguments.iter().try_for_each(|argument| known(argument))
    })?;
    let policy = said(given, POLICY).map(|(_, text)| PathBuf::from(text));
    let Some((_, path)) = said(given, PATH) else {
        return match said(given, POLICY) {
            None => Ok(None),
            Some((place, _)) => {
                let what = format!("nothing is recorded without '{PATH}'; give that too");
                Err(given.error(place, what))
            }
        };
    };
    let size = number(given, SIZE, SIZE_DEFAULT)?;
    let age = number(given, AGE, AGE_DEFAULT)?;
    let backups = number(given, BACKUPS, BACKUPS_DEFAULT)?;
    Ok(Some(AuditSettings {
        policy,
        file: FileOptions {
            path: PathBuf::from(path),
            bytes_max: if size == 0 { SIZE_OF_ZERO } else { size } << 20,
            age_max: (age > 0).then(|| Duration::from_secs(age * DAY)),
            backups_max: usize::try_from(backups).ok().filter(|count| *count > 0),
        },
        mode: parsed(given, MODE, mode)?.unwrap_or_default(),
    }))
}

fn known(argument: &str) -> Result<(), String> {
    let (name, _) = split(argument)?;
    match KNOWN.contains(&name) {
        true => Ok(()),
        false => Err(parse::expected(
            &format!(
                "one of {} and a value",
                KNOWN.map(|name| format!("{name}=")).join(", ")
            ),
            argument,
        )),
    }
}

/// `name=value`, also with the dashes of a flag.
fn split(argument: &str) -> Result<(&str, &str), String> {
    let pair = argument.trim_start_matches('-').split_once('=');
    pair.ok_or_else(|| parse::expected("name=value", argument))
}

/// What a setting says, and under which key it stands. Its own key comes first.
pub(super) fn said(given: &Given, name: &'static str) -> Option<(&'static str, String)> {
    let own = given.text(name).map(|text| (name, text.to_owned()));
    own.or_else(|| {
        let arguments = given.list(ARGUMENTS);
        // The last one counts, as for any flag.
        let found = arguments.iter().rev().find_map(|argument| {
            let (key, value) = split(argument).ok()?;
            (key == name).then(|| value.to_owned())
        })?;
        Some((ARGUMENTS, found))
    })
    .filter(|(_, text)| !text.is_empty())
}

fn parsed<T>(
    given: &Given,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, ConfigError> {
    let Some((place, text)) = said(given, name) else {
        return Ok(None);
    };
    let parsed = parse(&text);
    parsed.map(Some).map_err(|what| match place == name {
        true => given.error(place, what),
        false => given.error(place, format!("{name}: {what}")),
    })
}

fn number(given: &Given, name: &'static str, default: u64) -> Result<u64, ConfigError> {
    let number = parsed(given, name, |text| {
        let number = text.parse().ok().filter(|number| *number <= NUMBER_MAX);
        number.ok_or_else(|| parse::expected(&format!("a number from 0 to {NUMBER_MAX}"), text))
    })?;
    Ok(number.unwrap_or(default))
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "batch" => Ok(Mode::Batch),
        "blocking" => Ok(Mode::Blocking),
        "blocking-strict" => Ok(Mode::BlockingStrict),
        _ => Err(parse::expected("batch, blocking or blocking-strict", text)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;

    fn load(line: &str) -> Result<Option<AuditSettings>, String> {
        let words = format!("--node-name n --node-ip 127.0.0.1 {line}");
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let settings = Settings::load(&words, std::iter::empty());
        settings.map(|s| s.audit).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_path_nothing_is_recorded() {
        assert_eq!(load("").unwrap(), None);
    }

    #[test]
    fn the_defaults_are_for_flash() {
        let audit = load("--audit-log-path /a").unwrap().unwrap();
        assert_eq!((audit.policy, audit.mode), (None, Mode::Blocking));
        assert_eq!(audit.file.bytes_max, 10 << 20);
        assert_eq!(audit.file.age_max, Some(Duration::from_secs(30 * DAY)));
        assert_eq!(audit.file.backups_max, Some(10));
    }

    #[test]
    fn arguments_of_kube_apiserver_are_taken_as_k3s_users_write_them() {
        let arguments = "--kube-apiserver-arg audit-log-path=/a --kube-apiserver-arg \
            audit-policy-file=/p,audit-log-maxage=0,audit-log-maxbackup=0,--audit-log-maxsize=0,audit-log-mode=batch";
        let audit = load(arguments).unwrap().unwrap();
        assert_eq!(audit.file.path, PathBuf::from("/a"));
        assert_eq!((audit.policy, audit.mode), (Some("/p".into()), Mode::Batch));
        assert_eq!((audit.file.age_max, audit.file.backups_max), (None, None));
        assert_eq!(audit.file.bytes_max, 100 << 20);
        let own = load(&format!("{arguments} --audit-log-path /own")).unwrap();
        assert_eq!(own.unwrap().file.path, PathBuf::from("/own"));
    }

    #[test]
    fn what_means_nothing_is_refused_by_name() {
        for (flags, words) in [
            (
                "--audit-policy-file /p",
                "nothing is recorded without 'audit-log-path'",
            ),
            (
                "--audit-log-path /a --audit-log-mode now",
                "batch, blocking or blocking-strict, not 'now'",
            ),
            (
                "--audit-log-path /a --audit-log-maxsize big",
                "'audit-log-maxsize': expected a number",
            ),
            (
                "--kube-apiserver-arg audit-log-path=/a,audit-log-maxage=-1",
                "'kube-apiserver-arg': audit-log-maxage: expected a number",
            ),
            (
                "--kube-apiserver-arg feature-gates=A=true",
                "expected one of audit-log-path=",
            ),
            (
                "--kube-apiserver-arg audit-log-path",
                "expected name=value, not 'audit-log-path'",
            ),
        ] {
            let error = load(flags).unwrap_err();
            assert!(error.contains(words), "{flags}: {error}");
        }
    }
}
