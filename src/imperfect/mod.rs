//! Rows seen in part or through noise: their likelihood, its maximisation, and draws of what was not seen.

mod maximisation;
mod posterior;
mod seen;
#[cfg(test)]
mod tests;

pub(crate) use seen::SeenRows;
