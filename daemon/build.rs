//! Tells the binary which commit and target it was built from.
use std::process::Command;

fn main() {
    // A source tree without git (a vendored tarball) may say it by SKERRY_COMMIT.
    println!("cargo:rerun-if-env-changed=SKERRY_COMMIT");
    println!("cargo:rerun-if-changed=../.git/logs/HEAD");
    let commit = std::env::var("SKERRY_COMMIT").ok().or_else(|| {
        let output = Command::new("git")
            .args(["rev-parse", "--short=12", "HEAD"])
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    });
    println!(
        "cargo:rustc-env=SKERRY_COMMIT={}",
        commit.unwrap_or_else(|| "unknown".to_owned())
    );
    println!(
        "cargo:rustc-env=SKERRY_TARGET={}",
        std::env::var("TARGET").unwrap_or_default()
    );
}
