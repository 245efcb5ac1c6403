//! What the examples share: tables of numbers as CSV files, and pictures of a fit.
#![allow(dead_code, reason = "each example uses its own part of this module")]

pub(crate) mod fingerprint;
pub(crate) mod output;
pub(crate) mod plot;
pub(crate) mod table;
