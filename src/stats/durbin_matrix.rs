//! The exact law of the one-sample Kolmogorov distance, by powers of a matrix.
//!
//! Serves `kolmogorov` where neither the tail sum nor the expansion is accurate: small samples, and small distances of
//! larger ones. Numbers are kept in range by a power of ten beside the matrix.

/// P(D_n <= d) by Durbin's matrix in the form of Marsaglia, Tsang and Wang 2003, "Evaluating Kolmogorov's Distribution"
/// (J. Statistical Software 8(18)). With k = ceil(n d) the cost is of order k^3 log n.
pub(super) fn matrix_body(d: f64, n: u64) -> f64 {
    let size = n as f64;
    let k = libm::ceil(size * d) as usize;
    let h = k as f64 - size * d;
    let order = 2 * k - 1;
    let step = Scaled::durbin(order, h);
    let power = step.power(n);
    let mut body = power.middle();
    let mut exponent = power.exponent;
    // multiply by n! / n^n one factor at a time, keeping the number in range
    for j in 1..=n {
        body *= j as f64 / size;
        if body < 1e-140 {
            body *= 1e140;
            exponent -= 140;
        }
    }
    body * libm::exp10(f64::from(exponent))
}

/// A square matrix times a power of ten.
struct Scaled {
    order: usize,
    cells: Vec<f64>,
    exponent: i32,
}

impl Scaled {
    /// The matrix H of Marsaglia et al., section 2: ones on and below the first superdiagonal, the corners corrected by
    /// powers of h, everything divided by the factorial of its distance from that diagonal.
    #[expect(clippy::indexing_slicing, reason = "rows and columns are below the order, and there are order^2 cells")]
    fn durbin(order: usize, h: f64) -> Self {
        let mut cells = vec![0.0; order * order];
        for row in 0..order {
            for column in 0..order.min(row + 2) {
                cells[row * order + column] = 1.0;
            }
        }
        let mut power = 1.0;
        for i in 0..order {
            power *= h;
            cells[i * order] -= power;
            cells[(order - 1) * order + (order - 1 - i)] -= power;
        }
        let corner = 2.0 * h - 1.0;
        if corner > 0.0 {
            cells[(order - 1) * order] += (0..order).fold(1.0, |power, _| power * corner);
        }
        for row in 0..order {
            for column in 0..order.min(row + 2) {
                for divisor in 2..=(row + 1 - column) {
                    cells[row * order + column] /= divisor as f64;
                }
            }
        }
        Self { order, cells, exponent: 0 }
    }

    /// The cell in the middle, which holds the probability of having stayed near.
    fn middle(&self) -> f64 {
        self.cells.get(self.cells.len() / 2).copied().unwrap_or(0.0)
    }

    fn times(&self, other: &Self) -> Self {
        let order = self.order;
        let mut cells = vec![0.0; order * order];
        for (out, left_row) in cells.chunks_exact_mut(order).zip(self.cells.chunks_exact(order)) {
            for (&left, right) in left_row.iter().zip(other.cells.chunks_exact(order)) {
                for (cell, &factor) in out.iter_mut().zip(right) {
                    *cell += left * factor;
                }
            }
        }
        let mut product = Self { order, cells, exponent: self.exponent + other.exponent };
        if product.middle() > 1e140 {
            product.cells.iter_mut().for_each(|cell| *cell *= 1e-140);
            product.exponent += 140;
        }
        product
    }

    fn power(&self, n: u64) -> Self {
        let mut result = Self { order: self.order, cells: self.cells.clone(), exponent: 0 };
        let highest_bit = n.ilog2();
        for bit in (0..highest_bit).rev() {
            result = result.times(&result);
            if n >> bit & 1 == 1 {
                result = result.times(self);
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn example_of_the_paper_agrees_with_scipy() {
        // their example K(10, 0.274); oracle: scipy 1.17.1, `stats.kstwo.cdf`
        assert!((matrix_body(0.274, 10) - 0.628_479_615_456_504_3).abs() < 1e-12);
    }

    #[test]
    fn single_value_is_uniform() {
        // D_1 = max(u, 1 - u), so P(D_1 <= d) = 2 d - 1
        assert!((matrix_body(0.75, 1) - 0.5).abs() < 1e-15);
    }
}
