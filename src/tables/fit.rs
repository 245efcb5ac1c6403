//! How the law of a table is learned: what is not said of its columns is chosen by the likelihood of held-out rows.

use nalgebra::DMatrix;
use rand::RngExt;

use super::encoder::{Encoder, Label, MOST_LABELS, Treatment};
use super::labels::{
    FOLDS, IMPOSSIBLE, Prepared, Share, by_class, certain, class_shares, label_cells, telling, with_labels,
};
use super::law::{TableLaw, log_sum};
use super::report::{Choice, TableReport};
use crate::columns::{Column, Columns, Table, Warp};
use crate::error::Result;
use crate::learner::DiffusionLearner;
use crate::rows::{Rows, stream};

/// Rows at most by which choices are judged.
const MOST_ROWS: usize = 1_500;
/// Purposes of streams of random numbers.
const FITTING: u64 = 63;
const CHOOSING: u64 = 64;
/// Labels of fewer rows than this, and this many a latent value, have no fit of their own.
const LEAST_ROWS: (usize, usize) = (10, 2);
/// A fit of a label's own is taken unless half of it and half of the pooled law gain more than this, in nats a row.
const PLAIN_ADVANTAGE: f64 = 0.02;
/// Values that stand for an interval and are so few matter where they lie in it.
const COARSE: usize = 40;

/// A table that is to be learned.
pub(super) struct Fitting<'a> {
    pub(super) learner: &'a DiffusionLearner,
    pub(super) columns: &'a Columns,
    pub(super) seed: u64,
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
