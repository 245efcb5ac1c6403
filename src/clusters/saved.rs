//! Clusters that are saved.

use nalgebra::DVector;
use serde::{Deserialize, Serialize};

use super::found::Clusters;
use super::tree::{Merge, joined};
use crate::error::{Error, Result};
use crate::format::{FINITE, Format, Header, Version, finite, plain, require, through, within};
use crate::questions::{Mixture, Mode};

/// Clusters as they are written: the law, and what was found about its k cells. Whatever follows from these is found again.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedClusters {
    format: Format<SavedClusters>,
    version: Version<SavedClusters>,
    law: Mixture,
    tops: Vec<SavedMode>,
    /// The top above each cell: length k.
    top_of_cell: Vec<usize>,
    /// k − 1 of them.
    merges: Vec<SavedMerge>,
    /// k − 1 of them.
    joints: Vec<[usize; 2]>,
    /// The cluster of each cell: length k.
    of_cell: Vec<usize>,
}

impl Header for SavedClusters {
    const FORMAT: &'static str = "gmix-diffusion clusters";
    const VERSION: u32 = 1;
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedMode {
    #[serde(with = "plain")]
    location: DVector<f64>,
    #[serde(with = "finite")]
    log_density: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedMerge {
    cells: [usize; 2],
    #[serde(with = "finite")]
    log_density: f64,
    #[serde(with = "finite")]
    depth: f64,
    #[serde(with = "finite")]
    std_error: f64,
    #[serde(with = "finite")]
    evidence: f64,
    #[serde(with = "finite")]
    overlap: f64,
}

through!(Clusters, SavedClusters);

impl From<Clusters> for SavedClusters {
    fn from(clusters: Clusters) -> Self {
        let mode = |mode: Mode| SavedMode { location: mode.location, log_density: mode.log_density };
        let merge = |merge: Merge| {
            let Merge { cells, log_density, depth, std_error, evidence, overlap } = merge;
            SavedMerge { cells, log_density, depth, std_error, evidence, overlap }
        };
        Self {
            format: Format::default(),
            version: Version::default(),
            law: clusters.law,
            tops: clusters.tops.into_iter().map(mode).collect(),
            top_of_cell: clusters.top_of_cell,
            merges: clusters.merges.into_iter().map(merge).collect(),
            joints: clusters.joints,
            of_cell: clusters.of_cell,
        }
    }
}

impl TryFrom<SavedClusters> for Clusters {
    type Error = Error;

    fn try_from(saved: SavedClusters) -> Result<Self> {
        let SavedClusters { law, tops, top_of_cell, merges, joints, of_cell, .. } = saved;
        let cells = law.masses().len();
        for top in &tops {
            let (found, dim) = (top.location.len(), law.columns().len());
            require!(found == dim, "a mode of {found} columns in a law of {dim}")?;
            within("location of a mode", top.location.as_slice(), FINITE)?;
        }
        for (what, indices, below) in
            [("modes of cells", &top_of_cell, tops.len()), ("clusters of cells", &of_cell, cells)]
        {
            require!(indices.len() == cells, "{what}: expected {cells}, found {}", indices.len())?;
            let wrong = indices.iter().find(|index| **index >= below);
            require!(wrong.is_none(), "{what}: an index is not below {below}")?;
        }
        let merged: Vec<[usize; 2]> = merges.iter().map(|merge| merge.cells).collect();
        for (what, pairs) in [("merges", &merged), ("joints", &joints)] {
            let is_cell = pairs.iter().flatten().all(|cell| *cell < cells);
            // So many pairs that make one group of all are a tree.
            let tree = pairs.len() + 1 == cells
                && is_cell
                && joined(cells, pairs.iter().copied()).iter().all(|group| *group == 0);
            require!(tree, "{what} do not join the {cells} cells one after the other")?;
        }
        let mode = |mode: SavedMode| Mode { location: mode.location, log_density: mode.log_density };
        let merge = |merge: SavedMerge| {
            let SavedMerge { cells, log_density, depth, std_error, evidence, overlap } = merge;
            Merge { cells, log_density, depth, std_error, evidence, overlap }
        };
        let whole = Self::of_tree(
            law,
            (tops.into_iter().map(mode).collect(), top_of_cell),
            merges.into_iter().map(merge).collect(),
            joints,
        );
        let first =
            |cell: usize| of_cell.iter().position(|cluster| *cluster == of_cell[cell]).unwrap_or(cell);
        let found = whole.joined((0..cells).map(|cell| [first(cell), cell]));
        require!(found.of_cells() == of_cell, "the clusters of cells are not numbered by their masses")?;
        Ok(found)
    }
}
