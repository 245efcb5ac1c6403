use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::*;
use std::time::Instant;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let known = !args.iter().any(|a| a == "--unknown");
    let paper = args.iter().any(|a| a == "--paper");
    let verbose = args.iter().any(|a| a == "-v");
    let num = |key: &str, default: f64| {
        args.iter().find_map(|a| a.strip_prefix(key)).map_or(default, |s| s.parse().unwrap())
    };
    let seeds = num("--seeds=", 1.0) as u64;
    let n = num("--n=", 10_000.0) as usize;
    let names: Vec<&String> = args[1..].iter().filter(|a| !a.starts_with('-')).collect();
    for (name, law) in reference::targets::all() {
        if !names.is_empty() && !names.iter().any(|x| *x == name) {
            continue;
        }
        let s0 = law.component_std();
        let (mut tvs, mut time, mut dtime, mut stime) = (vec![], 0.0, 0.0, 0.0);
        for seed in 0..seeds {
            let mut rng = StdRng::seed_from_u64(1000 + seed);
            let rows = law.draw(n, &mut rng);
            let learner = if paper {
                DiffusionLearner::paper()
            } else if args.iter().any(|a| a == "--plain") {
                DiffusionLearner::new().with_partitioner(VoronoiPartitioner::soft())
            } else {
                DiffusionLearner::new()
            };
            let learner = if known { learner.with_component_std(s0) } else { learner };
            let t = Instant::now();
            let model = learner.fit(&rows, &mut rng).unwrap();
            time += t.elapsed().as_secs_f64();
            if verbose {
                println!("{}", model.report());
            }
            let test = law.draw(20_000, &mut rng);
            let t = Instant::now();
            let q = model.log_density(&test).unwrap();
            dtime += t.elapsed().as_secs_f64();
            let t = Instant::now();
            let drawn = model.sample(20_000, &mut rng).unwrap();
            stime += t.elapsed().as_secs_f64();
            let p = law.log_density(NoiseLevel::CLEAN, &test).unwrap();
            let tv = metrics::total_variation(p.as_slice(), q.as_slice()).unwrap().value;
            let dq = model.log_density(&drawn).unwrap();
            let dp = law.log_density(NoiseLevel::CLEAN, &drawn).unwrap();
            let tv2 = metrics::total_variation(dq.as_slice(), dp.as_slice()).unwrap().value;
            tvs.push(tv);
            println!(
                "  {name} seed {seed}: TV {tv:.4} drawn {tv2:.4} sigma {:.3} k {}",
                model.report().component_std,
                model.centres().nrows()
            );
        }
        let m = tvs.iter().sum::<f64>() / seeds as f64;
        let k = seeds as f64;
        println!(
            "{name}: mean TV {m:.4} fit {:.2}s density {:.2}s sample {:.2}s",
            time / k,
            dtime / k,
            stime / k
        );
    }
}
