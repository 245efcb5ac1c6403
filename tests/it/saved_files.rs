//! A model saved by any release loads for ever. `tests/data` has one file a format version and a format, with
//! what the model answered when it was saved.
#![cfg(feature = "serde")]

use std::fs;
use std::path::PathBuf;

use gmix_diffusion::nalgebra::DMatrix;
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::{
    DiffusionLearner, DiffusionModel, NoiseLevel, NoiseLevels, PolynomialRegression, ScoreModel,
};
use serde::{Deserialize, Serialize};

/// The present version.
const VERSION: u32 = 1;

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

/// What a model answers at some points.
#[derive(Debug, Serialize, Deserialize)]
struct Answers {
    /// n × d, row after row.
    points: Vec<f64>,
    log_density: Vec<f64>,
    /// At the clean level, column after column.
    score: Vec<f64>,
    /// In working units at the noisiest level, column after column.
    noised_score: Vec<f64>,
    responsibilities: Vec<f64>,
    /// Three rows of seed 1, column after column.
    drawn: Vec<f64>,
    n_rows: u64,
    warnings: usize,
}

impl Answers {
    fn of(model: &DiffusionModel, points: Vec<f64>) -> Self {
        let rows = DMatrix::from_row_slice(points.len() / model.dim(), model.dim(), &points);
        let working = model.units().to_working(&rows).unwrap();
        let inner = model.score_model();
        let numbers = |matrix: DMatrix<f64>| matrix.as_slice().to_vec();
        Self {
            log_density: model.log_density(&rows).unwrap().as_slice().to_vec(),
            score: numbers(model.score(NoiseLevel::CLEAN, &rows).unwrap()),
            noised_score: numbers(inner.score(inner.levels().noisiest(), &working).unwrap()),
            responsibilities: numbers(model.responsibilities(&rows).unwrap()),
            drawn: numbers(model.sample(3, &mut StdRng::seed_from_u64(1)).unwrap()),
            n_rows: model.report().n_rows,
            warnings: model.report().warnings.len(),
            points,
        }
    }

    /// Equal up to the rounding of another processor.
    fn assert_close(&self, other: &Self) {
        assert_eq!((self.n_rows, self.warnings), (other.n_rows, other.warnings));
        for (a, b) in [
            (&self.log_density, &other.log_density),
            (&self.score, &other.score),
            (&self.noised_score, &other.noised_score),
            (&self.responsibilities, &other.responsibilities),
            (&self.drawn, &other.drawn),
        ] {
            assert_eq!(a.len(), b.len());
            let close = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-8 * (1.0 + a.abs());
            assert!(a.iter().zip(b).all(close), "{a:?} {b:?}");
        }
    }
}

#[test]
fn models_of_every_version_load() {
    for version in 1..=VERSION {
        let name = format!("model-v{version}");
        let read = |end: &str| fs::read(path(&format!("{name}{end}"))).unwrap();
        let expected: Answers = serde_json::from_slice(&read("-answers.json")).unwrap();
        let from_text: DiffusionModel = serde_json::from_slice(&read(".json")).unwrap();
        let from_bytes: DiffusionModel = postcard::from_bytes(&read(".postcard")).unwrap();
        for model in [from_text, from_bytes] {
            Answers::of(&model, expected.points.clone()).assert_close(&expected);
        }
    }
}

/// What a release with a new format version runs, once.
#[test]
#[ignore = "writes the files of the present version"]
fn write_the_files_of_the_present_version() {
    // Two active columns of a base whose cells are not Gaussian, and one that is constant. (The model of version 1 has
    // polynomials on its base too.)
    let rows = DMatrix::from_fn(300, 3, |i, j| {
        [(0.7548776662 * i as f64).fract(), (0.5698402910 * i as f64).fract(), 2.5][j]
    });
    let learner = DiffusionLearner::new()
        .with_schedule(NoiseLevels::variance_exploding([0.4, 0.15, 0.0]).unwrap())
        .with_regression(PolynomialRegression::default().with_max_degree(1))
        .with_component_std(0.5);
    let model = learner.fit(&rows, &mut StdRng::seed_from_u64(3)).unwrap();
    let points = vec![0.1, 0.2, 2.5, 0.5, 0.5, 2.5, 3.0, -1.0, 2.5];
    let write =
        |end: &str, content: Vec<u8>| fs::write(path(&format!("model-v{VERSION}{end}")), content).unwrap();
    write("-answers.json", serde_json::to_vec_pretty(&Answers::of(&model, points)).unwrap());
    write(".json", serde_json::to_vec(&model).unwrap());
    write(".postcard", postcard::to_stdvec(&model).unwrap());
}
