//! Properties that all shipped schedules share.

use super::*;
use crate::error::Error;

const SCALES: [DataScale; 4] = [
    DataScale { component_std: 0.0, data_std: 1.0 },
    DataScale { component_std: 0.3, data_std: 2.5 },
    DataScale { component_std: 1.0, data_std: 1.0 },
    DataScale { component_std: 2e-5, data_std: 1e-3 },
];

fn shipped() -> Vec<Box<dyn NoiseSchedule>> {
    vec![
        Box::new(Geometric::new()),
        Box::new(VarianceExploding::new()),
        Box::new(LinearBeta::new()),
        Box::new(CosineBeta::new()),
        Box::new(Karras::new()),
        Box::new(OrnsteinUhlenbeck::new()),
    ]
}

#[test]
fn variance_preserving_levels_keep_the_variance_of_data_of_any_scale() {
    for scale in SCALES {
        let schedules: [&dyn NoiseSchedule; 3] =
            [&LinearBeta::new(), &CosineBeta::new(), &OrnsteinUhlenbeck::new()];
        for schedule in schedules {
            for level in schedule.levels(scale).unwrap().iter() {
                let variance = level.signal().powi(2) + (level.noise() / scale.data_std).powi(2);
                assert!((variance - 1.0).abs() < 1e-12, "{schedule:?}");
            }
        }
    }
}

#[test]
fn geometric_steps_are_equal_in_log_bandwidth_and_no_coarser_than_asked() {
    for scale in SCALES {
        for ratio in [0.5, 0.85, 0.95] {
            let levels = Geometric::new().with_ratio(ratio).levels(scale).unwrap();
            let ratios: Vec<f64> = levels
                .windows(2)
                .map(|pair| pair[1].bandwidth(scale.component_std) / pair[0].bandwidth(scale.component_std))
                .collect();
            for found in &ratios {
                assert!(*found >= ratio - 1e-9 && (found - ratios[0]).abs() < 1e-9);
            }
            let last = levels.quietest().noise();
            assert_eq!(last, if scale.component_std > 0.0 { 0.0 } else { 0.01 * scale.data_std });
        }
    }
}

#[test]
fn ddpm_levels_are_the_published_ones() {
    // Products of (1 − β) accumulated directly, β from 1e-4 to 0.02.
    let mut alpha_bar = 1.0;
    let levels = LinearBeta::new().levels(SCALES[0]).unwrap();
    for step in 0..1000 {
        alpha_bar *= 1.0 - (1e-4 + (0.02 - 1e-4) * step as f64 / 999.0);
        assert!((levels[999 - step].signal().powi(2) - alpha_bar).abs() < 1e-12);
    }
    // The cosine's ᾱ has a closed form wherever β is not clipped.
    let levels = CosineBeta::new().levels(SCALES[0]).unwrap();
    let f = |u: f64| ((u + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
    for step in 1..999 {
        let expected = f(step as f64 / 1000.0) / f(0.0);
        assert!((levels[1000 - step].signal().powi(2) - expected).abs() < 1e-12);
    }
}

#[test]
fn ornstein_uhlenbeck_steps_obey_the_rule_of_the_theorem() {
    for scale in SCALES {
        for step in [0.05, 0.5] {
            let levels = OrnsteinUhlenbeck::new().with_time(5.0).with_step(step).levels(scale).unwrap();
            let blur = 0.5 * (scale.component_std / scale.data_std).powi(2).ln_1p();
            // The first level is at the time asked for: X has shrunk by e^−T.
            assert!((levels.noisiest().signal().ln() + 5.0).abs() < 1e-9);
            for pair in levels.windows(2) {
                let time = |level: NoiseLevel| -level.signal().ln() + blur;
                let allowed = step * time(pair[1]).min(1.0);
                assert!(time(pair[0]) - time(pair[1]) <= allowed * (1.0 + 1e-9) + 1e-14);
            }
        }
    }
}

#[test]
fn impossible_settings_are_errors_that_name_the_setting() {
    let schedules: Vec<Box<dyn NoiseSchedule>> = vec![
        Box::new(Geometric::new().with_ratio(1.0)),
        Box::new(Geometric::new().with_ratio(f64::NAN)),
        Box::new(Geometric::new().with_noisiest(-1.0)),
        Box::new(Geometric::new().with_noisiest(f64::INFINITY)),
        Box::new(Geometric::new().with_quietest(0.0)),
        Box::new(Geometric::new().with_quietest(5.0)),
        Box::new(Geometric::new().with_noisiest(5.0).with_quietest(5.0)),
        Box::new(VarianceExploding::new().with_quietest(0.0)),
        Box::new(VarianceExploding::new().with_levels(1)),
        Box::new(LinearBeta::new().with_steps(0)),
        Box::new(LinearBeta::new().with_steps(20)),
        Box::new(LinearBeta::new().with_betas(0.5, 0.1)),
        Box::new(LinearBeta::new().with_betas(0.5, f64::NAN)),
        Box::new(CosineBeta::new().with_offset(-0.1)),
        Box::new(CosineBeta::new().with_steps(usize::MAX)),
        Box::new(Karras::new().with_rho(0.0)),
        Box::new(OrnsteinUhlenbeck::new().with_step(0.0)),
        Box::new(OrnsteinUhlenbeck::new().with_time(f64::INFINITY)),
    ];
    for schedule in schedules {
        let error = schedule.levels(SCALES[0]).unwrap_err();
        assert!(matches!(error, Error::InvalidSetting { .. }), "{schedule:?}: {error}");
    }
    let descending = VarianceExploding::new().with_quietest(9.0).levels(SCALES[0]);
    assert!(matches!(descending, Err(Error::LevelsNotDecreasing { .. })));
}

#[test]
fn impossible_scales_are_errors_for_every_schedule() {
    for schedule in shipped() {
        for (component_std, data_std) in [(0.1, 0.0), (0.1, f64::NAN), (-0.1, 1.0), (f64::INFINITY, 1.0)] {
            assert!(schedule.levels(DataScale { component_std, data_std }).is_err(), "{schedule:?}");
        }
    }
}

#[test]
fn extreme_scales_give_short_valid_lists() {
    for (component_std, data_std) in [(1e-300, 1.0), (1e6, 1.0), (0.0, 1e100), (0.0, 1e-100), (1e-12, 1e12)] {
        for schedule in shipped() {
            let levels = schedule.levels(DataScale { component_std, data_std }).unwrap();
            assert!(levels.len() < 10_000, "{schedule:?}: {}", levels.len());
        }
    }
}

#[test]
fn a_setting_is_kept_and_changes_no_other() {
    let lengths = |schedule: &dyn NoiseSchedule| schedule.levels(SCALES[0]).unwrap().len();
    assert_eq!(lengths(&Karras::new().with_levels(7)), 7);
    assert_eq!(lengths(&VarianceExploding::new().with_levels(7)), 7);
    assert_eq!(lengths(&CosineBeta::new().with_steps(70)), 70);
    assert_eq!(lengths(&LinearBeta::new().with_steps(70)), 70);
    let ends = |schedule: &dyn NoiseSchedule| {
        let levels = schedule.levels(SCALES[0]).unwrap();
        (levels.noisiest().noise(), levels.quietest().noise())
    };
    let close = |(a, b): (f64, f64)| (a - 9.0).abs() < 1e-9 && (b - 0.25).abs() < 1e-9;
    assert!(close(ends(&Geometric::new().with_noisiest(9.0).with_quietest(0.25).with_ratio(0.5))));
    assert!(close(ends(&Karras::new().with_rho(3.0).with_levels(5).with_noisiest(9.0).with_quietest(0.25))));
    assert!(close(ends(&VarianceExploding::new().with_levels(5).with_noisiest(9.0).with_quietest(0.25))));
}
