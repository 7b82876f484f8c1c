//! Generates the gRPC services from the shared .proto files with protox: building needs no protoc.
//! Messages are not generated again: they come from `skerry_proto`.
use std::error::Error;
use std::path::PathBuf;

const PROTO_DIR: &str = "../proto/proto";

const FILES: [&str; 8] = [
    "auth.proto",
    "cluster.proto",
    "election.proto",
    "kv.proto",
    "lease.proto",
    "lock.proto",
    "maintenance.proto",
    "watch.proto",
];

const PACKAGES: [&str; 5] = [
    "mvccpb",
    "authpb",
    "etcdserverpb",
    "v3lockpb",
    "v3electionpb",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO_DIR}");
    println!("cargo:rerun-if-changed=proto");
    let out_dir = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let mut compiler = protox::Compiler::new([PROTO_DIR])?;
    compiler.include_imports(true).open_files(FILES)?;
    // The JSON gateway reads field names and types from here.
    std::fs::write(
        out_dir.join("descriptors.bin"),
        compiler.encode_file_descriptor_set(),
    )?;

    let mut services = tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .codec_path("crate::codec::Codec");
    for package in PACKAGES {
        services =
            services.extern_path(format!(".{package}"), format!("::skerry_proto::{package}"));
    }
    services.compile_fds(compiler.file_descriptor_set())?;

    // gRPC's own health service is no part of etcd's protocol files.
    let health = protox::compile(["health.proto"], ["proto"])?;
    tonic_prost_build::configure()
        .emit_rerun_if_changed(false)
        .codec_path("crate::codec::Codec")
        .compile_fds(health)?;
    Ok(())
}
