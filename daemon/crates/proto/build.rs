//! Compiles the .proto files with protox: building needs no protoc.
use std::error::Error;

const FILES: [&str; 12] = [
    "auth.proto",
    "authpb.proto",
    "cluster.proto",
    "command.proto",
    "election.proto",
    "header.proto",
    "kv.proto",
    "lease.proto",
    "lock.proto",
    "maintenance.proto",
    "mvcc.proto",
    "watch.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    prost_build::Config::new()
        .bytes(["."])
        .compile_fds(descriptors)?;
    Ok(())
}
