//! Fewer cells from more: the pair that costs least becomes one.

use nalgebra::{Cholesky, DMatrix};

use crate::mixture::MixtureParameters;

/// `mixture` with its cheapest pairs merged until `cells` are left.
pub(super) fn merge_down_to(cells: usize, mut mixture: MixtureParameters) -> MixtureParameters {
    while mixture.masses.len() > cells.max(1) {
        let Some((a, b)) = cheapest_pair(&mixture) else { return mixture };
        mixture = merge(&mixture, a, b);
    }
    mixture
}

/// The pair whose merging lowers the log-likelihood least, as if every row belonged to one cell alone.
fn cheapest_pair(mixture: &MixtureParameters) -> Option<(usize, usize)> {
    let cells = mixture.masses.len();
    let own: Vec<f64> = (0..cells).map(|j| entropy(mixture.masses[j], &mixture.covariances[j])).collect();
    let pairs = (0..cells).flat_map(|a| (a + 1..cells).map(move |b| (a, b)));
    let cost = |&(a, b): &(usize, usize)| {
        let (mass, _, covariance) = joined(mixture, a, b);
        entropy(mass, &covariance) - own[a] - own[b]
    };
    let costs: Vec<((usize, usize), f64)> = pairs.map(|pair| (pair, cost(&pair))).collect();
    costs.iter().min_by(|a, b| a.1.total_cmp(&b.1)).map(|(pair, _)| *pair)
}

/// w (½ log det S − log w): what a cell's rows lose of log-likelihood, up to what all cells share.
fn entropy(mass: f64, covariance: &DMatrix<f64>) -> f64 {
    match Cholesky::new(covariance.clone()) {
        Some(factor) => mass * (factor.l_dirty().diagonal().iter().map(|v| v.ln()).sum::<f64>() - mass.ln()),
        None => f64::NEG_INFINITY,
    }
}

/// Mass, mean (a row) and covariance of two cells together.
fn joined(mixture: &MixtureParameters, a: usize, b: usize) -> (f64, nalgebra::RowDVector<f64>, DMatrix<f64>) {
    let (wa, wb) = (mixture.masses[a], mixture.masses[b]);
    let mass = wa + wb;
    let (ma, mb) = (mixture.means.row(a), mixture.means.row(b));
    let apart = ma - mb;
    let mean = (ma * wa + mb * wb) / mass;
    let mut covariance = (&mixture.covariances[a] * wa + &mixture.covariances[b] * wb) / mass;
    let apart = apart.transpose();
    covariance.ger(wa / mass * (wb / mass), &apart, &apart, 1.0);
    (mass, mean, covariance)
}

fn merge(mixture: &MixtureParameters, a: usize, b: usize) -> MixtureParameters {
    let (mass, mean, covariance) = joined(mixture, a, b);
    let mut merged = mixture.clone();
    merged.masses[a] = mass;
    merged.means.set_row(a, &mean);
    merged.covariances[a] = covariance;
    merged.covariances.remove(b);
    MixtureParameters {
        masses: merged.masses.remove_row(b),
        means: merged.means.remove_row(b),
        covariances: merged.covariances,
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::DVector;

    use super::*;

    #[test]
    fn the_two_halves_of_a_cluster_are_merged_and_moments_kept() {
        let mixture = MixtureParameters {
            masses: DVector::from_vec(vec![0.25, 0.5, 0.25]),
            means: DMatrix::from_row_slice(3, 1, &[-0.5, 10.0, 0.5]),
            covariances: vec![DMatrix::from_element(1, 1, 1.0); 3],
        };
        let merged = merge_down_to(2, mixture);
        assert_eq!(merged.masses.as_slice(), [0.5, 0.5]);
        approx::assert_abs_diff_eq!(merged.means[0], 0.0);
        approx::assert_relative_eq!(merged.covariances[0][(0, 0)], 1.25);
        assert_eq!(merged.means[1], 10.0);
    }

    /// What a cell's rows lose, w (½ log det S − log w), is −w E log (w N(x; m, S)) up to ½ d (1 + log 2π).
    #[test]
    fn the_entropy_of_a_cell_is_that_of_a_gaussian_of_its_mass() {
        let covariance = DMatrix::from_row_slice(2, 2, &[4.0, 1.0, 1.0, 2.0]);
        for mass in [0.2, 1.0] {
            let expected = mass * (0.5 * 7f64.ln() - f64::ln(mass));
            assert!((entropy(mass, &covariance) - expected).abs() < 1e-12);
        }
    }
}
