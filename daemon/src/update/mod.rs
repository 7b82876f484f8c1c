//! Updates of the appliance: two roots, one of which runs, and a boot loader that counts tries.
//!
//! An update is verified as a whole, written to the root that does not run, and entered on trial: it
//! has one start in which the node becomes ready, or the boot loader goes back to the old root by
//! itself. Invariant: at every moment, power cut or not, one entry of the boot loader names a kernel
//! and a root that are whole.

pub(crate) mod bundle;
mod entries;
mod partitions;
mod slots;

pub(crate) use slots::{Appliance, Slot};

/// What the server keeps below its data directory is of this format; one that a later version
/// writes differently has the next number.
pub(crate) const STATE_FORMAT: u32 = 1;
