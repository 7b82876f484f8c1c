//! Lays the sources of settings over each other: a flag beats the environment, which beats
//! `config.yaml.d/*.yaml` in alphabetical order, which beats config.yaml.
//!
//! Knows which keys exist, not what their values mean. Every value keeps its origin.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::file::{self, FileError};
use super::keys::{self, Key, Kind};
use super::s3;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Flag(String),
    Environment(String),
    File { path: PathBuf, line: usize },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(f, "flag --{name}"),
            Origin::Environment(name) => write!(f, "environment variable {name}"),
            Origin::File { path, line } => write!(f, "{}:{line}", path.display()),
        }
    }
}

/// The values of one key and where they come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) values: Vec<String>,
    pub(crate) origin: Origin,
}

/// All settings that somebody gave.
pub(crate) type Layers = BTreeMap<&'static str, Value>;

/// Settings that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{origin}: unknown setting '{name}'{}", suggestion(name))]
    Unknown { name: String, origin: Origin },
    #[error("{origin}: '{name}' takes one value, not {count}")]
    NotOne {
        name: &'static str,
        count: usize,
        origin: Origin,
    },
    #[error("{origin}: '{name}' is not a list, so '{name}+' cannot append to it")]
    NotAList { name: &'static str, origin: Origin },
    #[error("flag {0} needs a value")]
    MissingValue(String),
    #[error("unexpected argument '{0}'")]
    Unexpected(String),
}

fn suggestion(name: &str) -> String {
    keys::nearest(name).map_or_else(String::new, |known| format!("; did you mean '{known}'?"))
}

/// Reads flags (the words behind `skerry server`), environment and files.
pub(crate) fn collect(
    flags: &[String],
    environment: impl Iterator<Item = (String, String)>,
    default_file: &Path,
) -> Result<Layers, LayerError> {
    let flags = flag_values(flags)?;
    let environment = environment_values(environment)?;
    let named = flags.get("config").or_else(|| environment.get("config"));
    let mut layers = Layers::new();
    let file = named
        .and_then(|value| value.values.first())
        .map(PathBuf::from);
    match file {
        Some(file) => files_over(&mut layers, &file, true)?,
        None => files_over(&mut layers, default_file, false)?,
    }
    layers.extend(environment);
    layers.extend(flags);
    Ok(layers)
}

fn flag_values(words: &[String]) -> Result<Layers, LayerError> {
    let mut layers = Layers::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let key = if let Some(long) = name.strip_prefix("--") {
            keys::find(long).ok_or_else(|| LayerError::Unknown {
                name: long.to_owned(),
                origin: Origin::Flag(long.to_owned()),
            })?
        } else {
            let mut letters = name.chars();
            match (
                letters.next(),
                letters.next().and_then(keys::find_short),
                letters.next(),
            ) {
                (Some('-'), Some(key), None) => key,
                _ => return Err(LayerError::Unexpected(word.clone())),
            }
        };
        let value = match (key.kind, inline) {
            (_, Some(value)) => value,
            (Kind::Switch, None) => "true".to_owned(),
            (_, None) => words
                .next()
                .cloned()
                .ok_or_else(|| LayerError::MissingValue(name.to_owned()))?,
        };
        let origin = Origin::Flag(key.name.to_owned());
        put(
            &mut layers,
            key,
            vec![value],
            key.kind == Kind::List,
            origin,
        )?;
    }
    Ok(layers)
}

fn environment_values(
    variables: impl Iterator<Item = (String, String)>,
) -> Result<Layers, LayerError> {
    let mut layers = Layers::new();
    let mut of_others = Layers::new();
    for (variable, value) in variables {
        if let Some((_, name)) = s3::ENVIRONMENT.iter().find(|(known, _)| *known == variable)
            && let Some(key) = keys::find(name)
        {
            let origin = Origin::Environment(variable);
            put(&mut of_others, key, vec![value], false, origin)?;
            continue;
        }
        let Some(name) = variable.strip_prefix("SKERRY_") else {
            continue;
        };
        let name = name.to_lowercase().replace('_', "-");
        // Others may live under the prefix (a unit's own variables): only known names count.
        if let Some(key) = keys::find(&name) {
            put(
                &mut layers,
                key,
                vec![value],
                false,
                Origin::Environment(variable),
            )?;
        }
    }
    of_others.append(&mut layers);
    Ok(of_others)
}

fn files_over(layers: &mut Layers, main: &Path, must_exist: bool) -> Result<(), LayerError> {
    // What is there and cannot be looked at is an error, not a file that is missing.
    let is_there = main.try_exists().map_err(|source| FileError::Read {
        path: main.to_owned(),
        source,
    })?;
    if must_exist || is_there {
        file_over(layers, main)?;
    }
    let mut directory = main.as_os_str().to_owned();
    directory.push(".d");
    let directory = PathBuf::from(directory);
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(source) => {
            return Err(FileError::Read {
                path: directory,
                source,
            }
            .into());
        }
    };
    let mut paths = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| FileError::Read {
            path: directory.clone(),
            source,
        })?;
        paths.push(entry.path());
    }
    paths.retain(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml"));
    paths.sort();
    paths.iter().try_for_each(|path| file_over(layers, path))
}

fn file_over(layers: &mut Layers, path: &Path) -> Result<(), LayerError> {
    for line in file::read(path)? {
        let origin = Origin::File {
            path: path.to_owned(),
            line: line.line,
        };
        let key = keys::find(&line.key).ok_or_else(|| LayerError::Unknown {
            name: line.key.clone(),
            origin: origin.clone(),
        })?;
        put(layers, key, line.values, line.append, origin)?;
    }
    Ok(())
}

fn put(
    layers: &mut Layers,
    key: &'static Key,
    values: Vec<String>,
    append: bool,
    origin: Origin,
) -> Result<(), LayerError> {
    let values: Vec<String> = match key.kind {
        Kind::List => values
            .iter()
            .flat_map(|value| value.split(','))
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
            .collect(),
        _ if append => {
            return Err(LayerError::NotAList {
                name: key.name,
                origin,
            });
        }
        _ if values.len() != 1 => {
            return Err(LayerError::NotOne {
                name: key.name,
                count: values.len(),
                origin,
            });
        }
        _ => values,
    };
    match layers.get_mut(key.name) {
        Some(earlier) if append => {
            earlier.values.extend(values);
            earlier.origin = origin;
        }
        _ => {
            layers.insert(key.name, Value { values, origin });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn collect_in(
        directory: &Path,
        flags: &str,
        environment: &[(&str, &str)],
    ) -> Result<Layers, LayerError> {
        let environment = environment
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        collect(&words(flags), environment, &directory.join("config.yaml"))
    }

    #[test]
    fn a_flag_beats_the_environment_which_beats_the_files() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("config.yaml"),
            "token: a\nnode-name: a\ndata-dir: a\n",
        )
        .unwrap();
        let drop_ins = directory.path().join("config.yaml.d");
        std::fs::create_dir(&drop_ins).unwrap();
        std::fs::write(
            drop_ins.join("1.yaml"),
            "node-name: b\ntls-san: [x]\ndebug: true",
        )
        .unwrap();
        std::fs::write(drop_ins.join("2.yaml"), "tls-san+: [y]\nbind-address: c").unwrap();
        let environment = [
            ("SKERRY_NODE_NAME", "d"),
            ("SKERRY_BIND_ADDRESS", "d"),
            ("HOME", "x"),
        ];
        let layers = collect_in(directory.path(), "--node-name=e", &environment).unwrap();
        let value = |key: &str| layers[key].values.join(" ");
        assert_eq!(value("token"), "a");
        assert_eq!(value("node-name"), "e");
        assert_eq!(value("bind-address"), "d");
        assert_eq!(value("tls-san"), "x y");
        assert_eq!(value("debug"), "true");
    }

    #[test]
    fn an_unknown_key_is_named_with_its_file_line_and_nearest_key() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("config.yaml"),
            "token: a\ntls-sans: [x]\n",
        )
        .unwrap();
        let error = collect_in(directory.path(), "", &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("config.yaml:2: unknown setting 'tls-sans'; did you mean 'tls-san'?"),
            "{error}"
        );
    }

    #[test]
    fn repeated_and_comma_separated_flags_make_a_list() {
        let directory = tempfile::tempdir().unwrap();
        let flags = "--tls-san a --tls-san b,c -d /x --cluster-init";
        let layers = collect_in(directory.path(), flags, &[]).unwrap();
        assert_eq!(layers["tls-san"].values, ["a", "b", "c"]);
        assert_eq!(layers["data-dir"].values, ["/x"]);
        assert_eq!(layers["cluster-init"].values, ["true"]);
    }

    #[test]
    fn a_named_file_must_exist_and_the_default_one_need_not() {
        let directory = tempfile::tempdir().unwrap();
        assert!(collect_in(directory.path(), "", &[]).unwrap().is_empty());
        assert!(collect_in(directory.path(), "--config /nonexistent/x.yaml", &[]).is_err());
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        for flags in ["server", "-x", "--token", "-", "--", "--no-such"] {
            assert!(collect_in(directory.path(), flags, &[]).is_err(), "{flags}");
        }
    }
}
