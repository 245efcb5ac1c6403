//! Seeds and hashes: what is random in a fit depends on (seed, purpose, index) alone, so that the
//! order and the number of threads in which rows are visited do not matter.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Indices of rows are below this, so that sums of them cannot overflow.
pub(crate) const MOST_ROWS: u64 = 1 << 60;

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits.
fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of `index` for one `purpose` under `seed`.
pub(crate) fn hash(seed: u64, purpose: u64, index: u64) -> u64 {
    mix(mix(mix(seed) ^ purpose) ^ index)
}

/// The stream of `index` for one `purpose` under `seed`.
pub(crate) fn stream(seed: u64, purpose: u64, index: u64) -> Xoshiro256PlusPlus {
    Xoshiro256PlusPlus::seed_from_u64(hash(seed, purpose, index))
}

/// Folds of the held-out losses.
pub(crate) const FOLDS: usize = 5;
/// Purpose of the hash that deals the folds.
const FOLD_STREAM: u64 = 2;

/// How rows are dealt to folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub(crate) enum FoldRule {
    /// By their index.
    Index,
    /// By their values in working units, so that equal rows share a fold and none is judged by its own
    /// copies. Single precision, so that rounding on the way to working units does not matter.
    Values,
}

impl FoldRule {
    /// The fold of the row with this index and these values in working units.
    pub(crate) fn fold(self, seed: u64, index: u64, values: impl Iterator<Item = f64>) -> usize {
        let key = match self {
            Self::Index => index,
            // Adding zero makes one number of the two zeros.
            Self::Values => values.fold(0, |key, value| mix(key ^ u64::from((value as f32 + 0.0).to_bits()))),
        };
        (hash(seed, FOLD_STREAM, key) % FOLDS as u64) as usize
    }
}
