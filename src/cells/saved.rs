//! Cells that are saved.

use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::{GaussianCells, Partition, VoronoiCells};
use crate::error::Result;
use crate::format::{
    Check, LENGTH, VARIANCE, check_shares, checked, invalid, matrix_within, orthonormal, parts, require,
    within,
};

parts! {
    /// The cells that this crate has.
    enum SavedPartition: Partition, "partition" {
        Voronoi(VoronoiCells),
        Gaussian(GaussianCells)
    }
}

impl SavedPartition {
    /// Where `partition` stands among those listed, at their end if it was not there.
    pub(crate) fn index_in(listed: &mut Vec<Arc<dyn Partition>>, partition: &Arc<dyn Partition>) -> usize {
        listed.iter().position(|other| Arc::ptr_eq(other, partition)).unwrap_or_else(|| {
            listed.push(partition.clone());
            listed.len() - 1
        })
    }

    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) for cells of a user's own.
    pub(crate) fn all(listed: &[Arc<dyn Partition>]) -> Result<Vec<Self>> {
        listed.iter().map(|partition| Self::of(partition.as_ref())).collect()
    }

    /// The partition of this index.
    pub(crate) fn at<T>(listed: &[T], index: usize) -> Result<&T> {
        listed.get(index).ok_or_else(|| invalid(format_args!("there is no partition {index}")))
    }

    pub(crate) fn centres(&self) -> &DMatrix<f64> {
        match self {
            Self::Voronoi(cells) => &cells.centres,
            Self::Gaussian(cells) => &cells.centres,
        }
    }

    /// Numbers that a model needs in memory to name the parts of its law by these cells, about: their
    /// centres among all coordinates, and where it has no base mixture theirs.
    pub(crate) fn expanded(&self, dim: usize, active_dim: usize, has_base: bool) -> usize {
        let square = |n: usize| n.saturating_mul(n);
        let covariances = match self {
            Self::Gaussian(_) if !has_base => square(dim).saturating_mul(3),
            _ => square(active_dim),
        };
        self.centres().nrows().saturating_mul(covariances.saturating_add(dim.saturating_mul(4)))
    }
}

/// Centres (k × m), soft with masses (length k), hard without.
#[derive(Serialize, Deserialize)]
#[serde(remote = "VoronoiCells", deny_unknown_fields)]
struct Voronoi {
    #[serde(with = "crate::format::plain")]
    centres: DMatrix<f64>,
    #[serde(default, with = "crate::format::plain")]
    masses: Option<DVector<f64>>,
}

checked!(VoronoiCells, Voronoi);

impl Check for VoronoiCells {
    fn check_saved(&self) -> Result<()> {
        check_centres(&self.centres)?;
        let mut masses = self.masses.iter();
        masses.try_for_each(|m| check_shares("masses of cells", m.as_slice(), self.centres.nrows()))
    }
}

/// Centres (k × m), and for each cell its mass and the axes (m × m) and variances (length m) of its centres.
#[derive(Serialize, Deserialize)]
#[serde(remote = "GaussianCells", deny_unknown_fields)]
struct Gaussian {
    #[serde(with = "crate::format::plain")]
    masses: DVector<f64>,
    #[serde(with = "crate::format::plain")]
    centres: DMatrix<f64>,
    #[serde(with = "crate::format::plain")]
    axes: Vec<DMatrix<f64>>,
    #[serde(with = "crate::format::plain")]
    variances: Vec<DVector<f64>>,
}

checked!(GaussianCells, Gaussian);

impl Check for GaussianCells {
    fn check_saved(&self) -> Result<()> {
        check_centres(&self.centres)?;
        let (cells, dim) = self.centres.shape();
        check_shares("masses of cells", self.masses.as_slice(), cells)?;
        require!(
            self.axes.len() == cells && self.variances.len() == cells,
            "axes and variances are needed for {cells} cells"
        )?;
        for (axes, variances) in self.axes.iter().zip(&self.variances) {
            matrix_within("axes of a cell", axes, (dim, dim), LENGTH)?;
            orthonormal("axes of a cell", axes)?;
            require!(variances.len() == dim, "a cell needs {dim} variances")?;
            within("variances of a cell", variances.as_slice(), VARIANCE)?;
        }
        Ok(())
    }
}

fn check_centres(centres: &DMatrix<f64>) -> Result<()> {
    require!(centres.nrows() > 0, "a partition has no cells")?;
    within("centres of cells", centres.as_slice(), LENGTH)
}
