//! The benchmark laws, by name.
//!
//! Seven laws of rising difficulty for a mixture model: Gaussian mixtures first, then centres on a
//! ring, on a sphere in few of many directions, and in balls.
//!
//! | name | law | d | σ₀ |
//! |---|---|---|---|
//! | `gmm1d_k2` | two Gaussians, masses .3 and .7 at ∓2 | 1 | 1 |
//! | `gmm2d_k3` | three Gaussians on a triangle | 2 | 1 |
//! | `gmm10d_k5` | five spherical Gaussians | 10 | 1 |
//! | `gmm5d_k3_gencov` | three Gaussians of different full covariances | 5 | 0.52 |
//! | `ring2d` | centre uniform on the circle of radius 3 | 2 | 0.3 |
//! | `sphere10d` | centre uniform on the 2-sphere of radius 3 in the first three coordinates | 10 | 0.5 |
//! | `balls5d` | centre uniform in one of three balls of radius 1 at 4e₁, 4e₂, 4e₃, masses .5, .3, .2 | 5 | 0.5 |
//!
//! # Examples
//! ```
//! use gmix_diffusion::rand::SeedableRng;
//! use gmix_diffusion::reference::targets;
//! use rand_xoshiro::Xoshiro256PlusPlus;
//!
//! let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
//! for (name, law) in targets::all() {
//!     let rows = law.draw(10, &mut rng);
//!     assert_eq!(rows.ncols(), law.dim(), "{name}");
//! }
//! ```

use nalgebra::{DMatrix, DVector};

use super::GaussianMixture;
use super::ball::Ball;
use super::law::Law;
use super::mixture::MixtureOfLaws;
use super::sphere::Sphere;

/// All targets in the order of the table above, each with its name.
///
/// # Examples
/// ```
/// use gmix_diffusion::reference::targets;
///
/// let names: Vec<&str> = targets::all().into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names[4..], ["ring2d", "sphere10d", "balls5d"]);
/// ```
pub fn all() -> Vec<(&'static str, Box<dyn Law>)> {
    vec![
        ("gmm1d_k2", Box::new(gmm1d_k2())),
        ("gmm2d_k3", Box::new(gmm2d_k3())),
        ("gmm10d_k5", Box::new(gmm10d_k5())),
        ("gmm5d_k3_gencov", Box::new(gmm5d_k3_gencov())),
        ("ring2d", Box::new(ring2d())),
        ("sphere10d", Box::new(sphere10d())),
        ("balls5d", Box::new(balls5d())),
    ]
}

/// Two unit Gaussians on the line, masses 0.3 and 0.7 at −2 and 2.
pub fn gmm1d_k2() -> GaussianMixture {
    #[rustfmt::skip]
    let means = [
        -2.0,
        2.0,
    ];
    unit_gaussians(&[0.3, 0.7], 1, &means)
}

/// Three unit Gaussians in the plane, masses 0.5, 0.3, 0.2 at the corners of a triangle.
pub fn gmm2d_k3() -> GaussianMixture {
    #[rustfmt::skip]
    let means = [
        0.0, 3.0,
        -2.6, -1.5,
        2.6, -1.5,
    ];
    unit_gaussians(&[0.5, 0.3, 0.2], 2, &means)
}

/// Five unit Gaussians in R¹⁰ whose means lie 4.0 to 8.0 apart.
pub fn gmm10d_k5() -> GaussianMixture {
    #[rustfmt::skip]
    let means = [
        0.5183762880971791, 1.2324272152517375, 0.4956556142750807, -1.9547358474065413, 1.3580338000096766, 0.6695618585460169, -0.8054298530404278, 0.8716771562945297, 0.5468585942791135, 0.441198744983289,
        0.04263336197369518, 0.8200694799186704, -1.1046811305025004, -0.24436492198957915, -0.7231789690199674, 0.8982693189519413, 0.05958316122248848, -0.4386851264476329, -1.172862693535263, -0.38578836092830604,
        0.012213270777515262, -0.4134043579490556, 1.941095721597311, 1.5100864729586916, -4.0667437184489525, -2.833519868951509, -0.2621581380827429, -0.6332856173645304, 0.3204644962479166, 0.3259828965338454,
        3.1767581325765724, -1.6680311440384221, -0.5664075106904971, 3.0641574112384955, 0.9700544943027704, 0.9945950585643926, -0.7710095575311944, -2.472112756283479, 0.2511971163341117, 0.1635211317323213,
        -1.8410280813668614, -1.0248399926708434, -0.10806551959084115, -1.4171274345911662, -0.1474049517783259, 0.1432245412041815, 0.053379355583228566, -0.7594374874714722, 0.8906221076787342, 1.3367504314234926,
    ];
    unit_gaussians(&[0.3, 0.25, 0.2, 0.15, 0.1], 10, &means)
}

/// Three Gaussians in R⁵ whose covariances differ in shape and orientation.
pub fn gmm5d_k3_gencov() -> GaussianMixture {
    #[rustfmt::skip]
    let means = [
        3.0613786820777737, -3.8334975469712727, 0.6271482700886682, -0.8516544091918947, -0.6789739381656688,
        -0.3233957446346488, -3.0299791937208767, -0.3478985664662842, -1.2978196144124126, 4.984499274967324,
        0.3386799198418826, -0.5289461915123931, -0.4219311272270256, -1.0020695191634252, -1.582725826807682,
    ];
    // Lower triangles, row by row.
    #[rustfmt::skip]
    let covariances = [
        [
            1.7960689919463948,
            -0.013821572735073152, 0.7430719948588284,
            0.4839221103195766, -0.06458528369486664, 1.0988349869423781,
            0.2510518287107185, 0.015678272056526724, 0.09585185726602893, 1.046576675912228,
            0.23216810806814675, 0.0463155728131779, -0.11107064285865473, -0.011541838232721187, 0.6768806965072084,
        ],
        [
            1.2886601105428477,
            -0.5303040061546402, 0.8505769180978162,
            -0.44023563225712936, 0.22459222008749155, 1.1119215235393873,
            0.11466924539101749, 0.3665088973862722, -0.11558302769607803, 1.7646825213612838,
            0.13323688524078206, -0.3658061986685128, 0.5175214790645111, 0.15634070269379888, 1.4893499640818866,
        ],
        [
            0.9819801785160088,
            0.37782634822845423, 1.1158580975343109,
            0.22071960571601595, -0.042080707123038, 0.5754822782486868,
            0.22380927907611484, 0.4179225875650129, 0.01725591469444702, 1.0731553434318988,
            -0.10658970422656802, -0.10282427532786155, -0.03671846238784764, -0.2261553292559079, 1.2643564104503546,
        ],
    ];
    let covariances = covariances.map(|triangle: [f64; 15]| {
        DMatrix::from_fn(5, 5, |i, j| {
            let (row, column) = (i.max(j), i.min(j));
            triangle[row * (row + 1) / 2 + column]
        })
    });
    let weights = DVector::from_row_slice(&[0.4, 0.35, 0.25]);
    GaussianMixture::new(weights, DMatrix::from_row_slice(3, 5, &means), covariances.to_vec())
        .expect("the constants are valid")
}

/// Three clusters in the plane, each ten times longer than wide, in different directions; masses 0.4, 0.3
/// and 0.3. Not among [`all`]: a law on which starts from k-means mislead EM.
pub fn stretched2d_k3() -> GaussianMixture {
    let stretched = |angle: f64| {
        let (sin, cos) = angle.sin_cos();
        let (along, across) = (DVector::from_vec(vec![cos, sin]), DVector::from_vec(vec![-sin, cos]));
        &along * along.transpose() * 9.0 + &across * across.transpose() * 0.09
    };
    let means = DMatrix::from_row_slice(3, 2, &[0.0, 0.0, 4.0, 4.0, -4.0, 4.0]);
    let covariances = [0.0, 1.2, 2.2].map(stretched).to_vec();
    GaussianMixture::new(DVector::from_row_slice(&[0.4, 0.3, 0.3]), means, covariances)
        .expect("the constants are valid")
}

/// Centre uniform on the circle of radius 3 in the plane, σ₀ = 0.3.
pub fn ring2d() -> Sphere {
    Sphere::circle(3.0, 2, 0.3).expect("the constants are valid")
}

/// Centre uniform on the 2-sphere of radius 3 in the first three coordinates of R¹⁰, σ₀ = 0.5.
pub fn sphere10d() -> Sphere {
    Sphere::new(3.0, 3, 10, 0.5).expect("the constants are valid")
}

/// Centre uniform in one of three unit balls of R⁵ at 4e₁, 4e₂, 4e₃, masses 0.5, 0.3, 0.2, σ₀ = 0.5.
pub fn balls5d() -> MixtureOfLaws {
    let ball = |axis: usize| {
        let centre = DVector::from_fn(5, |i, _| if i == axis { 4.0 } else { 0.0 });
        Ball::new(centre, 1.0, 0.5).expect("the constants are valid")
    };
    let parts: Vec<(f64, Box<dyn Law>)> =
        vec![(0.5, Box::new(ball(0))), (0.3, Box::new(ball(1))), (0.2, Box::new(ball(2)))];
    MixtureOfLaws::new(parts).expect("the constants are valid")
}

/// Spherical components of standard deviation 1 at `means`, row by row.
fn unit_gaussians(weights: &[f64], dim: usize, means: &[f64]) -> GaussianMixture {
    let means = DMatrix::from_row_slice(weights.len(), dim, means);
    GaussianMixture::spherical(DVector::from_row_slice(weights), means, 1.0).expect("the constants are valid")
}
