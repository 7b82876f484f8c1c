//! What is measured of the API, and with what: the words after `--api`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const USAGE: &str = "\
usage: skerry-bench --api [--clients 1,16,64] [--duration SECONDS] [--objects 10000,100000]
                    [--only start,idle,writes,lists,pods,watch] [--verbs create,get,...]
                    [--rate WRITES] [--watchers COUNT] [--event-bytes BYTES]
                    [--skerry PATH] [--dir PATH] [--json FILE]";

/// A group of figures, each from a server of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Start,
    Idle,
    Writes,
    Lists,
    Pods,
    Watch,
}

impl Part {
    pub(crate) const ALL: [Part; 6] = [
        Part::Start,
        Part::Idle,
        Part::Writes,
        Part::Lists,
        Part::Pods,
        Part::Watch,
    ];

    fn name(self) -> &'static str {
        match self {
            Part::Start => "start",
            Part::Idle => "idle",
            Part::Writes => "writes",
            Part::Lists => "lists",
            Part::Pods => "pods",
            Part::Watch => "watch",
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) clients: Vec<usize>,
    pub(crate) window: Duration,
    pub(crate) objects: Vec<usize>,
    pub(crate) verbs: Option<Vec<String>>,
    pub(crate) rate: usize,
    pub(crate) watchers: usize,
    pub(crate) event_bytes: usize,
    pub(crate) skerry: Option<PathBuf>,
    pub(crate) folder: Option<PathBuf>,
    pub(crate) json: Option<PathBuf>,
    parts: Vec<Part>,
}

impl Settings {
    pub(crate) fn parse(words: impl Iterator<Item = OsString>) -> Result<Settings> {
        let mut settings = Settings {
            clients: vec![1, 16, 64],
            window: Duration::from_secs(5),
            objects: vec![10_000, 100_000],
            verbs: None,
            rate: 500,
            watchers: 1_000,
            event_bytes: 1_024,
            skerry: None,
            folder: None,
            json: None,
            parts: Part::ALL.to_vec(),
        };
        let mut parser = lexopt::Parser::from_args(words);
        while let Some(argument) = parser.next()? {
            let lexopt::Arg::Long(name) = argument else {
                bail!("{}\n{USAGE}", argument.unexpected());
            };
            let name = name.to_owned();
            let value = parser.value()?;
            let path = PathBuf::from(&value);
            let text = value.to_string_lossy();
            match name.as_str() {
                "clients" => settings.clients = numbers(&text)?,
                "duration" => settings.window = Duration::try_from_secs_f64(text.parse()?)?,
                "objects" => settings.objects = numbers(&text)?,
                "verbs" => settings.verbs = Some(text.split(',').map(str::to_owned).collect()),
                "rate" => settings.rate = number(&text)?,
                "watchers" => settings.watchers = number(&text)?,
                "event-bytes" => settings.event_bytes = number(&text)?,
                "only" => settings.parts = text.split(',').map(part).collect::<Result<_>>()?,
                "skerry" => settings.skerry = Some(path),
                "dir" => settings.folder = Some(path),
                "json" => settings.json = Some(path),
                _ => bail!("no setting --{name}\n{USAGE}"),
            }
        }
        Ok(settings)
    }

    pub(crate) fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part)
    }
}

fn number(text: &str) -> Result<usize> {
    text.parse()
        .with_context(|| format!("not a number: {text}"))
}

fn numbers(text: &str) -> Result<Vec<usize>> {
    text.split(',').map(number).collect()
}

fn part(name: &str) -> Result<Part> {
    let found = Part::ALL.into_iter().find(|part| part.name() == name);
    found.with_context(|| format!("nothing is called {name}\n{USAGE}"))
}
