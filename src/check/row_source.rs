use crate::error::{Error, Result};
use crate::passes::RowSource;
use crate::rows::Rows;

/// Checks a source of rows by reading it three times.
///
/// 1. All blocks have the same number of columns.
/// 2. A second reading gives the same bits in the same order, values and weights, however they are cut
///    into blocks.
/// 3. A reading ends with the first error of its visitor.
///
/// The rows themselves are not kept: what is compared is a hash of each row.
///
/// # Errors
/// The source's own error; [`Error::ShapeMismatch`] for columns; [`Error::CheckFailed`] with the property
/// that does not hold and the row where it fails.
///
/// # Examples
/// ```
/// use gmix_diffusion::check::check_row_source;
///
/// check_row_source(&vec![[1.0, 2.0], [3.0, 4.0]])?;
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
pub fn check_row_source(source: &(impl RowSource + ?Sized)) -> Result<()> {
    let first = row_hashes(source)?;
    let second = row_hashes(source)?;
    let failed = |property, row, expected: f64, found: f64| {
        Err(Error::CheckFailed { property, row, expected, found, tolerance: 0.0 })
    };
    if first.len() != second.len() {
        let row = first.len().min(second.len());
        return failed("every reading has as many rows", row, first.len() as f64, second.len() as f64);
    }
    if let Some(row) = first.iter().zip(&second).position(|(a, b)| a != b) {
        return failed(
            "every reading has the same rows (by hash)",
            row,
            first[row] as f64,
            second[row] as f64,
        );
    }
    let mut calls = 0;
    let stopped = source.read(&mut |_| {
        calls += 1;
        Err(Error::NoRows)
    });
    if calls > 1 || (calls == 1 && stopped.is_ok()) {
        return failed("a reading ends with the first error of its visitor", 0, 1.0, f64::from(calls));
    }
    Ok(())
}

/// A hash of the values and the weight of each row (FNV-1a, by words).
fn row_hashes(source: &(impl RowSource + ?Sized)) -> Result<Vec<u64>> {
    let (mut hashes, mut dim) = (Vec::new(), None);
    source.read(&mut |rows: Rows<'_>| {
        let expected = *dim.get_or_insert(rows.dim());
        if rows.dim() != expected {
            let what = "columns of a block of rows";
            return Err(Error::ShapeMismatch { what, expected, found: rows.dim() });
        }
        let block = rows.block(0, rows.n_rows());
        hashes.extend(block.rows.row_iter().zip(&block.weights).map(|(row, weight)| {
            let values = row.iter().chain([weight]);
            values.fold(0xcbf2_9ce4_8422_2325, |hash: u64, value| {
                (hash ^ value.to_bits()).wrapping_mul(0x0100_0000_01b3).rotate_left(29)
            })
        }));
        Ok(())
    })?;
    Ok(hashes)
}
