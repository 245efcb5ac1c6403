//! The tree in which groups of cells merge as the level of the density falls.

/// Two groups of cells that meet at a pass.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Merge {
    /// A cell of either group: those between whose tops the pass lies.
    pub cells: [usize; 2],
    /// Natural logarithm of the density at the pass; of the common top where the two cells have one.
    pub log_density: f64,
    /// How far the pass is below the lower of the two groups' tops, in nats.
    pub depth: f64,
    /// Standard error of `depth`, from the rows around the pass and around the top; 0 where there is no valley.
    pub std_error: f64,
    /// How strongly the rows speak for a valley there, in nats: without one this would exceed G with a probability of
    /// about e^−G.
    pub evidence: f64,
    /// Of the smaller of the two cells the part that it shares with the other, by the rows.
    pub overlap: f64,
}

/// Disjoint groups of 0..n.
#[derive(Debug, Clone)]
pub(super) struct Groups(Vec<usize>);

impl Groups {
    pub(super) fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// The group of an item, by one of its items.
    pub(super) fn of(&mut self, item: usize) -> usize {
        let mut at = item;
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }

    /// Whether they were two.
    pub(super) fn join(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.of(a), self.of(b));
        self.0[a.max(b)] = a.min(b);
        a != b
    }
}

/// The group of each of `cells` when the groups of these pairs join, numbered by first cells.
pub(super) fn joined(cells: usize, pairs: impl Iterator<Item = [usize; 2]>) -> Vec<usize> {
    let mut groups = Groups::new(cells);
    for [a, b] in pairs {
        groups.join(a, b);
    }
    (0..cells).map(|cell| groups.of(cell)).collect()
}
