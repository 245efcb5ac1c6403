//! A learner of one's own parts: a score model, a noise schedule, a partitioner or an estimator of mixtures, and
//! a sampler, each checked as it would be in a test; weighted rows in plain slices; and a fit whose passes run over
//! blocks of rows, as they would on several machines.
//!
//! ```text
//! cargo run --release --example own_parts
//! ```

use std::error::Error;
use std::path::Path;

use gmix_diffusion::check::{
    check_divergence, check_mixture_estimator, check_partitioner, check_sampler, check_schedule,
    check_score_model,
};
use gmix_diffusion::rand::{SeedableRng, rngs::StdRng};
use gmix_diffusion::{
    DataScale, DiffusionLearner, NoiseSchedule, NumericalDivergence, Rows, Sampler, log_density,
};

mod mixture;
mod partitioner;
mod sampler;
mod schedule;
mod score;
#[path = "../support/mod.rs"]
mod support;

use mixture::Quadrants;
use partitioner::FarthestPoints;
use sampler::Ddim;
use schedule::Power;
use score::Corners;
use support::output::print;
use support::plot::plot_fit;

fn main() -> Result<(), Box<dyn Error>> {
    let mut rng = StdRng::seed_from_u64(5);
    let law = Corners { half_side: 2.0, std: 0.7 };
    let scale = DataScale { component_std: law.std, data_std: law.half_side.hypot(law.std) };
    let schedule = Power { n_levels: 30, exponent: 2.0 };
    let partitioner = FarthestPoints { most: 12, lightest: 0.02 };
    let sampler = Ddim { fresh_noise: 0.5 };
    let levels = schedule.levels(scale)?;

    // A sampler and a density need a score, not a learner.
    let rows = sampler.sample(&law, &levels, 4_000, &mut rng)?;
    let with_divergence = NumericalDivergence(&law);
    let by_flow = log_density(&with_divergence, &levels, &rows)?;
    let error = (by_flow - law.log_density(&rows)).amax();
    print(&format!("log-density of the own score by the probability flow: within {error:.3}\n"))?;

    let some = rows.rows(0, 50).into_owned();
    check_score_model(&law, &levels, &some)?;
    check_divergence(&with_divergence, &levels, &some)?;
    check_schedule(&schedule, scale)?;
    check_partitioner(&partitioner, &mut rng)?;
    check_mixture_estimator(&Quadrants, &mut rng)?;
    check_sampler(&sampler, &levels, &mut rng)?;
    print("all parts do what their traits promise\n")?;

    // Rows of a slice; those at the right count three times.
    let slice: Vec<[f64; 2]> = rows.row_iter().map(|row| [row[0], row[1]]).collect();
    let weights: Vec<f64> = slice.iter().map(|row| if row[0] > 0.0 { 3.0 } else { 1.0 }).collect();
    let weighted = Rows::from(&slice[..]).with_weights(&weights)?;

    let learner = DiffusionLearner::new()
        .with_schedule(schedule)
        .with_partitioner(partitioner)
        .with_sampler(sampler)
        .with_component_std(law.std);
    let model = learner.fit(weighted, &mut StdRng::seed_from_u64(6))?;
    print(&model.report().to_string())?;

    // The same by hand: each pass sums over two blocks, in any order and anywhere.
    let mut fit = learner.begin(&mut StdRng::seed_from_u64(6))?;
    let (first, second) = slice.split_at(1_500);
    let (first_weights, second_weights) = weights.split_at(1_500);
    while let Some(pass) = fit.next_pass() {
        let mut sums = pass.accumulate(Rows::from(second).with_weights(second_weights)?, 1_500)?;
        let others = pass.accumulate(Rows::from(first).with_weights(first_weights)?, 0)?;
        pass.merge(&mut sums, others)?;
        fit.absorb(sums)?;
    }
    let by_hand = fit.finish()?;
    let equal = by_hand.log_density(&some)? == model.log_density(&some)?;
    print(&format!("a fit over blocks gives the same model, to the last bit: {equal}\n"))?;

    // Cells in one go instead of level by level: all that changes is who finds them.
    let in_one_go = learner.clone().with_mixture(Quadrants).fit(weighted, &mut StdRng::seed_from_u64(6))?;
    let difference = (in_one_go.log_density(&some)? - model.log_density(&some)?).mean();
    print(&format!(
        "mean log-density with {} quadrants as cells: {difference:+.3}\n",
        in_one_go.centres().nrows()
    ))?;

    let new_rows = model.sample(4_000, &mut rng)?;
    let drawn = new_rows.column(0).iter().filter(|&&x| x > 0.0).count() as f64 / 4_000.0;
    let given = weights.iter().filter(|&&w| w > 1.0).sum::<f64>() / weights.iter().sum::<f64>();
    print(&format!("weight at the right: {given:.3}; of the new rows: {drawn:.3}\n"))?;
    let picture = Path::new("own_parts.svg");
    let density = |_: &[usize], points: &_| model.log_density(points);
    plot_fit(picture, &["x", "y"].map(String::from), &rows, &new_rows, Some(&density))?;
    print(&format!("data before weighting, new rows and learned density: {}\n", picture.display()))?;
    Ok(())
}
