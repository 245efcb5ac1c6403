use std::any::Any;
use std::sync::Arc;

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::check::{LENGTH, VARIANCE, invalid, orthonormal, require, shares, within};
use super::matrix::SavedMatrix;
use super::part_name::part_name;
use crate::cells::{GaussianCells, Partition, VoronoiCells};
use crate::error::Result;

/// The cells that this crate has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum SavedPartition {
    /// Voronoi cells around centres (k × m), soft with masses (length k), hard without.
    Voronoi { centres: SavedMatrix, masses: Option<Vec<f64>> },
    /// Gaussian cells: centres (k × m), and for each cell its mass and the axes (m × m) and variances
    /// (length m) of its centres.
    Gaussian { masses: Vec<f64>, centres: SavedMatrix, axes: Vec<SavedMatrix>, variances: Vec<Vec<f64>> },
}

impl SavedPartition {
    /// # Errors
    /// [`Error::InvalidSavedModel`](crate::Error::InvalidSavedModel) for cells of a user's own.
    pub(super) fn of(partition: &dyn Partition) -> Result<Self> {
        let any: &dyn Any = partition;
        if let Some(cells) = any.downcast_ref::<VoronoiCells>() {
            let masses = cells.masses.as_ref().map(|masses| masses.as_slice().to_vec());
            Ok(Self::Voronoi { centres: (&cells.centres).into(), masses })
        } else if let Some(cells) = any.downcast_ref::<GaussianCells>() {
            Ok(Self::Gaussian {
                masses: cells.masses.as_slice().to_vec(),
                centres: (&cells.centres).into(),
                axes: cells.axes.iter().map(SavedMatrix::from).collect(),
                variances: cells.variances.iter().map(|variances| variances.as_slice().to_vec()).collect(),
            })
        } else {
            let name = part_name(&partition);
            Err(invalid(format_args!("cells `{name}` are not this crate's own and cannot be saved")))
        }
    }

    /// Number of cells, as claimed.
    pub(super) fn cells(&self) -> usize {
        match self {
            Self::Voronoi { centres, .. } | Self::Gaussian { centres, .. } => centres.rows,
        }
    }

    /// Numbers that a model needs in memory to name the parts of its law by these cells, about: their
    /// centres among all coordinates, and where it has no base mixture theirs.
    pub(super) fn expanded(&self, dim: usize, active_dim: usize, has_base: bool) -> usize {
        let square = |n: usize| n.saturating_mul(n);
        let covariances = match self {
            Self::Gaussian { .. } if !has_base => square(dim).saturating_mul(3),
            _ => square(active_dim),
        };
        self.cells().saturating_mul(covariances.saturating_add(dim.saturating_mul(4)))
    }

    /// The cells number `index` of a model with `dim` active directions.
    pub(super) fn load(self, index: usize, dim: usize) -> Result<Arc<dyn Partition>> {
        let cells = self.cells();
        require(cells > 0, format_args!("partition {index} has no cells"))?;
        let load_masses = |masses| shares(format_args!("masses of partition {index}"), masses, cells);
        let load_centres = |centres: SavedMatrix| {
            centres.load(format_args!("centres of partition {index}"), cells, dim, LENGTH)
        };
        Ok(match self {
            Self::Voronoi { centres, masses } => {
                let masses = masses.map(load_masses).transpose()?;
                Arc::new(VoronoiCells { centres: load_centres(centres)?, masses })
            }
            Self::Gaussian { masses, centres, axes, variances } => {
                let (masses, centres) = (load_masses(masses)?, load_centres(centres)?);
                require(
                    axes.len() == cells && variances.len() == cells,
                    format_args!("partition {index} needs axes and variances for {cells} cells"),
                )?;
                let axes = axes.into_iter().map(|axes| load_axes(axes, index, dim));
                let variances = variances.into_iter().map(|variances| load_variances(variances, index, dim));
                let (axes, variances) = (axes.collect::<Result<_>>()?, variances.collect::<Result<_>>()?);
                Arc::new(GaussianCells { masses, centres, axes, variances })
            }
        })
    }
}

fn load_axes(axes: SavedMatrix, index: usize, dim: usize) -> Result<DMatrix<f64>> {
    let axes = axes.load(format_args!("axes of partition {index}"), dim, dim, LENGTH)?;
    orthonormal(format_args!("axes of partition {index}"), &axes)?;
    Ok(axes)
}

fn load_variances(variances: Vec<f64>, index: usize, dim: usize) -> Result<DVector<f64>> {
    require(variances.len() == dim, format_args!("partition {index} needs {dim} variances a cell"))?;
    within(format_args!("variances of partition {index}"), &variances, VARIANCE)?;
    Ok(DVector::from_vec(variances))
}
