//! The skerry binary: command line, start-up, shutdown, appliance manners.

mod command_line;
mod config;
mod logging;
mod member;
mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match command_line::run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::complain(&error);
            ExitCode::FAILURE
        }
    }
}
