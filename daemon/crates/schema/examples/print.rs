//! Prints a document of discovery or OpenAPI by its path, as it is served: `print /apis/apps/v1`,
//! `print /openapi/v3/api/v1`, `print /openapi/v2.pb` (as protobuf). With `aggregated` after it, `/api` and `/apis` say everything.

use std::io::Write as _;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use skerry_schema::discovery::{self, Aggregated};
use skerry_schema::openapi::index_document;
use skerry_schema::{built_in, built_in_documents};

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().context("which path?")?;
    let everything = arguments.next().is_some_and(|word| word == "aggregated");
    let documents = built_in_documents();
    let found = match path.trim_matches('/').split_once("openapi/") {
        Some((_, "v2")) => return write(documents.version_2_json()),
        Some((_, "v2.pb")) => return write(documents.version_2_protobuf().plain()),
        Some((_, "v3")) => Some(index_document(&documents.index())),
        Some((_, path)) => {
            let document = path
                .strip_prefix("v3/")
                .and_then(|path| documents.version_3(path));
            return write(
                document
                    .with_context(|| format!("there is no {path}"))?
                    .plain(),
            );
        }
        None => discovered(&path, everything),
    };
    match found {
        Some(document) => writeln!(std::io::stdout(), "{document}")?,
        None => bail!("there is no {path}"),
    }
    Ok(())
}

fn discovered(path: &str, everything: bool) -> Option<Value> {
    let all = &built_in().resources;
    let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
    match steps[..] {
        ["api" | "apis"] if everything => {
            Some(discovery::aggregated(all, steps == ["api"], Aggregated::V2))
        }
        ["api"] => Some(discovery::api_versions("127.0.0.1:6443")),
        ["apis"] => Some(discovery::groups(all)),
        ["api", version] => discovery::resources(all, "", version),
        ["apis", group] => discovery::group(all, group),
        ["apis", group, version] => discovery::resources(all, group, version),
        _ => None,
    }
}

fn write(chunks: impl Iterator<Item = Vec<u8>>) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for chunk in chunks {
        out.write_all(&chunk)?;
    }
    Ok(())
}
