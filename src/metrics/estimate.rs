use std::fmt;

/// A mean over random rows, with its standard error.
///
/// # Examples
/// ```
/// use gmix_diffusion::metrics::total_variation;
///
/// let estimate = total_variation(&[0.0, 0.0], &[0.0, f64::NEG_INFINITY])?;
/// assert_eq!((estimate.value, estimate.std_error), (0.5, 0.5));
/// assert_eq!(format!("{estimate:.2}"), "0.50 ± 0.50");
/// # Ok::<(), gmix_diffusion::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Its standard error, from the rows' unbiased variance; infinite for a single row.
    pub std_error: f64,
}

impl Estimate {
    /// Mean and standard error of independent `terms`, of which there must be one at least.
    pub(super) fn of(terms: &[f64]) -> Self {
        let n = terms.len() as f64;
        let value = terms.iter().sum::<f64>() / n;
        if terms.len() == 1 {
            return Self { value, std_error: f64::INFINITY };
        }
        let squares: f64 = terms.iter().map(|term| (term - value).powi(2)).sum();
        Self { value, std_error: (squares / (n * (n - 1.0))).sqrt() }
    }
}

impl fmt::Display for Estimate {
    /// `value ± std_error`; a precision such as `{:.4}` applies to both.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.value, f)?;
        f.write_str(" ± ")?;
        fmt::Display::fmt(&self.std_error, f)
    }
}
