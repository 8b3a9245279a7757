//! Who pays and where: customers and terminals on a square map, and which terminals lie within a customer's reach.
//!
//! Drawn once, from the seed. A customer who has no terminal within reach never pays, as in the description.

use super::draw::{Draw, Purpose};
use super::{PaymentsError, PaymentsParams};

/// Side of the map; the radius is in the same unit.
const SIDE: f64 = 100.0;
/// Mean amounts of customers are even in this range.
const MEAN_AMOUNT: std::ops::Range<f64> = 5.0..100.0;
/// Mean payments a day are even in this range.
const PER_DAY: std::ops::Range<f64> = 0.0..4.0;
/// Most cells along one side of the index of terminals.
const MOST_CELLS: f64 = 1_000.0;

/// A customer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Customer {
    /// Mean of the amounts; their deviation is half of it.
    pub mean_amount: f64,
    /// Mean number of payments a day.
    pub per_day: f64,
    /// Numbers of the terminals within reach.
    pub terminals: Box<[u32]>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    x: f64,
    y: f64,
}

/// Terminals by the cell of the map they stand in; a cell is at least as wide as the radius.
struct Map {
    cells: Vec<Vec<u32>>,
    /// Cells along one side.
    side: usize,
    places: Vec<Place>,
}

/// All customers, by number.
pub(super) fn customers(params: &PaymentsParams) -> Result<Vec<Customer>, PaymentsError> {
    let customers = u32::try_from(params.customers).map_err(|_| PaymentsError::TooMany(params.customers))?;
    let terminals = u32::try_from(params.terminals).map_err(|_| PaymentsError::TooMany(params.terminals))?;
    let map = Map::new(params.radius, (0..terminals).map(|number| place(&mut draw(params, Purpose::Terminal, number))));
    Ok((0..customers).map(|number| customer(&mut draw(params, Purpose::Customer, number), params, &map)).collect())
}

fn draw(params: &PaymentsParams, purpose: Purpose, number: u32) -> Draw {
    Draw::new(params.seed, purpose, u64::from(number))
}

fn place(draw: &mut Draw) -> Place {
    Place { x: draw.between(0.0, SIDE), y: draw.between(0.0, SIDE) }
}

fn customer(draw: &mut Draw, params: &PaymentsParams, map: &Map) -> Customer {
    let place = place(draw);
    let mean_amount = draw.between(MEAN_AMOUNT.start, MEAN_AMOUNT.end);
    let per_day = draw.between(PER_DAY.start, PER_DAY.end);
    Customer { mean_amount, per_day, terminals: map.within(place, params.radius) }
}

impl Map {
    fn new(radius: f64, places: impl Iterator<Item = Place>) -> Self {
        let side = (SIDE / radius).clamp(1.0, MOST_CELLS) as usize;
        let mut map = Map { cells: vec![Vec::new(); side * side], side, places: places.collect() };
        for (number, place) in (0_u32..).zip(&map.places) {
            let cell = map.cell(place.y) * side + map.cell(place.x);
            map.cells[cell].push(number);
        }
        map
    }

    /// The row or column of cells a coordinate lies in.
    fn cell(&self, coordinate: f64) -> usize {
        ((coordinate / SIDE * self.side as f64) as usize).min(self.side - 1)
    }

    /// Terminals nearer than `radius`, in the order of their numbers.
    fn within(&self, from: Place, radius: f64) -> Box<[u32]> {
        let (row, column) = (self.cell(from.y), self.cell(from.x));
        let around = |cell: usize| cell.saturating_sub(1)..(cell + 2).min(self.side);
        let mut found = Vec::new();
        for row in around(row) {
            for column in around(column) {
                found.extend(self.cells[row * self.side + column].iter().copied().filter(|terminal| {
                    let Place { x, y } = self.places[*terminal as usize];
                    let (right, up) = (x - from.x, y - from.y);
                    right * right + up * up < radius * radius
                }));
            }
        }
        found.sort_unstable();
        found.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_finds_what_looking_at_every_terminal_finds() {
        for radius in [0.05, 5.0, 33.4, 500.0] {
            let terminals = (0..500).map(|number| place(&mut Draw::new(3, Purpose::Terminal, number)));
            let map = Map::new(radius, terminals);
            for number in 0..50 {
                let from = place(&mut Draw::new(3, Purpose::Customer, number));
                let near = |place: &Place| {
                    let (right, up) = (place.x - from.x, place.y - from.y);
                    right * right + up * up < radius * radius
                };
                let all = (0_u32..).zip(&map.places).filter(|(_, place)| near(place)).map(|(number, _)| number);
                assert_eq!(map.within(from, radius), all.collect());
            }
        }
    }
}
