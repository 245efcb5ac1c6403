//! Checkers of one's own parts, one for each public trait, for use in tests.
//!
//! A checker calls an implementation and compares what comes back with what the trait promises. It
//! returns `Ok(())`, or the first promise that does not hold, with numbers.

mod schedule;

pub use schedule::check_schedule;
