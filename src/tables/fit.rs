//! How the law of a table is learned: what is not said of its columns is chosen by the likelihood of held-out rows.

use nalgebra::DMatrix;
use rand::RngExt;

use super::encoder::{Encoded, Encoder, Label, MOST_LABELS, Treatment};
use super::law::{TableLaw, log_sum, shares};
use super::report::{Choice, TableReport};
use crate::columns::{Column, Columns, Table, Warp};
use crate::error::Result;
use crate::learner::DiffusionLearner;
use crate::rows::{Rows, stream};

/// Folds of the rows by which choices are judged, and rows at most.
const FOLDS: usize = 3;
const MOST_ROWS: usize = 1_500;
/// Purposes of streams of random numbers.
const FITTING: u64 = 63;
const CHOOSING: u64 = 64;
const LABEL_CELLS: u64 = 66;
/// Steps by which masses and the probabilities of labels are moved to where their likelihood is highest.
const STEPS: usize = 20;
/// Likewise where there is nothing but labels.
const LABEL_STEPS: usize = 100;
/// Rows that have the overall shares of the labels, added to those of each cell.
const SHARED_ROWS: f64 = 1.0;
/// Labels of fewer rows than this, and this many a latent value, have no fit of their own.
const LEAST_ROWS: (usize, usize) = (10, 2);
/// A fit of a label's own is taken unless half of it and half of the pooled law gain more than this, in nats a row.
const PLAIN_ADVANTAGE: f64 = 0.02;
/// What a row that cannot be has, so that one does not decide.
const IMPOSSIBLE: f64 = -100.0;
/// Values that stand for an interval and are so few matter where they lie in it.
const COARSE: usize = 40;
/// Labels at most that a table may come apart by.
const MOST_CLASSES: usize = 60;

/// The law of the rows of one label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Share {
    /// That of all rows, given the label.
    Pooled,
    /// One of their own.
    Own,
    /// Half of each.
    Both,
}

/// A table that is to be learned.
pub(super) struct Fitting<'a> {
    pub(super) learner: &'a DiffusionLearner,
    pub(super) columns: &'a Columns,
    pub(super) seed: u64,
}

/// Columns as they are taken, the rows, and values to learn from.
struct Prepared {
    encoder: Encoder,
    rows: Encoded,
    placed: Vec<f64>,
}

/// What a treatment makes of held-out rows.
struct Judged {
    treatment: Treatment,
    /// Number of latent values.
    latents: usize,
    /// The column of labels that tells most, by its place in the table.
    telling: Option<usize>,
    /// The law of each label of the column that the table comes apart by, if it does by any.
    taken: Vec<Share>,
    /// ln p of every row, by the other folds.
    scores: Vec<f64>,
}

fn mean_difference(a: &[f64], b: &[f64]) -> (f64, f64) {
    let n = a.len() as f64;
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let mean = differences.iter().sum::<f64>() / n;
    let variance = differences.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0).max(1.0);
    (mean, (variance / n).sqrt())
}

impl Fitting<'_> {
    fn prepare(&self, table: &Table, treatment: Treatment) -> Result<Prepared> {
        let encoder = Encoder::learn(self.columns, table, treatment, self.seed);
        let rows = encoder.encode(table)?;
        let placed = rows.placed(self.seed, treatment.centred);
        Ok(Prepared { encoder, rows, placed })
    }

    /// Gaussian cells of latent values, a row after the other.
    fn cells(&self, learner: &DiffusionLearner, placed: &[f64], m: usize, index: u64) -> Result<TableLaw> {
        if m == 0 {
            let covariances = vec![DMatrix::zeros(0, 0)];
            return Ok(TableLaw {
                masses: vec![1.0],
                means: DMatrix::zeros(1, 0),
                covariances,
                labels: Vec::new(),
            });
        }
        let rows = Rows::from_row_slice(placed, m)?;
        let rows = if placed.iter().any(|z| z.is_nan()) { rows.with_empty_cells() } else { rows };
        let mixture = learner.fit(rows, &mut stream(self.seed, FITTING, index))?.base()?;
        Ok(TableLaw {
            masses: mixture.masses().iter().copied().collect(),
            means: mixture.means(),
            covariances: mixture.covariances(),
            labels: Vec::new(),
        })
    }

    /// Cells of all rows, with probabilities of labels each.
    fn pooled(&self, learner: &DiffusionLearner, of: &Prepared, index: u64) -> Result<TableLaw> {
        let counts = of.encoder.label_counts();
        if of.rows.latents == 0 {
            return label_cells(&of.rows, &counts, self.seed);
        }
        let law = self.cells(learner, &of.placed, of.rows.latents, index)?;
        with_labels(law, &of.rows.at(&of.placed), &counts)
    }

    /// The laws of the rows of each label of a column that have one of their own.
    fn apart(
        &self,
        learner: &DiffusionLearner,
        of: &Prepared,
        class: usize,
        wanted: &dyn Fn(usize) -> bool,
    ) -> Vec<Option<TableLaw>> {
        let counts = of.encoder.label_counts();
        let m = of.rows.latents;
        let own = |label: usize| {
            let rows: Vec<usize> =
                (0..of.rows.n).filter(|&row| of.rows.labels(row)[class] == Label::Seen(label)).collect();
            if rows.len() < LEAST_ROWS.0 + LEAST_ROWS.1 * m || !wanted(label) {
                return None;
            }
            let placed: Vec<f64> =
                rows.iter().flat_map(|&row| of.placed[row * m..(row + 1) * m].iter().copied()).collect();
            let law = self.cells(learner, &placed, m, 1 + label as u64).ok()?;
            with_labels(law, &of.rows.select(&rows).at(&placed), &counts).ok()
        };
        (0..counts[class]).map(own).collect()
    }

    /// Judges a treatment by the rows of each fold, whose law is that of the others.
    fn judge(&self, fast: &DiffusionLearner, table: &Table, treatment: Treatment) -> Result<Judged> {
        let n = table.n_rows();
        let mut judged =
            Judged { treatment, latents: 0, telling: None, taken: Vec::new(), scores: vec![0.0; n] };
        // Of each row its label and what its own fit, and half of each, gain over the pooled law.
        let mut gains: Vec<Option<(usize, [f64; 2])>> = vec![None; n];
        for fold in 0..FOLDS.min(n) {
            let (held, kept): (Vec<usize>, Vec<usize>) = (0..n).partition(|row| row % FOLDS == fold);
            let prepared = self.prepare(&table.select(&kept), treatment)?;
            let pooled = self.pooled(fast, &prepared, 0)?;
            let rows = prepared.encoder.encode(&table.select(&held))?;
            let before = pooled.log_probability(&rows)?;
            for (&row, log) in held.iter().zip(&before) {
                judged.scores[row] = log.max(IMPOSSIBLE);
            }
            if fold == 0 {
                judged.latents = prepared.rows.latents;
                judged.telling = telling(&prepared).map(|class| prepared.encoder.label_columns()[class]);
            }
            let Some(class) = treatment.apart.and_then(|place| prepared.encoder.label_index(place)) else {
                continue;
            };
            let counts = prepared.encoder.label_counts()[class];
            if judged.taken.len() != counts {
                judged.taken = vec![Share::Pooled; counts];
            }
            let shares = class_shares(&prepared.rows, class, counts);
            for (label, law) in self.apart(fast, &prepared, class, &|_| true).into_iter().enumerate() {
                let Some(law) = law else { continue };
                let own_rows: Vec<usize> =
                    (0..rows.n).filter(|&row| rows.labels(row)[class] == Label::Seen(label)).collect();
                let logs = certain(law, class, label).log_probability(&rows.select(&own_rows))?;
                for (&row, log) in own_rows.iter().zip(logs) {
                    // The law of a label and the rest together, either way.
                    let (pooled, own) =
                        (before[row].max(IMPOSSIBLE), (log + shares[label].ln()).max(IMPOSSIBLE));
                    let both = log_sum(&[pooled, own]) - std::f64::consts::LN_2;
                    gains[held[row]] = Some((label, [own - pooled, both - pooled]));
                }
            }
        }
        for (label, taken) in judged.taken.iter_mut().enumerate() {
            let of_label = gains.iter().flatten().filter(|(own, _)| *own == label);
            let (count, own, both) = of_label.fold((0.0, 0.0, 0.0), |(count, own, both), (_, gain)| {
                (count + 1.0, own + gain[0], both + gain[1])
            });
            *taken = if count == 0.0 || f64::max(own, both) <= 0.0 {
                Share::Pooled
            } else if both > own + PLAIN_ADVANTAGE * count {
                Share::Both
            } else {
                Share::Own
            };
        }
        for (score, gain) in judged.scores.iter_mut().zip(&gains) {
            if let Some((label, [own, both])) = gain {
                *score += match judged.taken[*label] {
                    Share::Pooled => 0.0,
                    Share::Own => *own,
                    Share::Both => *both,
                };
            }
        }
        Ok(judged)
    }

    /// The best of treatments, what was tried in the order of trial.
    fn choose(&self, fast: &DiffusionLearner, table: &Table, choices: &mut Vec<Choice>) -> Result<Judged> {
        let mut best = self.judge(fast, table, Treatment::PLAIN)?;
        let mut attempt = |best: &mut Judged, name: &str, change: &dyn Fn(&mut Treatment)| {
            let mut treatment = best.treatment;
            change(&mut treatment);
            let Ok(tried) = self.judge(fast, table, treatment) else { return };
            let (gain, std_error) = mean_difference(&tried.scores, &best.scores);
            let taken = gain > 0.0;
            choices.push(Choice { name: name.to_owned(), gain, std_error, taken });
            if taken {
                *best = tried;
            }
        };
        if best.latents == 0 {
            return Ok(best);
        }
        let columns = || self.columns.names().iter().zip(self.columns.columns());
        let different = |name: &String| {
            let Some(values) = table.numbers(name) else { return usize::MAX };
            let mut seen: Vec<u64> = values.iter().map(|value| value.to_bits()).collect();
            seen.sort_unstable();
            seen.dedup();
            seen.len()
        };
        let stepped = |column: &Column| column.step().is_some() || !column.atoms().is_empty();
        if columns().any(|(name, column)| stepped(column) && (3..=MOST_LABELS).contains(&different(name))) {
            attempt(&mut best, "a few values as labels", &|treatment| treatment.values_are_labels = true);
        }
        if let Some(place) = best.telling {
            let name = format!("fits a label of {}", self.columns.names()[place]);
            attempt(&mut best, &name, &|treatment| treatment.apart = Some(place));
        }
        if columns().any(|(_, column)| !column.is_labels() && column.warp().is_none()) {
            attempt(&mut best, "columns in families", &|treatment| treatment.warp = Warp::Family);
            attempt(&mut best, "normal scores", &|treatment| treatment.warp = Warp::Scores);
        }
        let coarse = |(name, column): (&String, &Column)| {
            !column.atoms().is_empty() || (stepped(column) && different(name) <= COARSE)
        };
        if columns().any(coarse) {
            attempt(&mut best, "values in the middle of their interval", &|treatment| {
                treatment.centred = true
            });
        }
        Ok(best)
    }

    /// The law of `table`, or none but the report where its columns are real and best learned as they are.
    pub(super) fn learn(&self, table: &Table) -> Result<(TableReport, Option<(Encoder, TableLaw)>)> {
        let n = table.n_rows();
        let chosen: Vec<usize> = if n > MOST_ROWS {
            (0..MOST_ROWS).map(|i| i * n / MOST_ROWS).collect()
        } else {
            // The same for the same rows, but in no order that they may have.
            (0..n).collect()
        };
        let mut order = chosen;
        order.sort_by_key(|&row| stream(self.seed, CHOOSING, row as u64).random::<u64>());
        let judging = table.select(&order);
        let fast = self.learner.clone().searched_once();
        let mut choices = Vec::new();
        // Rows may be too few for folds that can be learned.
        let best = self.choose(&fast, &judging, &mut choices).ok();
        let held_out = best.as_ref().map(|best| best.scores.iter().sum::<f64>() / best.scores.len() as f64);
        let (treatment, taken) =
            best.map_or((Treatment::PLAIN, Vec::new()), |best| (best.treatment, best.taken));
        let mut report = TableReport { rows: n, cells: 0, held_out, choices, scales: Vec::new() };
        if treatment.warp == Warp::Plain && self.columns.columns().iter().all(Column::is_plain) {
            return Ok((report, None));
        }
        let prepared = self.prepare(table, treatment)?;
        let class = treatment.apart.and_then(|place| prepared.encoder.label_index(place));
        // A label may be in no row of those that choices were made by.
        let share = |label: usize| taken.get(label).copied().unwrap_or(Share::Pooled);
        let law = match class.filter(|_| !taken.is_empty()) {
            None => self.pooled(self.learner, &prepared, 0)?,
            Some(class) => {
                let own = self.apart(self.learner, &prepared, class, &|label| share(label) != Share::Pooled);
                let taken: Vec<Share> = (0..own.len()).map(share).collect();
                let alone = own.iter().zip(&taken).all(|(own, taken)| own.is_some() && *taken == Share::Own);
                let pooled = match own.first() {
                    Some(Some(first)) if alone => first.clone(),
                    _ => self.pooled(self.learner, &prepared, 0)?,
                };
                by_class(&prepared, class, &taken, &own, &pooled)
            }
        };
        report.cells = law.cells();
        let parts = self.columns.names().iter().zip(&prepared.encoder.parts);
        report.scales = parts.map(|(name, part)| (name.clone(), part.name())).collect();
        Ok((report, Some((prepared.encoder, law))))
    }
}

/// Overall shares of the labels of a column.
fn class_shares(rows: &Encoded, class: usize, count: usize) -> Vec<f64> {
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
fn with_labels(mut law: TableLaw, rows: &Encoded, counts: &[usize]) -> Result<TableLaw> {
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
fn label_cells(rows: &Encoded, counts: &[usize], seed: u64) -> Result<TableLaw> {
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
fn telling(of: &Prepared) -> Option<usize> {
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
fn certain(mut law: TableLaw, class: usize, label: usize) -> TableLaw {
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
fn by_class(
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
