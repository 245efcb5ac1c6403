use nalgebra::{DMatrix, DVector};

/// The affine map between the data's units and the working units of a fit: x = shift + scale · w,
/// column by column.
///
/// When the component std is given, all columns share one scale, a power of ten, since a given σ₀ says that
/// the columns' units agree. Else the scales make the standard deviations of the columns within cells
/// equal, so that the units of a column do not matter: they are powers of ten where these can do that up
/// to sampling noise; where they cannot, every column has a scale of its own, one for those that
/// are equal up to sampling noise. A partitioner that finds cells level by level has none to
/// offer yet, and then every column has the power of ten nearest to its standard deviation.
#[derive(Debug, Clone, PartialEq)]
pub struct Units {
    pub(crate) shift: DVector<f64>,
    pub(crate) scale: DVector<f64>,
}

impl Units {
    pub(crate) fn new(shift: DVector<f64>, scale: DVector<f64>) -> Self {
        Self { shift, scale }
    }

    /// The data's value of working value 0, a column each.
    pub fn shift(&self) -> &DVector<f64> {
        &self.shift
    }

    /// The data's units in one working unit, a column each.
    pub fn scale(&self) -> &DVector<f64> {
        &self.scale
    }

    /// The one scale of all columns, if they share one.
    pub fn uniform_scale(&self) -> Option<f64> {
        let first = self.scale[0];
        self.scale.iter().all(|&s| s == first).then_some(first)
    }

    /// Rows of data (n × d) in working units.
    pub fn to_working(&self, rows: &DMatrix<f64>) -> DMatrix<f64> {
        let mut working = rows.clone();
        for (j, mut column) in working.column_iter_mut().enumerate() {
            column.apply(|x| *x = (*x - self.shift[j]) / self.scale[j]);
        }
        working
    }

    /// Rows in working units (n × d) in the data's units.
    pub fn to_data(&self, rows: &DMatrix<f64>) -> DMatrix<f64> {
        let mut data = rows.clone();
        for (j, mut column) in data.column_iter_mut().enumerate() {
            column.apply(|w| *w = self.shift[j] + self.scale[j] * *w);
        }
        data
    }

    /// log |∂x/∂w|: what a log-density loses on the way from working units to the data's.
    pub(crate) fn log_volume(&self) -> f64 {
        self.scale.iter().map(|s| s.ln()).sum()
    }
}
