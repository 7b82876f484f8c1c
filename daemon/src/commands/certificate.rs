//! `skerry certificate check|rotate|rotate-ca`: how long the certificates of this node are good, new
//! ones while its server runs, and other authorities for the cluster.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use skerry_pki::{Clock, Inspected, Leaf, inspect};
use skerry_token::time::rfc3339;

use super::print;
use crate::admin::Client;
use crate::config::Settings;
use crate::expiry::days_left;
use crate::{renewal, succession};

const USAGE: &str = "\
usage:
  skerry certificate check [-o text|table|json|yaml] [--service NAME,...] [flags]
                                      what the certificates of this node say
  skerry certificate rotate [--service NAME,...] [flags]  new ones, while the server runs:
                                      admin, api-server, auth-proxy, etcd; all where none is named

  skerry certificate rotate-ca [--path DIR] [--service-key] [--force] [flags]
                                      other authorities for the cluster, used by each server from
                                      its next start on: those in DIR or in DIR/tls, named as in
                                      <data-dir>/tls, with their keys; new ones without --path
    --service-key                     a new key for service account tokens, too
    --force                           also where clients lose what they trust

The server renews its certificates by itself once a third of their life is left.
The flags are those of `skerry server`; --data-dir and --node-ip say which server is meant.
";

/// Fewer days than these are worth a warning: a leaf is renewed before that.
const WARN_DAYS: f64 = 90.0;

/// Runs the command that the words ask for.
pub(crate) fn run(words: &[String]) -> anyhow::Result<()> {
    if words.iter().any(|word| word == "--help" || word == "-h") {
        return print(USAGE);
    }
    match words.split_first() {
        Some((command, rest)) if command == "check" => {
            let (output, rest) = taken(rest, &["--output", "-o"])?;
            let (services, flags) = taken(&rest, &["--service", "-s"])?;
            let settings = Settings::load(&flags, std::env::vars()).context("configuration")?;
            let output = output.as_deref().unwrap_or("text");
            check(&settings, output, services.as_deref())
        }
        Some((command, rest)) if command == "rotate" => {
            let (services, flags) = taken(rest, &["--service", "-s"])?;
            let settings = Settings::load(&flags, std::env::vars()).context("configuration")?;
            rotate(&settings, services.as_deref())
        }
        Some((command, rest)) if command == "rotate-ca" => rotate_ca(rest),
        Some((other, _)) => bail!("certificate has no command '{other}'\n{USAGE}"),
        None => bail!("certificate wants a command\n{USAGE}"),
    }
}

/// The value of a flag of the command's own, and the other words.
pub(super) fn taken(
    words: &[String],
    names: &[&str],
) -> anyhow::Result<(Option<String>, Vec<String>)> {
    let (mut found, mut rest) = (None, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        if names.contains(&name) {
            let value = value.or_else(|| words.next().cloned());
            found = Some(value.with_context(|| format!("{name} wants a value"))?);
        } else {
            rest.push(word.clone());
        }
    }
    Ok((found, rest))
}

fn check(settings: &Settings, output: &str, services: Option<&str>) -> anyhow::Result<()> {
    let mut found = inspect(&settings.data_dir)?;
    if found.is_empty() {
        bail!(
            "{}: this is not the data directory of a server that has run; give its --data-dir",
            settings.data_dir.display()
        );
    }
    if let Some(services) = services {
        let names: Vec<&str> = services.split(',').collect();
        let wanted = renewal::leaves_of(&json!(names))?;
        let wanted: Vec<String> = wanted.into_iter().map(Leaf::certificate_name).collect();
        found.retain(|found| wanted.contains(&found.file));
    }
    let now = Clock::system().now();
    let rows = || Value::from_iter(found.iter().map(|found| as_json(found, now)));
    print(&match output {
        "text" => text(&found, now),
        "table" => table(&found, now),
        "json" => format!("{}\n", json!({"Certificates": rows()})),
        "yaml" => super::yaml::list("certificates", &rows()),
        other => bail!("invalid output format {other}"),
    })
}

fn status(found: &Inspected, now: u64) -> &'static str {
    match days_left(found.not_after, now) {
        ..=0.0 => "EXPIRED",
        days if days < WARN_DAYS => "WARNING",
        _ => "OK",
    }
}

fn end(found: &Inspected) -> String {
    rfc3339(i64::try_from(found.not_after).unwrap_or(i64::MAX))
}

fn text(found: &[Inspected], now: u64) -> String {
    let mut text = String::new();
    for found in found {
        let (file, end) = (&found.file, end(found));
        let subject = format!("{} ({})", found.common_name, found.usages.join(","));
        let days = days_left(found.not_after, now);
        let _ = match status(found, now) {
            "EXPIRED" => writeln!(text, "{file}: certificate {subject} expired at {end}"),
            "WARNING" => writeln!(
                text,
                "{file}: certificate {subject} will expire within {WARN_DAYS:.0} days at {end}"
            ),
            _ => writeln!(
                text,
                "{file}: certificate {subject} is ok, expires at {end}, {days:.0} days left"
            ),
        };
    }
    text
}

/// `2027-11-23T10:06:20Z` as `Nov 23, 2027 10:06 UTC`.
fn day_and_time(rfc3339: &str) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let part = |range: std::ops::Range<usize>| rfc3339.get(range).unwrap_or_default();
    let month = part(5..7).parse::<usize>().unwrap_or(0).wrapping_sub(1);
    let month = MONTHS.get(month).unwrap_or(&"");
    format!(
        "{month} {}, {} {} UTC",
        part(8..10),
        part(0..4),
        part(11..16)
    )
}

fn table(found: &[Inspected], now: u64) -> String {
    let mut lines = vec![
        [
            "FILENAME",
            "SUBJECT",
            "USAGES",
            "EXPIRES",
            "RESIDUAL TIME",
            "STATUS",
        ]
        .map(str::to_owned),
    ];
    let rule = std::array::from_fn(|column: usize| "-".repeat(lines[0][column].len()));
    lines.push(rule);
    for found in found {
        lines.push([
            found.file.clone(),
            found.common_name.clone(),
            found.usages.join(","),
            day_and_time(&end(found)),
            format!("{:.0} days", days_left(found.not_after, now)),
            status(found, now).to_owned(),
        ]);
    }
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0) + 3
    };
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::from("\n");
    for line in &lines {
        for (cell, width) in line.iter().zip(&widths).take(5) {
            let _ = write!(text, "{cell:<width$}");
        }
        let _ = writeln!(text, "{}", line[5]);
    }
    text
}

fn as_json(found: &Inspected, now: u64) -> Value {
    // What is left is in nanoseconds, as K3s has it.
    let left = i128::from(found.not_after) - i128::from(now);
    json!({
        "Filename": found.file,
        "Subject": found.common_name,
        "Issuer": found.issuer,
        "Usages": found.usages,
        "ExpiryTime": end(found),
        "ResidualTime": i64::try_from(left * 1_000_000_000).unwrap_or(i64::MAX),
        "Status": status(found, now),
    })
}

fn rotate(settings: &Settings, services: Option<&str>) -> anyhow::Result<()> {
    let services: Option<Vec<&str>> = services.map(|names| names.split(',').collect());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = Client::of(settings)?;
    let path = format!("/v1-skerry/admin/{}", renewal::ROUTE);
    let answer = runtime.block_on(client.post(&path, &json!({"services": services})))?;
    let mut said = String::from("these certificates are new, and in use:\n");
    for file in answer["files"].as_array().map_or(&[][..], Vec::as_slice) {
        let _ = writeln!(said, "  tls/{}", file.as_str().unwrap_or_default());
    }
    print(&said)
}

/// Names below `tls/` that `rotate-ca` looks for.
const CA_FILES: [&str; 6] = [
    "server-ca",
    "client-ca",
    "request-header-ca",
    "etcd/server-ca",
    "etcd/peer-ca",
    "service",
];

fn rotate_ca(words: &[String]) -> anyhow::Result<()> {
    let (path, words) = taken(words, &["--path"])?;
    let (force, words) = switched(words, "--force");
    let (service_key, flags) = switched(words, "--service-key");
    let settings = Settings::load(&flags, std::env::vars()).context("configuration")?;
    let files = match &path {
        Some(path) => read_authorities(Path::new(path))?,
        None => Vec::new(),
    };
    let body = json!({
        "files": files,
        "makeAuthorities": path.is_none(),
        "makeServiceKey": service_key,
        "force": force,
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let client = Client::of(&settings)?;
    let route = format!("/v1-skerry/admin/{}", succession::ROUTE);
    let answer = runtime.block_on(client.post(&route, &body))?;
    let hash = answer["caHash"].as_str().unwrap_or_default();
    print(&format!(
        "certificates saved to datastore\n\
         Restart the servers one after the other; each uses the new ones from its start on.\n\
         Kubeconfigs, certificates and tokens from before stay good meanwhile and after that.\n\
         From then on the tokens of servers begin with K10{hash}; \
         {}/token of each server has the whole token after its restart.\n",
        settings.data_dir.display()
    ))
}

/// Whether a switch of the command's own is there, and the other words.
fn switched(words: Vec<String>, name: &str) -> (bool, Vec<String>) {
    let count = words.len();
    let rest: Vec<String> = words.into_iter().filter(|word| word != name).collect();
    (rest.len() < count, rest)
}

/// Name and text of each file that is there.
fn read_authorities(folder: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let tls = folder.join("tls");
    let folder = if tls.is_dir() { &tls } else { folder };
    let mut files = Vec::new();
    for stem in CA_FILES {
        for end in ["crt", "key"] {
            let name = format!("{stem}.{end}");
            let path = folder.join(&name);
            match std::fs::read_to_string(&path) {
                Ok(text) => files.push((name, text)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).with_context(|| path.display().to_string()),
            }
        }
    }
    if files.is_empty() {
        let names = CA_FILES.map(|stem| format!("{stem}.key")).join(", ");
        bail!(
            "--path: {} holds none of {names}, nor certificates of these names",
            folder.display()
        );
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_soon_or_has_ended_is_said() {
        let of = |file: &str, days: u64| Inspected {
            file: file.into(),
            common_name: "a".into(),
            issuer: "ca".into(),
            usages: vec!["ClientAuth"],
            not_after: days * 86_400,
        };
        let found = [of("a.crt", 300), of("b.crt", 150), of("c.crt", 90)];
        let text = text(&found, 100 * 86_400);
        assert_eq!(
            text,
            "a.crt: certificate a (ClientAuth) is ok, expires at 1970-10-28T00:00:00Z, 200 days left\n\
             b.crt: certificate a (ClientAuth) will expire within 90 days at 1970-05-31T00:00:00Z\n\
             c.crt: certificate a (ClientAuth) expired at 1970-04-01T00:00:00Z\n"
        );
        assert_eq!(
            day_and_time("1970-04-01T12:34:56Z"),
            "Apr 01, 1970 12:34 UTC"
        );
        let table = table(&found, 100 * 86_400);
        assert!(
            table
                .lines()
                .nth(5)
                .unwrap()
                .ends_with("-10 days        EXPIRED"),
            "{table}"
        );
    }
}
