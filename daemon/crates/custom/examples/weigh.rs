//! Says of definitions, each a file of JSON, what is wrong with them, how much memory their
//! schemas take and how long it takes to look at them.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::time::Instant;

use serde_json::Value;
use skerry_custom::{Schema, definition, openapi};

fn main() {
    for path in std::env::args().skip(1) {
        let text = std::fs::read(&path).unwrap();
        let mut object: Value = serde_json::from_slice(&text).unwrap();
        definition::set_defaults(&mut object);
        let start = Instant::now();
        let errors = definition::validate(&object);
        let validated = start.elapsed();
        for error in errors.iter().take(5) {
            println!(
                "  {}",
                error.to_string().chars().take(400).collect::<String>()
            );
        }
        let read = definition::Definition::read(&object);
        for version in &read.versions {
            let schema = definition::Definition::schema(&object, &version.name);
            let start = Instant::now();
            let compiled = Schema::compile(schema).unwrap();
            let took = start.elapsed();
            let small = openapi::version_2(&openapi::Published {
                definition: &read,
                version,
                schema,
            });
            println!(
                "{} {}: {} bytes of JSON, {} in memory; checked in {validated:?}, compiled in \
                 {took:?}; {} errors, {} bytes of OpenAPI v2",
                read.names.kind,
                version.name,
                schema.to_string().len(),
                compiled.heap_bytes(),
                errors.len(),
                small.protobuf().len(),
            );
        }
    }
}
