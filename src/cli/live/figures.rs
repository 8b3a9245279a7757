//! Figures as a person reads them: rates, counts, lengths of time, bytes, and little curves.

use super::exposition::Quantile;
use crate::data::Timestamp;

/// What is not known.
pub const UNKNOWN: &str = "–";

/// A figure, or the sign for what is not known.
pub fn known<T>(value: Option<T>, show: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), show)
}

/// A whole number with separators: `12,345`; from a million on with two digits: `1.2M`.
pub fn count(value: f64) -> String {
    let whole = value.round();
    if whole.abs() >= 1e9 {
        return format!("{:.1}G", value / 1e9);
    }
    if whole.abs() >= 1e6 {
        return format!("{:.1}M", value / 1e6);
    }
    if whole.abs() >= 1e3 {
        return format!("{:.0},{:03.0}", (whole / 1e3).trunc(), whole.abs() % 1e3);
    }
    // Minus zero is nobody's count.
    format!("{:.0}", whole + 0.0)
}

/// A rate: tenths where there are few.
pub fn rate(value: f64) -> String {
    if value == 0.0 || value.abs() >= 9.95 { count(value) } else { format!("{value:.1}") }
}

/// A length of time in its two largest units.
pub fn length(seconds: f64) -> String {
    let whole = |value: f64| value.floor() as i64;
    match seconds {
        s if s < 0.000_5 => "0 s".to_owned(),
        s if s < 0.999_5 => format!("{:.0} ms", s * 1e3),
        s if s < 9.95 => format!("{s:.1} s"),
        s if s < 119.5 => format!("{s:.0} s"),
        s if s < 7_200.0 => format!("{} min", whole(s / 60.0)),
        s if s < 86_400.0 => two(whole(s / 3_600.0), "h", whole(s / 60.0) % 60, "min"),
        s => two(whole(s / 86_400.0), "d", whole(s / 3_600.0) % 24, "h"),
    }
}

fn two(large: i64, of: &str, small: i64, of_small: &str) -> String {
    if small == 0 { format!("{large} {of}") } else { format!("{large} {of} {small} {of_small}") }
}

/// A quantile of times.
pub fn quantile(value: Quantile) -> String {
    let beyond = if value.beyond { "more than " } else { "" };
    format!("{beyond}{}", length(value.seconds))
}

/// Bytes in powers of 1,000.
pub fn bytes(value: f64) -> String {
    match value {
        b if b >= 1e9 => format!("{:.1} GB", b / 1e9),
        b if b >= 1e6 => format!("{:.0} MB", b / 1e6),
        b => format!("{:.0} kB", b / 1e3),
    }
}

/// The date of a point in time, and its time of day where it is not midnight.
pub fn date(at: Timestamp) -> String {
    let text = at.to_string();
    let day: String = text.chars().take(10).collect();
    match text.get(11..16) {
        None | Some("00:00") => day,
        Some(minutes) => format!("{day} {minutes}"),
    }
}

/// Date and time of day to the second.
pub fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} {}", text.get(..10).unwrap_or_default(), text.get(11..19).unwrap_or_default())
}

const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// A curve of the last `columns` values; `top` is as high as it gets, what is higher is shown as high as that. What is not
/// known is a dot.
pub fn curve(values: &[Option<f64>], columns: usize, top: f64) -> String {
    let skipped = values.len().saturating_sub(columns);
    let step = |value: f64| {
        let share = if top > 0.0 { (value / top).clamp(0.0, 1.0) } else { 0.0 };
        let at = (share * STEPS.len() as f64).ceil() as usize;
        STEPS.get(at.saturating_sub(1)).copied().unwrap_or('█')
    };
    values.iter().skip(skipped).map(|value| value.map_or('·', step)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_rates_are_short() {
        assert_eq!([0.0, 999.4, 999.6, 12_045.0, 999_999.0].map(count), ["0", "999", "1,000", "12,045", "999,999"]);
        assert_eq!([count(1_250_000.0), count(3e9)], ["1.2M", "3.0G"]);
        assert_eq!([rate(0.0), rate(0.44), rate(9.96), rate(1234.4)], ["0", "0.4", "10", "1,234"]);
    }

    #[test]
    fn a_length_has_its_largest_units() {
        let lengths = [0.0, 0.06, 0.9996, 2.5, 61.0, 119.6, 3_600.0, 8_000.0, 200_000.0].map(length);
        assert_eq!(lengths, ["0 s", "60 ms", "1.0 s", "2.5 s", "61 s", "1 min", "60 min", "2 h 13 min", "2 d 7 h"]);
        assert_eq!(quantile(Quantile { seconds: 86_400.0, beyond: true }), "more than 1 d");
    }

    #[test]
    fn a_curve_shows_the_last_values_and_where_none_is_known() {
        let values = [Some(0.0), Some(1.0), None, Some(4.0), Some(4.1), Some(8.0), Some(80.0)];
        assert_eq!(curve(&values, 7, 8.0), "▁▁·▄▅██");
        assert_eq!(curve(&values, 2, 8.0), "██");
        assert_eq!(curve(&[], 5, 1.0), "");
    }

    #[test]
    fn a_date_has_a_time_of_day_where_it_is_not_midnight() {
        let day = Timestamp::from_rfc3339("2013-04-12T00:00:00Z").unwrap();
        assert_eq!(date(day), "2013-04-12");
        assert_eq!(date(Timestamp::from_millis(day.millis() + 3_600_000)), "2013-04-12 01:00");
        assert_eq!(moment(day), "2013-04-12 00:00:00");
    }
}
