//! Upstream's conformance tests that need no node, written anew; `table.tsv` says which is which.
#![allow(clippy::unwrap_used)]

mod access;
mod aggregation;
mod chunking;
mod configuration;
mod conversion;
mod custom_fields;
mod definitions;
mod devices;
mod discovery;
mod events;
mod field_validation;
mod flow_control;
mod garbage;
mod kubectl;
mod limit_ranges;
mod namespaces;
mod network;
mod nodes;
mod pods;
mod policies;
mod published;
mod quotas;
mod services;
mod storage;
mod table;
mod tables;
mod watchers;
mod webhook_configurations;
mod webhooks;
mod workloads;
