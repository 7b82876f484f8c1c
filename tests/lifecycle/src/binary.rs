//! Runs the skerry binary to its end.

use anyhow::{Result, bail};
use skerry_tests_harness::{Member, eventually, skerry_binary};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// No command that is refused takes longer.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);

/// How a command ended.
#[derive(Debug, Clone)]
pub struct Ran {
    /// The exit code; none: by a signal.
    pub code: Option<i32>,
    /// Standard output, then standard error.
    pub said: String,
}

impl Ran {
    /// It was refused: the code is that of a failure, and the words say why.
    pub fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{}", self.said);
        for word in words {
            assert!(self.said.contains(word), "no '{word}' in: {}", self.said);
        }
    }

    /// It went well; what it said.
    pub fn succeeded(&self) -> &str {
        assert_eq!(self.code, Some(0), "{}", self.said);
        &self.said
    }
}

/// Runs `skerry` with these words; a command that goes on is killed and is an error.
pub fn run(words: &[&str], environment: &[(&str, &str)]) -> Result<Ran> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("said");
    let file = std::fs::File::create(&log)?;
    let mut child = Command::new(skerry_binary()?)
        .args(words)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()?;
    let ended = eventually("the command ends", COMMAND_DEADLINE, || {
        match child.try_wait()? {
            Some(status) => Ok(status),
            None => bail!("it goes on"),
        }
    });
    let said = String::from_utf8_lossy(&std::fs::read(&log)?).into_owned();
    match ended {
        Ok(status) => Ok(Ran {
            code: status.code(),
            said,
        }),
        Err(error) => {
            let _ = child.kill();
            let _ = child.wait();
            Err(error.context(said))
        }
    }
}

/// The words that lead `skerry member` to the server of `member`.
pub fn server_of(member: &Member) -> Vec<String> {
    vec![
        format!("--config={}", config_of(member).display()),
        format!("--data-dir={}", member.data_dir.display()),
        format!("--node-ip={}", member.client_address.ip()),
    ]
}

/// The configuration file of `member`.
pub fn config_of(member: &Member) -> &Path {
    let flag = member.command.iter().find_map(|word| {
        word.to_str()
            .and_then(|word| word.strip_prefix("--config="))
    });
    Path::new(flag.expect("every member has a configuration file"))
}

/// Starts a member that will not serve, and waits for its end.
pub fn last_words(member: &mut Member) -> Result<Ran> {
    let before = std::fs::metadata(&member.log).map_or(0, |log| log.len());
    member.start()?;
    let status = member.wait_for_exit(COMMAND_DEADLINE)?;
    let log = std::fs::read(&member.log)?;
    let said = log.get(before as usize..).unwrap_or_default();
    Ok(Ran {
        code: status.code(),
        said: String::from_utf8_lossy(said).into_owned(),
    })
}
