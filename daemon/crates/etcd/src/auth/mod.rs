//! Who asks, and whether they may.
mod jwt;
mod limits;
mod options;
mod password;
mod simple;
