//! Labels: their probabilities in cells, and laws that come apart by them.

use nalgebra::DMatrix;
use rand::RngExt;

use super::encoder::{Encoded, Encoder, Label};
use super::law::{TableLaw, shares};
use crate::error::Result;
use crate::rows::stream;

/// Folds of the rows by which choices are judged.
pub(super) const FOLDS: usize = 3;
/// What a row that cannot be has, so that one does not decide.
pub(super) const IMPOSSIBLE: f64 = -100.0;
/// Purpose of a stream of random numbers.
const LABEL_CELLS: u64 = 66;
/// Steps by which masses and the probabilities of labels are moved to where their likelihood is highest.
const STEPS: usize = 20;
/// Likewise where there is nothing but labels.
const LABEL_STEPS: usize = 100;
/// Rows that have the overall shares of the labels, added to those of each cell.
const SHARED_ROWS: f64 = 1.0;
/// Labels at most that a table may come apart by.
const MOST_CLASSES: usize = 60;

/// The law of the rows of one label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// That of all rows, given the label.
    Pooled,
    /// One of their own.
    Own,
    /// Half of each.
    Both,
}

/// Columns as they are taken, the rows, and values to learn from.
pub(super) struct Prepared {
    pub(super) encoder: Encoder,
    pub(super) rows: Encoded,
    pub(super) placed: Vec<f64>,
}

/// Overall shares of the labels of a column.
pub(super) fn class_shares(rows: &Encoded, class: usize, count: usize) -> Vec<f64> {
    let mut shares = vec![0.5; count];
    for row in 0..rows.n {
        if let Label::Seen(label) = rows.labels(row)[class] {
            shares[label] += 1.0;
        }
    }
    let total: f64 = shares.iter().sum();
    shares.iter().map(|share| share / total).collect()
}

/// Cells with the probabilities of labels that are most likely for `rows`, and the masses that then are.
pub(super) fn with_labels(mut law: TableLaw, rows: &Encoded, counts: &[usize]) -> Result<TableLaw> {
    let k = law.cells();
    law.labels = shares_of(rows, counts)
        .iter()
        .map(|shares| DMatrix::from_fn(k, shares.len(), |_, label| shares[label]))
        .collect();
    if counts.is_empty() || k == 1 {
        return Ok(law);
    }
    // Gaussians stay as they are.
    let plain = TableLaw { masses: vec![1.0; k], labels: Vec::new(), ..law.clone() };
    let unlabelled = Encoded { labels: Vec::new(), label_columns: 0, ..rows.clone() };
    let logs = plain.log_joint(&unlabelled)?;
    Ok(labels_moved(law, &logs, rows, counts, STEPS))
}

/// Overall shares of the labels of each column.
fn shares_of(rows: &Encoded, counts: &[usize]) -> Vec<Vec<f64>> {
    counts.iter().enumerate().map(|(column, &count)| class_shares(rows, column, count)).collect()
}

/// Masses and probabilities of labels after steps of expectation-maximisation, where `logs` of each row are the densities of
/// its latent values in the cells.
fn labels_moved(
    mut law: TableLaw,
    logs: &[Vec<f64>],
    rows: &Encoded,
    counts: &[usize],
    steps: usize,
) -> TableLaw {
    let k = law.cells();
    let overall = shares_of(rows, counts);
    for _ in 0..steps {
        let mut masses = vec![1e-9; k];
        let mut tables: Vec<DMatrix<f64>> = overall
            .iter()
            .map(|shares| DMatrix::from_fn(k, shares.len(), |_, label| SHARED_ROWS * shares[label]))
            .collect();
        for (row, logs) in logs.iter().enumerate() {
            let joint: Vec<f64> =
                (0..k).map(|cell| logs[cell] + law.log_labels(cell, rows.labels(row))).collect();
            for (cell, share) in shares(&joint).into_iter().enumerate() {
                masses[cell] += share;
                for (table, label) in tables.iter_mut().zip(rows.labels(row)) {
                    if let Label::Seen(label) = label {
                        table[(cell, *label)] += share;
                    }
                }
            }
        }
        let total: f64 = masses.iter().sum();
        law.masses = masses.iter().map(|mass| mass / total).collect();
        for table in &mut tables {
            for mut row in table.row_iter_mut() {
                let total = row.sum();
                row /= total;
            }
        }
        law.labels = tables;
    }
    law
}

/// Cells of rows that have nothing but labels: as many as rows that were not learned from say.
pub(super) fn label_cells(rows: &Encoded, counts: &[usize], seed: u64) -> Result<TableLaw> {
    let of = |rows: &Encoded, k: usize| {
        let mut random = stream(seed, LABEL_CELLS, k as u64);
        let mut perturbed = |shares: &Vec<f64>| {
            let mut table =
                DMatrix::from_fn(k, shares.len(), |_, label| shares[label] * (0.5 + random.random::<f64>()));
            for mut row in table.row_iter_mut() {
                let total = row.sum();
                row /= total;
            }
            table
        };
        let law = TableLaw {
            masses: vec![1.0 / k as f64; k],
            means: DMatrix::zeros(k, 0),
            covariances: vec![DMatrix::zeros(0, 0); k],
            labels: shares_of(rows, counts).iter().map(&mut perturbed).collect(),
        };
        labels_moved(law, &vec![vec![0.0; k]; rows.n], rows, counts, LABEL_STEPS)
    };
    let (held, kept): (Vec<usize>, Vec<usize>) = (0..rows.n).partition(|row| row % FOLDS == 0);
    let (held, kept) = (rows.select(&held), rows.select(&kept));
    let (mut best, mut cells) = (f64::NEG_INFINITY, 1);
    for k in [1, 2, 4, 8, 16, 32].into_iter().filter(|k| counts.len() > 1 && k * 4 <= rows.n) {
        let total: f64 = of(&kept, k).log_probability(&held)?.iter().map(|log| log.max(IMPOSSIBLE)).sum();
        if total > best {
            (best, cells) = (total, k);
        }
    }
    Ok(of(rows, cells))
}

/// The column of labels that tells most of the latent values: by the share of their variance between labels, beyond chance.
pub(super) fn telling(of: &Prepared) -> Option<usize> {
    let (m, n) = (of.rows.latents, of.rows.n);
    let counts = of.encoder.label_counts();
    let told = |class: usize| -> f64 {
        let of_latent = |latent: usize| {
            let mut sums = vec![(0.0, 0.0); counts[class]];
            let (mut all, mut square) = ((0.0, 0.0), 0.0);
            for row in 0..n {
                let z = of.placed[row * m + latent];
                let (Label::Seen(label), false) = (of.rows.labels(row)[class], z.is_nan()) else { continue };
                sums[label] = (sums[label].0 + z, sums[label].1 + 1.0);
                all = (all.0 + z, all.1 + 1.0);
                square += z * z;
            }
            let mean = all.0 / f64::max(all.1, 1.0);
            let seen = sums.iter().filter(|(_, count)| *count > 0.0);
            let between: f64 = seen.clone().map(|(sum, count)| count * (sum / count - mean).powi(2)).sum();
            let total = square - all.1 * mean * mean;
            let by_chance = (seen.count() as f64 - 1.0) / (all.1 - 1.0).max(1.0);
            if total > 0.0 { between / total - by_chance } else { 0.0 }
        };
        (0..m).map(of_latent).sum()
    };
    (0..counts.len())
        .filter(|&class| (2..=MOST_CLASSES).contains(&counts[class]))
        .max_by(|&a, &b| told(a).total_cmp(&told(b)))
}

/// Laws together, with their shares.
fn joined(parts: &[(f64, TableLaw)]) -> TableLaw {
    let total: f64 = parts.iter().map(|(share, _)| share).sum();
    let k: usize = parts.iter().map(|(_, law)| law.cells()).sum();
    let (m, columns) = parts.first().map_or((0, 0), |(_, law)| (law.means.ncols(), law.labels.len()));
    let places: Vec<(usize, usize)> = parts
        .iter()
        .enumerate()
        .flat_map(|(part, (_, law))| (0..law.cells()).map(move |cell| (part, cell)))
        .collect();
    let law = |at: usize| (&parts[places[at].0].1, places[at].1);
    TableLaw {
        masses: places
            .iter()
            .map(|&(part, cell)| parts[part].0 / total * parts[part].1.masses[cell])
            .collect(),
        means: DMatrix::from_fn(k, m, |at, i| law(at).0.means[(law(at).1, i)]),
        covariances: (0..k).map(|at| law(at).0.covariances[law(at).1].clone()).collect(),
        labels: (0..columns)
            .map(|column| {
                let count = parts[0].1.labels[column].ncols();
                DMatrix::from_fn(k, count, |at, label| law(at).0.labels[column][(law(at).1, label)])
            })
            .collect(),
    }
}

/// A law of rows that all have a label of a column.
pub(super) fn certain(mut law: TableLaw, class: usize, label: usize) -> TableLaw {
    let count = law.labels[class].ncols();
    law.labels[class] = DMatrix::from_fn(law.cells(), count, |_, other| f64::from(u8::from(other == label)));
    law
}

/// The law given a label of a column.
fn given_label(law: &TableLaw, class: usize, label: usize) -> TableLaw {
    let masses: Vec<f64> = (0..law.cells()).map(|j| law.masses[j] * law.labels[class][(j, label)]).collect();
    let total: f64 = masses.iter().sum();
    // Cells that next to nothing is left of.
    let kept: Vec<usize> = (0..law.cells()).filter(|&j| masses[j] > 1e-6 * total).collect();
    let total: f64 = kept.iter().map(|&j| masses[j]).sum();
    TableLaw {
        masses: kept.iter().map(|&j| masses[j] / total).collect(),
        means: law.means.select_rows(&kept),
        covariances: kept.iter().map(|&j| law.covariances[j].clone()).collect(),
        labels: law.labels.iter().map(|table| table.select_rows(&kept)).collect(),
    }
}

/// The law whose rows of each label have the law `taken` for them.
pub(super) fn by_class(
    of: &Prepared,
    class: usize,
    taken: &[Share],
    own: &[Option<TableLaw>],
    pooled: &TableLaw,
) -> TableLaw {
    let class_shares = class_shares(&of.rows, class, taken.len());
    let mut parts = Vec::new();
    for (label, share) in class_shares.into_iter().enumerate() {
        let pooled = || given_label(pooled, class, label);
        let laws = match (taken[label], &own[label]) {
            (Share::Own, Some(own)) => vec![(share, own.clone())],
            (Share::Both, Some(own)) => vec![(0.5 * share, own.clone()), (0.5 * share, pooled())],
            _ => vec![(share, pooled())],
        };
        let laws = laws.into_iter().map(|(share, law)| (share, certain(law, class, label)));
        parts.extend(laws);
    }
    joined(&parts)
}
