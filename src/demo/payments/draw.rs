//! Random draws of a named purpose.
//!
//! Every purpose and number has a stream of its own, made from the seed alone: another day or another customer more leaves
//! all the others as they were. Uses `libm` only, so a seed gives the same payments on every machine.

use crate::stats::SplitMix64;

/// What a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A customer, by number.
    Customer = 1,
    /// A terminal, by number.
    Terminal = 2,
    /// The payments of a day.
    Payments = 3,
    /// Who is compromised on a day.
    Compromised = 4,
}

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(super) struct Draw {
    rng: SplitMix64,
    /// Normal numbers come in pairs; the second one waits here.
    second: Option<f64>,
}

impl Draw {
    /// The stream of a purpose and a number under a seed.
    pub fn new(seed: u64, purpose: Purpose, number: u64) -> Self {
        let scrambled = |seed: u64| SplitMix64::new(seed).next_u64();
        let rng = SplitMix64::new(scrambled(scrambled(scrambled(seed) ^ purpose as u64) ^ number));
        Draw { rng, second: None }
    }

    /// A number in [`from`, `to`).
    pub fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * self.rng.unit()
    }

    /// A whole number below `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound as u64) as usize
    }

    /// A normal number (Box and Muller 1958, "A Note on the Generation of Random Normal Deviates").
    pub fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let standard = self.second.take().unwrap_or_else(|| {
            // 1 - unit lies in (0, 1]: its logarithm is finite.
            let radius = (-2.0 * libm::log(1.0 - self.rng.unit())).sqrt();
            let (sine, cosine) = libm::sincos(2.0 * std::f64::consts::PI * self.rng.unit());
            self.second = Some(radius * sine);
            radius * cosine
        });
        mean + deviation * standard
    }

    /// A Poisson number, by multiplying until the product is too small (Knuth 1969, "Seminumerical Algorithms", 3.4.1);
    /// takes about `mean` steps, so for small means.
    pub fn poisson(&mut self, mean: f64) -> u32 {
        let limit = libm::exp(-mean);
        let mut product = self.rng.unit();
        let mut count = 0;
        while product > limit {
            count += 1;
            product *= self.rng.unit();
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Sample {
        mean: f64,
        variance: f64,
    }

    fn sample(n: u32, mut draw: impl FnMut() -> f64) -> Sample {
        let values: Vec<f64> = (0..n).map(|_| draw()).collect();
        let mean = values.iter().sum::<f64>() / f64::from(n);
        let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / f64::from(n - 1);
        Sample { mean, variance }
    }

    /// Tolerances are four standard errors of 100,000 draws.
    #[test]
    fn draws_have_the_moments_of_their_distributions() {
        let mut draw = Draw::new(1, Purpose::Payments, 0);
        let normal = sample(100_000, || draw.normal(10.0, 3.0));
        assert!((normal.mean - 10.0).abs() < 0.038 && (normal.variance - 9.0).abs() < 0.17);
        let poisson = sample(100_000, || f64::from(draw.poisson(2.5)));
        assert!((poisson.mean - 2.5).abs() < 0.02 && (poisson.variance - 2.5).abs() < 0.05);
        let uniform = sample(100_000, || draw.between(5.0, 100.0));
        assert!((uniform.mean - 52.5).abs() < 0.35 && (uniform.variance - 95.0 * 95.0 / 12.0).abs() < 9.0);
        assert_eq!((draw.poisson(0.0), draw.below(1)), (0, 0));
    }

    #[test]
    fn streams_differ_by_seed_purpose_and_number() {
        let first = |seed, purpose, number| Draw::new(seed, purpose, number).between(0.0, 1.0);
        let one = first(1, Purpose::Customer, 7);
        assert_eq!(one, first(1, Purpose::Customer, 7));
        for other in [first(2, Purpose::Customer, 7), first(1, Purpose::Terminal, 7), first(1, Purpose::Customer, 8)] {
            assert_ne!(one, other);
        }
    }
}
