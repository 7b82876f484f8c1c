//! Collects what is wrong with fields, in upstream's words.
