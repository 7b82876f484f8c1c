//! `skerry completion bash|zsh|fish`: a script that completes commands and flags in that shell.
//!
//! Knows nothing of what commands do: they are read from the usage, flags from the settings.

use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Context as _, bail};

use crate::config::{KEYS, Key, Kind};

const USAGE: &str = "\
usage:
  skerry completion bash|zsh|fish

  bash: source <(skerry completion bash)
  zsh:  skerry completion zsh >\"${fpath[1]}/_skerry\"
  fish: skerry completion fish >~/.config/fish/completions/skerry.fish
";

/// A command of the usage.
#[derive(Debug, PartialEq, Eq)]
struct Command {
    name: String,
    /// What may follow it, where the usage says `one|other`.
    choices: Vec<String>,
    help: String,
}

/// Runs the command that the words ask for; `usage` is the binary's.
pub(crate) fn run(words: &[String], usage: &str) -> anyhow::Result<()> {
    let commands = commands(usage);
    let script = match words.first().map(String::as_str) {
        Some("bash") => bash(&commands),
        Some("zsh") => zsh(&commands),
        Some("fish") => fish(&commands),
        Some("--help" | "-h") => USAGE.to_owned(),
        _ => bail!("completion wants bash, zsh or fish\n{USAGE}"),
    };
    std::io::stdout()
        .write_all(script.as_bytes())
        .context("standard output")
}

/// The lines `  skerry NAME [CHOICE|CHOICE] [flags]   help` of the usage.
fn commands(usage: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for line in usage.lines() {
        let Some(rest) = line.strip_prefix("  skerry ") else {
            continue;
        };
        let (words, help) = rest.split_once("  ").unwrap_or((rest, ""));
        let mut words = words.split(' ');
        let name = words.next().unwrap_or_default();
        if name.starts_with('-') || commands.iter().any(|command| command.name == name) {
            continue;
        }
        let choices = words.next().filter(|word| word.contains('|'));
        commands.push(Command {
            name: name.to_owned(),
            choices: choices.map_or_else(Vec::new, |word| {
                word.split('|').map(str::to_owned).collect()
            }),
            help: help.trim().to_owned(),
        });
    }
    commands
}

fn names(commands: &[Command]) -> String {
    let names: Vec<&str> = commands.iter().map(|c| c.name.as_str()).collect();
    names.join(" ")
}

/// Whether the value is the name of a file or a folder.
fn is_path(key: &Key) -> bool {
    let ends = ["file", "-dir", "-path", "config", "kubeconfig"];
    ends.iter().any(|end| key.name.ends_with(end))
}

fn bash(commands: &[Command]) -> String {
    let of = |wanted: fn(&Key) -> bool| {
        let flags = KEYS.iter().filter(|key| wanted(key));
        let flags: Vec<String> = flags.map(|key| format!("--{}", key.name)).collect();
        flags
    };
    let mut choices = String::new();
    for command in commands.iter().filter(|c| !c.choices.is_empty()) {
        let words = command.choices.join(" ");
        let _ = writeln!(choices, "        {}) words=\"{words}\" ;;", command.name);
    }
    format!(
        "# bash completion for skerry
_skerry() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} words=
    COMPREPLY=()
    if [ \"$COMP_CWORD\" -eq 1 ]; then
        COMPREPLY=($(compgen -W \"{names}\" -- \"$cur\"))
        return
    fi
    case \"$prev\" in
        {paths}|-c|-d) COMPREPLY=($(compgen -f -- \"$cur\")); return ;;
        {values}) return ;;
    esac
    if [ \"$COMP_CWORD\" -eq 2 ]; then
        case \"${{COMP_WORDS[1]}}\" in
{choices}        esac
    fi
    COMPREPLY=($(compgen -W \"$words {flags}\" -- \"$cur\"))
}}
complete -F _skerry skerry
",
        names = names(commands),
        paths = of(is_path).join("|"),
        values = of(|key| key.kind != Kind::Switch && !is_path(key)).join("|"),
        flags = of(|_| true).join(" "),
    )
}

/// A text between single quotes, with the colons of zsh's descriptions escaped.
fn zsh_quoted(name: &str, help: &str) -> String {
    let help = help.replace('\'', "’").replace(':', "\\:");
    format!("'{name}:{help}'")
}

fn zsh(commands: &[Command]) -> String {
    let described = |pairs: Vec<(String, &str)>| {
        let lines = pairs.iter().map(|(name, help)| zsh_quoted(name, help));
        lines.collect::<Vec<_>>().join("\n    ")
    };
    let mut choices = String::new();
    for command in commands.iter().filter(|c| !c.choices.is_empty()) {
        let words = command.choices.join(" ");
        let _ = writeln!(choices, "      {}) compadd {words} ;;", command.name);
    }
    let flags = KEYS.iter().map(|k| (format!("--{}", k.name), k.help));
    format!(
        "#compdef skerry
_skerry() {{
  local -a commands flags
  commands=(
    {commands}
  )
  flags=(
    {flags}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  if (( CURRENT == 3 )); then
    case $words[2] in
{choices}    esac
  fi
  _describe -o flag flags
  _files
}}
compdef _skerry skerry
",
        commands = described(
            commands
                .iter()
                .map(|c| (c.name.clone(), c.help.as_str()))
                .collect()
        ),
        flags = described(flags.collect()),
    )
}

fn fish(commands: &[Command]) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut script = String::from("# fish completion for skerry\ncomplete -c skerry -f\n");
    for Command {
        name,
        choices,
        help,
    } in commands
    {
        let help = quoted(help);
        let _ = writeln!(
            script,
            "complete -c skerry -n __fish_use_subcommand -a {name} -d {help}"
        );
        for choice in choices {
            let _ = writeln!(
                script,
                "complete -c skerry -n '__fish_seen_subcommand_from {name}' -a {choice}"
            );
        }
    }
    for key in KEYS {
        let takes = match key.kind {
            Kind::Switch => "",
            _ if is_path(key) => " -r -F",
            _ => " -x",
        };
        let short = key.short.map_or_else(String::new, |c| format!(" -s {c}"));
        let _ = writeln!(
            script,
            "complete -c skerry -n 'not __fish_use_subcommand' -l {}{short}{takes} -d {}",
            key.name,
            quoted(key.help)
        );
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_from_the_usage() {
        let usage = "usage:\n  skerry server [flags]    run\n  skerry member a|b [flags]   them\n  skerry member c   more\n  skerry --version\n";
        let found = commands(usage);
        assert_eq!(names(&found), "server member");
        assert_eq!(found[1].choices, ["a", "b"]);
        assert_eq!(found[0].help, "run");
    }
}
