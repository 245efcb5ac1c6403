use gmix_diffusion::nalgebra::{DMatrix, DVector};
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::rand_distr::Distribution;
use gmix_diffusion::*;
use std::time::Instant;
fn law(name: &str) -> (Box<dyn LogDensity>, GaussianMixture, f64) {
    let text = std::fs::read_to_string("/work/shared/data/targets/targets.json").unwrap();
    let v: serde_json::Value = serde_json::from_str(&text).unwrap();
    let t = &v[name];
    let d = t["dim"].as_u64().unwrap() as usize;
    let s0 = t["component_std"].as_f64().unwrap();
    let f = |x: &serde_json::Value| x.as_f64().unwrap();
    let g = if name == "ring2d" {
        let k = 400;
        let means = DMatrix::from_fn(k, 2, |i, j| {
            let a = std::f64::consts::TAU * i as f64 / k as f64;
            3.0 * if j == 0 { a.cos() } else { a.sin() }
        });
        GaussianMixture::spherical(DVector::from_element(k, 1.0), means, s0).unwrap()
    } else {
        let w: Vec<f64> = t["weights"].as_array().unwrap().iter().map(f).collect();
        let k = w.len();
        let means = DMatrix::from_fn(k, d, |i, j| f(&t["means"][i][j]));
        let cov = (0..k).map(|i| DMatrix::from_fn(d, d, |a, b| f(&t["covariances"][i][a][b]))).collect();
        GaussianMixture::new(DVector::from_vec(w), means, cov).unwrap()
    };
    (Box::new(g.clone()), g, s0)
}
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let known = !args.iter().any(|a| a == "--unknown");
    let paper = args.iter().any(|a| a == "--paper");
    let verbose = args.iter().any(|a| a == "-v");
    let seeds: u64 = args.iter().find_map(|a| a.strip_prefix("--seeds=")).map_or(1, |s| s.parse().unwrap());
    for name in args[1..].iter().filter(|a| !a.starts_with('-')) {
        let (truth, gen_, s0) = law(name);
        let mut tvs = vec![];
        let mut time = 0.0;
        for seed in 0..seeds {
            let mut rng = StdRng::seed_from_u64(1000 + seed);
            let n = 10_000;
            let draw = |n: usize, rng: &mut StdRng| {
                let r: Vec<DVector<f64>> = (0..n).map(|_| gen_.sample(rng)).collect();
                DMatrix::from_fn(n, r[0].len(), |i, j| r[i][j])
            };
            let rows = draw(n, &mut rng);
            let learner = if paper { DiffusionLearner::paper() } else { DiffusionLearner::new() };
            let learner = if known { learner.with_component_std(s0) } else { learner };
            let t = Instant::now();
            let model = learner.fit(&rows, &mut rng).unwrap();
            time += t.elapsed().as_secs_f64();
            if verbose {
                println!("{}", model.report());
            }
            let test = draw(20_000, &mut rng);
            let t = Instant::now();
            let q = model.log_density(&test).unwrap();
            let dt = t.elapsed().as_secs_f64();
            let p = truth.log_density(NoiseLevel::CLEAN, &test).unwrap();
            let tv = metrics::total_variation(p.as_slice(), q.as_slice()).unwrap().value;
            tvs.push(tv);
            println!(
                "{name} seed {seed}: TV {tv:.4} fit {:.2}s density {dt:.2}s passes {} sigma {:.3}",
                time / (seed + 1) as f64,
                model.report().passes,
                model.report().component_std
            );
        }
        println!(
            "{name}: mean TV {:.4} fit {:.2}s",
            tvs.iter().sum::<f64>() / seeds as f64,
            time / seeds as f64
        );
    }
}
