/// Directions outside the cells' coordinates that are known to be isotropic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IsotropicRest {
    /// How many; infinite when their variance is known exactly, 0 when there are none.
    pub count: f64,
    /// Their variance.
    pub variance: f64,
}

impl IsotropicRest {
    /// There are no such directions.
    pub const NONE: Self = Self { count: 0.0, variance: 1.0 };

    /// The component std is given: every direction has at least this variance.
    pub(crate) fn floor(self) -> f64 {
        if self.count.is_infinite() { self.variance } else { 0.0 }
    }
}
