//! Joining a cluster: bootstrap data, node-to-node services.
