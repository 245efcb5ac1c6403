//! Rows of a table as cells know them: latent values and the numbers of labels.

use rand::RngExt;

use crate::columns::{Column, Columns, LatentMap, Sight, Table, TableColumn, Warp, normal};
use crate::error::Result;
use crate::rows::stream;

/// Purposes of streams of random numbers, one a row.
const SPREADING: u64 = 61;
const PLACING: u64 = 62;
/// How far from the middle of its interval a value that is learned where it is may lie, as a share of the interval.
const JITTER: f64 = 0.1;
/// Columns of no more given values than these are labels, whose order says nothing.
const TWO: usize = 2;

/// Other columns may be labels if they have no more values than this, each at least so many times: more than are likely to
/// leave one that no row has.
pub(super) const MOST_LABELS: usize = 12;
const LEAST_ROWS_A_LABEL: usize = 5;

/// How columns are taken, where that is not said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Treatment {
    pub(super) warp: Warp,
    /// Values that stand for an interval are learned in its middle, not spread over it.
    pub(super) centred: bool,
    /// A few values are labels, without an order.
    pub(super) values_are_labels: bool,
    /// The column, by its place in the table, by whose labels the table comes apart.
    pub(super) apart: Option<usize>,
}

impl Treatment {
    pub(super) const PLAIN: Self =
        Self { warp: Warp::Plain, centred: false, values_are_labels: false, apart: None };
}

/// What stands for a column.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub(super) enum Part {
    /// A latent value.
    Latent(Box<LatentMap>),
    /// The number of one of these values.
    Values(Vec<f64>),
    /// The number of one of these labels.
    Labels(Vec<String>),
}

impl Part {
    /// The scale, as reports call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Latent(map) => map.name(),
            Self::Values(_) => "values".into(),
            Self::Labels(_) => "labels".into(),
        }
    }

    /// How many values there are, where these are numbered.
    pub(super) fn count(&self) -> Option<usize> {
        match self {
            Self::Latent(_) => None,
            Self::Values(values) => Some(values.len()),
            Self::Labels(labels) => Some(labels.len()),
        }
    }
}

/// The number of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Unseen,
    Seen(usize),
    /// None that its column has.
    Outside,
}

/// Rows as cells know them, one after the other.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Encoded {
    pub(super) n: usize,
    /// m a row.
    pub(super) sights: Vec<Sight>,
    /// c a row.
    pub(super) labels: Vec<Label>,
    pub(super) latents: usize,
    pub(super) label_columns: usize,
}

impl Encoded {
    pub(super) fn sights(&self, row: usize) -> &[Sight] {
        &self.sights[row * self.latents..(row + 1) * self.latents]
    }

    pub(super) fn labels(&self, row: usize) -> &[Label] {
        &self.labels[row * self.label_columns..(row + 1) * self.label_columns]
    }

    pub(super) fn is_outside(&self, row: usize) -> bool {
        self.sights(row).contains(&Sight::Outside) || self.labels(row).contains(&Label::Outside)
    }

    /// Latent values to learn from, a row after the other: NaN where nothing was seen.
    pub(super) fn placed(&self, seed: u64, centred: bool) -> Vec<f64> {
        let place = |row: usize| {
            let mut own = stream(seed, PLACING, row as u64);
            let place = move |sight: &Sight| {
                let u: f64 = own.random();
                match *sight {
                    Sight::Point(z, _) => z,
                    Sight::Interval(low, high) => {
                        let u = if centred { 0.5 + JITTER * (u - 0.5) } else { u };
                        normal::within(low, high, u)
                    }
                    Sight::Unseen | Sight::Outside => f64::NAN,
                }
            };
            self.sights(row).iter().map(place).collect::<Vec<f64>>()
        };
        (0..self.n).flat_map(place).collect()
    }

    /// The same labels beside latent values that are known.
    pub(super) fn at(&self, placed: &[f64]) -> Self {
        let point = |z: &f64| if z.is_nan() { Sight::Unseen } else { Sight::Point(*z, 0.0) };
        Self { sights: placed.iter().map(point).collect(), ..self.clone() }
    }

    /// Some of the rows.
    pub(super) fn select(&self, rows: &[usize]) -> Self {
        Self {
            n: rows.len(),
            sights: rows.iter().flat_map(|&row| self.sights(row).iter().copied()).collect(),
            labels: rows.iter().flat_map(|&row| self.labels(row).iter().copied()).collect(),
            ..*self
        }
    }
}

/// The different values of a column that has few, several times each.
fn few_values(values: &[f64]) -> Option<Vec<f64>> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    sorted.sort_by(f64::total_cmp);
    let mut few = sorted.clone();
    few.dedup();
    let count = |value: &f64| sorted.iter().filter(|other| *other == value).count();
    (few.len() <= MOST_LABELS && few.iter().all(|value| count(value) >= LEAST_ROWS_A_LABEL)).then_some(few)
}

/// The map between the rows of a table and what cells know.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Encoder {
    pub(super) columns: Columns,
    /// One a column.
    pub(super) parts: Vec<Part>,
}

impl Encoder {
    /// The maps that the rows of `table` ask for.
    pub(super) fn learn(columns: &Columns, table: &Table, treatment: Treatment, seed: u64) -> Self {
        let of = |(index, (name, column)): (usize, (&String, &Column))| {
            let Some(values) = table.numbers(name) else {
                return Part::Labels(column.label_names().to_vec());
            };
            if column.is_values() && (column.atoms().len() <= TWO || treatment.values_are_labels) {
                return Part::Values(column.atoms().to_vec());
            }
            if treatment.values_are_labels
                && (column.step().is_some() || !column.atoms().is_empty())
                && let Some(few) = few_values(values)
            {
                return Part::Values(few);
            }
            let (mut seen, mut spread) = (Vec::new(), Vec::new());
            let step = column.step().unwrap_or(0.0);
            for (row, value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                let u: f64 = stream(seed, SPREADING + ((index as u64) << 8), row as u64).random();
                seen.push(*value);
                spread.push(value + step * (u - 0.5));
            }
            Part::Latent(Box::new(LatentMap::learn(column, &seen, &spread, treatment.warp)))
        };
        let parts = columns.names().iter().zip(columns.columns()).enumerate().map(of).collect();
        Self { columns: columns.clone(), parts }
    }

    /// Numbers as they are.
    pub(super) fn unit(columns: &Columns) -> Self {
        let parts = vec![Part::Latent(Box::new(LatentMap::IDENTITY)); columns.names().len()];
        Self { columns: columns.clone(), parts }
    }

    pub(super) fn latents(&self) -> impl Iterator<Item = &LatentMap> {
        self.parts.iter().filter_map(|part| match part {
            Part::Latent(map) => Some(&**map),
            _ => None,
        })
    }

    /// How many values each column of labels has.
    pub(super) fn label_counts(&self) -> Vec<usize> {
        self.parts.iter().filter_map(Part::count).collect()
    }

    /// Among the columns of labels, which the one at a place in the table is.
    pub(super) fn label_index(&self, place: usize) -> Option<usize> {
        self.label_columns().iter().position(|&column| column == place)
    }

    /// The columns that are labels, by their place.
    pub(super) fn label_columns(&self) -> Vec<usize> {
        (0..self.parts.len()).filter(|&column| self.parts[column].count().is_some()).collect()
    }

    /// The rows of `table`, whose columns go by name.
    ///
    /// # Errors
    /// Those of a table of other columns.
    pub(super) fn encode(&self, table: &Table) -> Result<Encoded> {
        let n = table.n_rows();
        let (latents, label_columns) = (self.latents().count(), self.label_counts().len());
        let mut all = Encoded {
            n,
            sights: vec![Sight::Unseen; n * latents],
            labels: vec![Label::Unseen; n * label_columns],
            latents,
            label_columns,
        };
        self.columns.check_kinds(table)?;
        let (mut latent, mut label) = (0, 0);
        for (name, part) in self.columns.names().iter().zip(&self.parts) {
            match (part, table.numbers(name), table.labels(name)) {
                (Part::Latent(map), Some(values), _) => {
                    for (row, &value) in values.iter().enumerate() {
                        all.sights[row * latents + latent] = map.see(value);
                    }
                }
                (Part::Values(own), Some(values), _) => {
                    for (row, value) in values.iter().enumerate().filter(|(_, value)| !value.is_nan()) {
                        let place = own.iter().position(|own| own == value);
                        all.labels[row * label_columns + label] = place.map_or(Label::Outside, Label::Seen);
                    }
                }
                (Part::Labels(own), _, Some(values)) => {
                    for (row, value) in values.iter().enumerate() {
                        let Some(value) = value else { continue };
                        let place = own.binary_search(value).ok();
                        all.labels[row * label_columns + label] = place.map_or(Label::Outside, Label::Seen);
                    }
                }
                _ => {}
            }
            match part {
                Part::Latent(_) => latent += 1,
                _ => label += 1,
            }
        }
        Ok(all)
    }

    /// The columns of rows with these latent values and numbers of labels, each a row after the other.
    pub(super) fn decode(&self, n: usize, latents: &[f64], labels: &[usize]) -> Result<Table> {
        let counts = self.label_counts().len();
        let m = self.parts.len() - counts;
        let (mut latent, mut label) = (0, 0);
        let mut table = Table::new();
        for (name, part) in self.columns.names().iter().zip(&self.parts) {
            let column = match part {
                Part::Latent(map) => {
                    latent += 1;
                    let value = |row: usize| map.value(latents[row * m + latent - 1]);
                    TableColumn::Numbers((0..n).map(value).collect())
                }
                Part::Values(values) => {
                    label += 1;
                    let value = |row: usize| values[labels[row * counts + label - 1]];
                    TableColumn::Numbers((0..n).map(value).collect())
                }
                Part::Labels(own) => {
                    label += 1;
                    let value = |row: usize| Some(own[labels[row * counts + label - 1]].clone());
                    TableColumn::Labels((0..n).map(value).collect())
                }
            };
            table = table.with(name, column)?;
        }
        Ok(table)
    }
}
