//! Starts processes that cannot outlive the test process.
//!
//! `setpriv --pdeathsig` asks the kernel to kill the child when the *thread* that started it
//! ends, so one thread that lives as long as the process starts them all. `setpriv` replaces
//! itself with the command: the pid stays that of the command.

use anyhow::{Context, Result};
use std::process::{Child, Command};
use std::sync::{OnceLock, mpsc};

type Order = (Command, mpsc::Sender<std::io::Result<Child>>);

/// A command that dies with this process.
pub(crate) fn bound_command(program: &std::ffi::OsStr) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Spawns `command` on the thread that lives as long as this process.
pub(crate) fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<std::sync::Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        std::thread::Builder::new()
            .name("spawner".into())
            .spawn(move || {
                for (mut command, answer) in orders {
                    let _ = answer.send(command.spawn());
                }
            })
            .expect("a thread can be started");
        std::sync::Mutex::new(sender)
    });
    let described = format!("{command:?}");
    let (sender, answer) = mpsc::channel();
    spawner
        .lock()
        .expect("nothing panics while it holds the spawner")
        .send((command, sender))
        .expect("the spawner lives as long as the process");
    answer
        .recv()
        .expect("the spawner answers every order")
        .with_context(|| format!("start {described}"))
}
