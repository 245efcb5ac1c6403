use std::sync::Arc;

use nalgebra::DMatrix;

use super::hermite::HermiteBasis;
use super::normal_equations::NormalEquations;
use crate::cells::{LocalFrame, Partition};
use crate::error::Result;
use crate::kernels::responsibilities_in_place;
use crate::linalg::{Columns, add_transposed_product, is_diagonal};

/// What a regression of the centre denoiser regresses on.
///
/// In expectation both give the same normal equations; they differ in Monte Carlo noise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum RegressionTarget {
    /// The clean row x, corrected for the noise it already carries: b = E\[φx\] − σ₀² E\[∂φ\]. Least
    /// noise at every level and defined at s = 0, but the features have to be continuous: soft cells.
    #[default]
    CleanRow,
    /// Denoising score matching, the paper's: regress on y − τ²z/s. Works with any cells; blows up
    /// as s → 0.
    Denoising,
}

/// The features r_j(y) h_α(u_j) of one partition at one bandwidth, all cells times all α.
///
/// Feature α of cell j stands at α·k + j, so that the features of a lower degree are a prefix.
#[derive(Debug, Clone)]
pub(crate) struct LevelBasis {
    partition: Arc<dyn Partition>,
    basis: Arc<HermiteBasis>,
    bandwidth: f64,
    frames: Vec<LocalFrame>,
}

/// Responsibilities and local coordinates of a block of points.
struct Located {
    /// n × k.
    responsibilities: DMatrix<f64>,
    /// One n × m matrix a cell.
    coordinates: Vec<DMatrix<f64>>,
}

/// A block of rows with one noise draw each.
pub(crate) struct NoisedBlock<'a> {
    /// y = x + s z, n × m.
    pub(crate) noised: &'a DMatrix<f64>,
    /// x, n × m.
    pub(crate) clean: &'a DMatrix<f64>,
    /// Length n.
    pub(crate) weights: &'a [f64],
}

impl LevelBasis {
    /// Features of total degree ≤ `degree` (one more if the cells' own denoisers need it).
    pub(crate) fn new(partition: Arc<dyn Partition>, bandwidth: f64, degree: usize) -> Self {
        let (cells, dim) = partition.centres().shape();
        let frames: Vec<LocalFrame> = (0..cells).map(|cell| partition.local_frame(bandwidth, cell)).collect();
        let sloped = frames.iter().any(|f| f.slope.iter().any(|&b| b != 0.0));
        let degree = if sloped { degree.max(1) } else { degree };
        Self { partition, basis: Arc::new(HermiteBasis::new(dim, degree)), bandwidth, frames }
    }

    /// The same features at another bandwidth: cells and local coordinates follow it.
    pub(crate) fn at_bandwidth(&self, bandwidth: f64) -> Self {
        let frames = (0..self.cells()).map(|cell| self.partition.local_frame(bandwidth, cell)).collect();
        Self { partition: self.partition.clone(), basis: self.basis.clone(), bandwidth, frames }
    }

    pub(crate) fn partition(&self) -> &Arc<dyn Partition> {
        &self.partition
    }

    pub(crate) fn hermite(&self) -> &HermiteBasis {
        &self.basis
    }

    pub(crate) fn bandwidth(&self) -> f64 {
        self.bandwidth
    }

    pub(crate) fn frames(&self) -> &[LocalFrame] {
        &self.frames
    }

    pub(crate) fn cells(&self) -> usize {
        self.frames.len()
    }

    /// Number of features.
    pub(crate) fn len(&self) -> usize {
        self.cells() * self.basis.len()
    }

    /// Total degree of every feature.
    pub(crate) fn orders(&self) -> Vec<usize> {
        (0..self.len()).map(|feature| self.basis.order(feature / self.cells())).collect()
    }

    /// Coefficients (features × m) with which the features are the cells' own centre denoisers.
    pub(crate) fn own_denoiser(&self) -> DMatrix<f64> {
        let (cells, dim) = self.partition.centres().shape();
        let mut coefficients = DMatrix::zeros(self.len(), dim);
        coefficients.rows_mut(0, cells).copy_from(self.partition.centres());
        if self.basis.degree() > 0 {
            for (cell, frame) in self.frames.iter().enumerate() {
                for axis in 0..dim {
                    let feature = (1 + axis) * cells + cell;
                    coefficients.row_mut(feature).tr_copy_from(&frame.slope.column(axis));
                }
            }
        }
        coefficients
    }

    fn locate(&self, points: &DMatrix<f64>) -> Result<Located> {
        let mut responsibilities = DMatrix::from_element(points.nrows(), self.cells(), 1.0);
        if self.cells() > 1 {
            let log_weights = responsibilities.as_view_mut();
            self.partition.log_weights_into(self.bandwidth, points.as_view(), log_weights)?;
            responsibilities_in_place(&mut responsibilities);
        }
        let coordinates = (0..self.cells()).map(|cell| self.local_coordinates(cell, points)).collect();
        Ok(Located { responsibilities, coordinates })
    }

    /// u = A(y − c) of one cell at the rows of `points`: n × m.
    pub(crate) fn local_coordinates(&self, cell: usize, points: &DMatrix<f64>) -> DMatrix<f64> {
        let (centre, scaling) = (self.partition.centres().row(cell), &self.frames[cell].scaling);
        let mut centred = points.clone();
        for (mut column, c) in centred.column_iter_mut().zip(centre.iter()) {
            column.add_scalar_mut(-c);
        }
        if !is_diagonal(scaling) {
            return centred * scaling.transpose();
        }
        for (axis, mut column) in centred.column_iter_mut().enumerate() {
            column *= scaling[(axis, axis)];
        }
        centred
    }

    /// Adds a block of noised rows to the normal equations of the centre denoiser.
    ///
    /// `noise` is s/a of the level and `component_std` σ₀.
    pub(crate) fn accumulate(
        &self,
        block: &NoisedBlock<'_>,
        target: RegressionTarget,
        component_std: f64,
        noise: f64,
        sums: &mut NormalEquations,
    ) -> Result<()> {
        let (n, cells, per_cell) = (block.noised.nrows(), self.cells(), self.basis.len());
        let located = self.locate(block.noised)?;
        let features = self.features(&located);
        let weighted = self.weighted(&features, block.weights);
        let by_cell = weighted.as_ref().unwrap_or(&features);
        let left = Columns::dense(by_cell, n);
        add_transposed_product(left, Columns::dense(&features, n), &mut sums.gram);
        sums.weight += block.weights.iter().sum::<f64>();
        match target {
            RegressionTarget::Denoising => {
                // y − τ²z/s with z = (y − x)/s.
                let factor = (self.bandwidth / noise).powi(2);
                let mut denoising = block.noised.clone();
                denoising.zip_zip_apply(block.noised, block.clean, |t, y, x| *t = y - factor * (y - x));
                add_transposed_product(left, (&denoising).into(), &mut sums.moment);
            }
            RegressionTarget::CleanRow => {
                let pulls = self.responsibility_gradients(block.noised, &located)?;
                for cell in 0..cells {
                    let mut corrected = block.clean.clone();
                    corrected.zip_apply(&pulls[cell], |x, g| *x -= component_std * component_std * g);
                    let of_cell =
                        Columns { data: &by_cell[cell * n..], n, count: per_cell, stride: cells * n };
                    let mut part = DMatrix::zeros(per_cell, self.basis.dim());
                    add_transposed_product(of_cell, (&corrected).into(), &mut part);
                    for alpha in 0..per_cell {
                        let mut row = sums.moment.row_mut(alpha * cells + cell);
                        row += part.row(alpha);
                    }
                }
            }
        }
        Ok(())
    }

    /// Φ, n × features, as consecutive columns.
    fn features(&self, located: &Located) -> Vec<f64> {
        let (n, cells) = located.responsibilities.shape();
        let mut features = vec![0.0; n * self.len()];
        let (mut tables, mut hermite) = (Vec::new(), vec![0.0; n * self.basis.len()]);
        for cell in 0..cells {
            self.basis.features_into(n, located.coordinates[cell].as_slice(), &mut tables, &mut hermite);
            let r = located.responsibilities.column(cell);
            for (alpha, values) in hermite.chunks_exact(n).enumerate() {
                let start = (alpha * cells + cell) * n;
                for ((out, h), r) in features[start..start + n].iter_mut().zip(values).zip(r.iter()) {
                    *out = r * h;
                }
            }
        }
        features
    }

    /// The features times the rows' weights; `None` when all weights are one.
    fn weighted(&self, features: &[f64], weights: &[f64]) -> Option<Vec<f64>> {
        if weights.iter().all(|&w| w == 1.0) {
            return None;
        }
        let mut weighted = features.to_vec();
        for column in weighted.chunks_exact_mut(weights.len()) {
            for (value, w) in column.iter_mut().zip(weights) {
                *value *= w;
            }
        }
        Some(weighted)
    }

    /// ∇ log r_j = ∇ℓ_j − Σ_l r_l ∇ℓ_l at each point, one n × m matrix a cell.
    fn responsibility_gradients(
        &self,
        points: &DMatrix<f64>,
        located: &Located,
    ) -> Result<Vec<DMatrix<f64>>> {
        let (n, dim) = points.shape();
        if self.cells() == 1 {
            return Ok(vec![DMatrix::zeros(n, dim)]);
        }
        let mut mean = DMatrix::zeros(n, dim);
        let mut gradients = Vec::with_capacity(self.cells());
        for cell in 0..self.cells() {
            let mut gradient = DMatrix::zeros(n, dim);
            self.partition.log_weight_gradient_into(
                self.bandwidth,
                cell,
                points.as_view(),
                gradient.as_view_mut(),
            )?;
            for axis in 0..dim {
                let r = located.responsibilities.column(cell);
                mean.column_mut(axis).zip_zip_apply(&gradient.column(axis), &r, |m, g, r| *m += r * g);
            }
            gradients.push(gradient);
        }
        for gradient in &mut gradients {
            *gradient -= &mean;
        }
        Ok(gradients)
    }

    /// Completes the clean-row target once all blocks are in: b −= σ₀² Σ w r_j ∂h_α(u_j).
    ///
    /// Derivatives of Hermite features are lower features, and their sums stand in the Gram matrix
    /// already, since the responsibilities sum to one: Σ w φ = Σ_j G[(h₀, j), φ].
    pub(crate) fn complete(&self, target: RegressionTarget, component_std: f64, sums: &mut NormalEquations) {
        if target != RegressionTarget::CleanRow {
            return;
        }
        let cells = self.cells();
        let totals = sums.gram.rows(0, cells).row_sum();
        for local_axis in 0..self.basis.dim() {
            for (alpha, derivative) in self.basis.derivatives(local_axis).into_iter().enumerate() {
                let Some((lower, factor)) = derivative else { continue };
                for (cell, frame) in self.frames.iter().enumerate() {
                    let scaled = component_std * component_std * factor * totals[lower * cells + cell];
                    for axis in 0..self.basis.dim() {
                        sums.moment[(alpha * cells + cell, axis)] -=
                            scaled * frame.scaling[(local_axis, axis)];
                    }
                }
            }
        }
    }
}
