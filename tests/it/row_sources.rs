//! Rows that are read in blocks of any size give the bits of rows in memory.

use std::cell::Cell;

use gmix_diffusion::check::check_row_source;
use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::{Distribution, StandardNormal};
use gmix_diffusion::reference::{Law, targets};
use gmix_diffusion::{DiffusionLearner, DiffusionModel, Error, Result, RowSource, Rows, VoronoiPartitioner};

use crate::support::fingerprint;

fn model_hash(model: &DiffusionModel) -> u64 {
    fingerprint::model_hash(model).unwrap()
}

/// A matrix that is read in blocks.
struct Blocks<'a> {
    rows: &'a DMatrix<f64>,
    size: usize,
}

impl RowSource for Blocks<'_> {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        let n = self.rows.nrows();
        (0..n).step_by(self.size).try_for_each(|start| {
            let size = self.size.min(n - start);
            visit(self.rows.rows(start, size).into())
        })
    }
}

fn rows(n: usize) -> DMatrix<f64> {
    targets::gmm2d_k3().draw(n, &mut StdRng::seed_from_u64(1))
}

fn fit(learner: &DiffusionLearner, source: &(impl RowSource + ?Sized)) -> Result<DiffusionModel> {
    learner.fit_source(source, &mut StdRng::seed_from_u64(11))
}

#[test]
fn blocks_of_any_size_give_the_bits_of_memory() {
    // More rows than the subsample holds, and a short chunk at the end.
    let rows = rows(12_000);
    let learner = DiffusionLearner::new();
    let memory = learner.fit(&rows, &mut StdRng::seed_from_u64(11)).unwrap();
    assert!(memory.report().passes > 2 && memory.report().passes <= 30, "{}", memory.report().passes);
    let expected = model_hash(&memory);
    for size in [1, 7, 1_000, 2_048, 10_007] {
        let found = fit(&learner, &Blocks { rows: &rows, size }).unwrap();
        assert_eq!(model_hash(&found), expected, "blocks of {size}");
        assert_eq!(found.report(), memory.report(), "blocks of {size}");
    }
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| fit(&learner, &Blocks { rows: &rows, size: 1_000 })).unwrap();
        assert_eq!(model_hash(&found), expected, "{threads} threads");
    }
}

#[test]
fn other_compositions_and_other_forms_of_rows_do_so_too() {
    let rows = rows(4_500);
    let voronoi =
        DiffusionLearner::new().with_component_std(1.0).with_partitioner(VoronoiPartitioner::soft());
    let arrays: Vec<[f64; 2]> = rows.row_iter().map(|row| [row[0], row[1]]).collect();
    for learner in [voronoi, DiffusionLearner::fast()] {
        let expected = model_hash(&fit(&learner, &rows).unwrap());
        assert_eq!(model_hash(&fit(&learner, &Blocks { rows: &rows, size: 1_000 }).unwrap()), expected);
        assert_eq!(model_hash(&fit(&learner, &arrays).unwrap()), expected);
        assert_eq!(model_hash(&fit(&learner, &arrays[..]).unwrap()), expected);
        assert_eq!(model_hash(&fit(&learner, &rows.rows(0, 4_500)).unwrap()), expected);
        let flat = Rows::from_row_slice(arrays.as_flattened(), 2).unwrap();
        assert_eq!(model_hash(&fit(&learner, &flat).unwrap()), expected);
    }
}

/// Weights come with their blocks.
struct Weighted<'a>(Blocks<'a>, &'a [f64]);

impl RowSource for Weighted<'_> {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        let mut start = 0;
        self.0.read(&mut |block| {
            let end = start + block.n_rows();
            let weights = &self.1[start..end];
            start = end;
            visit(block.with_weights(weights)?)
        })
    }
}

#[test]
fn weights_are_read_with_their_rows() {
    let rows = rows(3_000);
    let weights: Vec<f64> = (0..3_000).map(|i| 0.5 + f64::from(i as u16 % 3)).collect();
    let learner = DiffusionLearner::new();
    let expected = fit(&learner, &Rows::from(&rows).with_weights(&weights).unwrap()).unwrap();
    for size in [7, 1_000] {
        let found = fit(&learner, &Weighted(Blocks { rows: &rows, size }, &weights)).unwrap();
        assert_eq!(model_hash(&found), model_hash(&expected), "blocks of {size}");
    }
}

/// Does something else in every reading but the first.
struct Unsteady {
    readings: Cell<usize>,
    rows: [usize; 2],
    dims: [usize; 2],
}

impl RowSource for Unsteady {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        let later = usize::from(self.readings.replace(self.readings.get() + 1) > 0);
        for block in 0..self.rows[later] {
            let dim = if block > 0 { self.dims[later] } else { self.dims[0] };
            let mut rng = StdRng::seed_from_u64(block as u64);
            let values: Vec<f64> = (0..dim * 100).map(|_| StandardNormal.sample(&mut rng)).collect();
            visit(Rows::from_row_slice(&values, dim)?)?;
        }
        Ok(())
    }
}

#[test]
fn sources_that_are_not_steady_are_errors() {
    let unsteady = |rows, dims| Unsteady { readings: Cell::new(0), rows, dims };
    // Level by level: there is a second pass.
    let learner =
        DiffusionLearner::new().with_component_std(0.5).with_partitioner(VoronoiPartitioner::soft());
    let found = fit(&learner, &unsteady([5, 4], [2, 2])).map(drop);
    assert!(matches!(found, Err(Error::IncompletePass { pass: 1, expected: 500, found: 400 })), "{found:?}");
    let found = fit(&learner, &unsteady([5, 5], [2, 3])).map(drop);
    assert!(matches!(found, Err(Error::ShapeMismatch { expected: 2, found: 3, .. })), "{found:?}");
    assert!(matches!(fit(&learner, &unsteady([0, 0], [2, 2])), Err(Error::NoRows)));
    assert!(check_row_source(&unsteady([5, 4], [2, 2])).is_err());
    assert!(check_row_source(&unsteady([5, 5], [2, 3])).is_err());
    check_row_source(&unsteady([5, 5], [2, 2])).unwrap();
    check_row_source(&Blocks { rows: &rows(100), size: 7 }).unwrap();
}

/// Goes on after its visitor has failed, and says that all is well.
struct Deaf;

impl RowSource for Deaf {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        for value in [1.0, f64::NAN, 2.0] {
            let _ = visit(Rows::from(&[[value; 2]; 5_000][..]));
        }
        Ok(())
    }
}

/// Likewise, after a block of three columns among rows of two.
struct DeafToShapes<'a>(&'a DMatrix<f64>);

impl RowSource for DeafToShapes<'_> {
    fn read(&self, visit: &mut dyn FnMut(Rows<'_>) -> Result<()>) -> Result<()> {
        visit(self.0.into())?;
        let _ = visit(Rows::from(&[[1.0; 3]][..]));
        visit(self.0.into())
    }
}

#[test]
fn an_error_of_a_visitor_is_not_lost() {
    assert!(fit(&DiffusionLearner::new(), &DeafToShapes(&rows(100))).is_err());
    assert!(fit(&DiffusionLearner::new(), &Deaf).is_err());
    assert!(check_row_source(&Deaf).is_err());
    let mut rows = rows(5_000);
    rows[(4_321, 1)] = f64::INFINITY;
    let found = fit(&DiffusionLearner::new(), &Blocks { rows: &rows, size: 7 }).map(drop);
    assert!(matches!(found, Err(Error::NotFinite { row: 4_321, column: 1, .. })), "{found:?}");
}

#[test]
fn pieces_that_overlap_or_are_foreign_are_told_apart() {
    let rows = rows(6_000);
    let start = |seed| DiffusionLearner::new().begin(&mut StdRng::seed_from_u64(seed)).unwrap();
    let pass = start(1).next_pass().unwrap();
    let piece = |first: usize, n: usize| pass.accumulate(rows.rows(first, n), first as u64).unwrap();
    for (a, b) in [
        ((0, 2_048), (2_000, 100)),
        ((0, 4_096), (2_048, 2_048)),
        ((100, 200), (0, 2_048)),
        ((100, 200), (299, 10)),
    ] {
        for ((first, n), (second, m)) in [(a, b), (b, a)] {
            let mut sums = piece(first, n);
            let found = pass.merge(&mut sums, piece(second, m));
            assert!(matches!(found, Err(Error::OverlappingRows { pass: 0, .. })), "{a:?} {b:?}: {found:?}");
        }
    }
    let mut sums = piece(0, 2_048);
    let foreign = start(2).next_pass().unwrap().accumulate(&rows, 0).unwrap();
    assert!(matches!(pass.merge(&mut sums, foreign.clone()), Err(Error::ForeignFit { pass: 0 })));
    assert!(matches!(start(1).absorb(foreign), Err(Error::ForeignFit { pass: 0 })));
    for first in [2_048, 2_050] {
        let other = pass.accumulate(&DMatrix::zeros(4_096, 3), first).unwrap();
        let mut sums = piece(0, 1_000);
        pass.merge(&mut sums, piece(1_000, 1_048)).unwrap();
        let found = pass.merge(&mut sums, other);
        assert!(matches!(found, Err(Error::ShapeMismatch { expected: 2, found: 3, .. })), "{found:?}");
    }
}
