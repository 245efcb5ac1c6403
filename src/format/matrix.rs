use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::check::require;
use crate::error::Result;

/// A matrix, column after column.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SavedMatrix {
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    pub(crate) values: Vec<f64>,
}

impl From<&DMatrix<f64>> for SavedMatrix {
    fn from(matrix: &DMatrix<f64>) -> Self {
        Self { rows: matrix.nrows(), columns: matrix.ncols(), values: matrix.as_slice().to_vec() }
    }
}

impl SavedMatrix {
    /// The matrix, if it is one.
    pub(crate) fn load(self) -> Result<DMatrix<f64>> {
        let Self { rows, columns, values } = self;
        require!(
            rows.checked_mul(columns) == Some(values.len()),
            "{rows} × {columns} values do not fit a list of {}",
            values.len()
        )?;
        Ok(DMatrix::from_vec(rows, columns, values))
    }
}

/// What has a plain form without nalgebra's types.
pub(crate) trait Plain: Sized {
    type Form;
    fn form(&self) -> Self::Form;
    fn load(form: Self::Form) -> Result<Self>;
}

impl Plain for DMatrix<f64> {
    type Form = SavedMatrix;

    fn form(&self) -> SavedMatrix {
        self.into()
    }

    fn load(form: SavedMatrix) -> Result<Self> {
        form.load()
    }
}

impl Plain for DVector<f64> {
    type Form = Vec<f64>;

    fn form(&self) -> Vec<f64> {
        self.as_slice().to_vec()
    }

    fn load(form: Vec<f64>) -> Result<Self> {
        Ok(Self::from_vec(form))
    }
}

impl<T: Plain> Plain for Option<T> {
    type Form = Option<T::Form>;

    fn form(&self) -> Self::Form {
        self.as_ref().map(T::form)
    }

    fn load(form: Self::Form) -> Result<Self> {
        form.map(T::load).transpose()
    }
}

impl<T: Plain> Plain for Vec<T> {
    type Form = Vec<T::Form>;

    fn form(&self) -> Self::Form {
        self.iter().map(T::form).collect()
    }

    fn load(form: Self::Form) -> Result<Self> {
        form.into_iter().map(T::load).collect()
    }
}

/// For `serde(with)`: matrices and vectors, also several or none, in their plain form. Where there may be none,
/// `serde(default)` beside it lets it be left out.
pub(crate) mod plain {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::Plain;

    pub(crate) fn serialize<T, S>(value: &T, serializer: S) -> Result<S::Ok, S::Error>
    where
        T: Plain<Form: Serialize>,
        S: Serializer,
    {
        value.form().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: Plain<Form: Deserialize<'de>>,
        D: Deserializer<'de>,
    {
        T::load(T::Form::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
