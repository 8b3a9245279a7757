//! The demonstration: a real year of departures through the whole loop, with a comparison at the end.

pub mod flights;
