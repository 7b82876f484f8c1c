//! Generates the gRPC clients of etcd's services over the message types of `skerry-proto`.
use std::error::Error;

const PROTO: &str = "../../daemon/crates/proto/proto";
const SERVICES: [&str; 8] = [
    "kv.proto",
    "watch.proto",
    "lease.proto",
    "cluster.proto",
    "maintenance.proto",
    "auth.proto",
    "lock.proto",
    "election.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let descriptors = protox::compile(SERVICES, [PROTO])?;
    let mut builder = tonic_prost_build::configure()
        .build_server(false)
        .build_transport(false)
        .codec_path("crate::codec::StrictCodec");
    for package in [
        "etcdserverpb",
        "mvccpb",
        "authpb",
        "v3lockpb",
        "v3electionpb",
    ] {
        builder = builder.extern_path(format!(".{package}"), format!("::skerry_proto::{package}"));
    }
    builder.compile_fds(descriptors)?;
    Ok(())
}
