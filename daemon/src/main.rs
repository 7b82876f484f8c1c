//! The skerry binary: command line, start-up, shutdown, appliance manners.

mod abandoned;
mod admin;
mod alone;
mod api;
mod api_port;
mod certificates;
mod client_channel;
mod clock;
mod cluster_reset;
mod command_line;
mod commands;
mod config;
mod data_dir;
mod doctor;
mod expiry;
mod farewell;
mod flash;
mod foreign;
mod forming;
mod gauges;
mod ground;
mod identity;
mod kubeconfig;
mod logging;
mod manifests;
mod member_nodes;
mod membership;
mod memory;
mod node_password;
mod outgoing;
mod panic_hook;
mod reload;
mod renewal;
mod restore;
mod returning;
mod server;
mod server_token;
mod service_manager;
mod snapshots;
mod strangers;
mod succession;
mod update;

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
