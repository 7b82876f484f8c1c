//! What the commands of an administrator ask of the server that runs on their node.
//!
//! A command is a short process beside the server: it reads the data directory for the
//! certificate of `system:admin` and speaks HTTPS to port 6443, where the Kubernetes API answers
//! it as it answers kubectl, and [`Routes`] answers what Kubernetes has no word for.

mod client;
mod limits;
mod routes;

pub(crate) use client::Client;
pub(crate) use routes::{Refused, Routes};
