//! Makes the table of types, the resources and the OpenAPI documents of the built-in API from the
//! `k8s-openapi` crate and the facts in `tables/`.

use std::error::Error;
use std::path::PathBuf;

#[allow(dead_code, unreachable_pub)]
#[path = "src/build.rs"]
mod build;
#[path = "generate/documents.rs"]
mod documents;
#[path = "generate/outside.rs"]
mod outside;
#[path = "generate/pack.rs"]
mod pack;
#[path = "generate/parameters.rs"]
mod parameters;
#[path = "generate/paths.rs"]
mod paths;
#[path = "generate/protobuf.rs"]
mod protobuf;
#[path = "generate/render.rs"]
mod render;
#[allow(dead_code, unreachable_pub)]
#[path = "src/resource.rs"]
mod resource;
#[path = "generate/roots.rs"]
mod roots;
#[path = "generate/schemas.rs"]
mod schemas;
#[path = "generate/shapes.rs"]
mod shapes;
#[path = "src/shelf.rs"]
mod shelf;
#[path = "generate/tables.rs"]
mod tables;
#[allow(dead_code, unreachable_pub)]
#[path = "src/types.rs"]
mod types;
#[allow(unreachable_pub)]
#[path = "src/version.rs"]
mod version;
#[path = "generate/words.rs"]
mod words;

fn main() -> Result<(), Box<dyn Error>> {
    for input in [
        "build.rs",
        "generate",
        "src/build.rs",
        "src/resource.rs",
        "src/types.rs",
    ] {
        println!("cargo:rerun-if-changed={input}");
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);

    let printed = roots::definitions();
    let resources = tables::resources(|name| printed.contains_key(name))?;
    let schemas = schemas::schemas(printed, &resources)?;
    let types = shapes::types(&schemas)?;
    std::fs::write(out.join("catalog.bin"), pack::catalog(&types, &resources)?)?;

    let parameters = parameters::Parameters(tables::parameters()?);
    let pieces = documents::documents(&schemas, &resources, &parameters)?;
    std::fs::write(out.join("openapi.bin"), &pieces.packed)?;
    std::fs::write(out.join("shelf.bin"), postcard::to_stdvec(&pieces.shelf)?)?;
    Ok(())
}
