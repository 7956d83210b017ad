//! Sizes and ages as Docker prints them (`go-units`).

use std::time::Duration;

/// A size in decimal units with three significant digits: `5.61MB`.
pub fn human_size(bytes: u64) -> String {
    size_with(bytes, 3)
}

/// A size with four significant digits, as Docker shows progress: `880.4MB`.
pub fn exact_size(bytes: u64) -> String {
    size_with(bytes, 4)
}

fn size_with(bytes: u64, digits: usize) -> String {
    const UNITS: [&str; 9] = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    #[expect(clippy::cast_precision_loss, reason = "a few digits are printed")]
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1000.0 && unit + 1 < UNITS.len() {
        size /= 1000.0;
        unit += 1;
    }
    format!("{}{}", general(size, digits), UNITS[unit])
}

/// C's and Go's `%.3g` (for three digits) of a number that is not negative. It turns to an exponent at 999.5 already
/// (`1e+03`): scripts that compare with Docker's column see the same text.
fn general(number: f64, digits: usize) -> String {
    let scientific = format!("{number:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    match usize::try_from(exponent) {
        Ok(places) if places < digits => trim_zeros(&format!("{number:.*}", digits - 1 - places)).to_owned(),
        Ok(places) => format!("{}e+{places:02}", trim_zeros(mantissa)),
        Err(_) => trim_zeros(&format!("{number:.4}")).to_owned(),
    }
}

fn trim_zeros(number: &str) -> &str {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// How long something took or ago it was, in words.
pub fn human_duration(age: Duration) -> String {
    let seconds = age.as_secs();
    let minutes = seconds / 60;
    // Hours are rounded, every other unit is cut.
    let hours = (seconds + 30 * 60) / 3600;
    match seconds {
        0 => return "Less than a second".to_owned(),
        1 => return "1 second".to_owned(),
        2..60 => return format!("{seconds} seconds"),
        _ => {}
    }
    match minutes {
        1 => return "About a minute".to_owned(),
        2..60 => return format!("{minutes} minutes"),
        _ => {}
    }
    match hours {
        ..=1 => "About an hour".to_owned(),
        2..48 => format!("{hours} hours"),
        48..336 => format!("{} days", hours / 24),
        336..1440 => format!("{} weeks", hours / 24 / 7),
        1440..17520 => format!("{} months", hours / 24 / 30),
        _ => format!("{} years", seconds / 3600 / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s31_sizes_have_three_digits_and_decimal_units() {
        for (bytes, expected) in [
            (0, "0B"),
            (1, "1B"),
            (512, "512B"),
            (999, "999B"),
            (1_000, "1kB"),
            (1_500, "1.5kB"),
            (5_610_000, "5.61MB"),
            (12_800_000, "12.8MB"),
            (98_300_000, "98.3MB"),
            (100_000_000, "100MB"),
            (117_000_000, "117MB"),
            (1_090_000_000, "1.09GB"),
            (999_499, "999kB"),
            (999_600, "1e+03kB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(human_size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn s12_progress_has_four_digits() {
        for (bytes, expected) in
            [(0, "0B"), (34_600_000, "34.6MB"), (880_412_345, "880.4MB"), (1_234_567, "1.235MB"), (999_990, "1000kB")]
        {
            assert_eq!(exact_size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn s30_ages_change_unit_at_dockers_thresholds() {
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        for (seconds, expected) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (2, "2 seconds"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (59 * 60 + 59, "59 minutes"),
            (HOUR, "About an hour"),
            (HOUR + 29 * 60 + 59, "About an hour"),
            (HOUR + 30 * 60, "2 hours"),
            (47 * HOUR, "47 hours"),
            (2 * DAY, "2 days"),
            (13 * DAY, "13 days"),
            (14 * DAY, "2 weeks"),
            (59 * DAY, "8 weeks"),
            (60 * DAY, "2 months"),
            (729 * DAY, "24 months"),
            (730 * DAY, "2 years"),
            (10 * 365 * DAY, "10 years"),
        ] {
            assert_eq!(human_duration(Duration::from_secs(seconds)), expected, "{seconds}");
        }
    }
}
