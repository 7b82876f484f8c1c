//! The Python client `etcd3` over TLS with a client certificate.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use skerry_tests_clients::cluster;
use skerry_tests_harness::peers_folder;
use std::process::Command;

#[tokio::test]
async fn the_python_client_works_over_mutual_tls() {
    let python = peers_folder().join("python/bin/python");
    assert!(
        python.exists(),
        "{} is missing: tests/peers makes it",
        python.display()
    );
    let cluster = cluster(1).await;
    let member = &cluster.members[0];
    let credentials = member.credentials.as_ref().unwrap();
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/scenario.py"))
        .arg(member.client_address.ip().to_string())
        .arg(member.client_address.port().to_string())
        .args([
            &credentials.server_ca,
            &credentials.certificate,
            &credentials.key,
        ])
        // The client's messages were generated for an older protobuf.
        .env("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION", "python")
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{out}{err}");
    println!("{out}");
}
