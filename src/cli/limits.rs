//! `--limit KEY=VALUE`: how much a layer may hold before it is refused.

use rootlay::ops::Limits;

/// One changed limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Entries in one layer.
    Entries(u64),
    /// Bytes of one layer, unpacked.
    Bytes(u64),
    /// Directories inside each other.
    Depth(usize),
    /// The window of zstd, as a power of two.
    Window(u32),
}

/// Reads `KEY=VALUE`.
pub fn limit(text: &str) -> Result<Limit, String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    match key {
        "entries" => number(value).map(Limit::Entries),
        "bytes" => bytes(value).map(Limit::Bytes),
        "depth" => number(value).map(Limit::Depth),
        "window" => number(value).map(Limit::Window),
        _ => Err("expected one of `entries`, `bytes`, `depth`, `window`".to_owned()),
    }
}

/// The defaults with these changes; the last of several for one key wins.
pub fn limits(changes: &[Limit]) -> Limits {
    let mut limits = Limits::default();
    for change in changes {
        match *change {
            Limit::Entries(entries) => limits.entries = entries,
            Limit::Bytes(bytes) => limits.bytes = bytes,
            Limit::Depth(depth) => limits.depth = depth,
            Limit::Window(log) => limits.zstd_window_log = log,
        }
    }
    limits
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| "expected a whole number".to_owned())
}

/// A number of bytes, with a decimal (`GB`) or binary (`GiB`) unit if one is given.
pub fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (amount, unit) = text.split_at(digits);
    let factor: u64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "t" | "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return Err("expected a number of bytes such as 1073741824, 10GB or 10GiB".to_owned()),
    };
    let amount: u64 = number(amount)?;
    amount.checked_mul(factor).ok_or_else(|| "the number is too large".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_by_key() {
        assert_eq!(limit("entries=10"), Ok(Limit::Entries(10)));
        assert_eq!(limit("depth=3"), Ok(Limit::Depth(3)));
        assert_eq!(limit("window=27"), Ok(Limit::Window(27)));
        for (text, bytes) in
            [("bytes=5", 5), ("bytes=10GB", 10_000_000_000), ("bytes=2KiB", 2048), ("bytes=1m", 1_000_000)]
        {
            assert_eq!(limit(text), Ok(Limit::Bytes(bytes)), "{text}");
        }
        for bad in
            ["entries", "entries=", "entries=-1", "entries=x", "size=1", "bytes=5x", "bytes=GB", "bytes=99999999999TB"]
        {
            assert!(limit(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_last_change_wins_and_the_rest_stays() {
        let changed = limits(&[Limit::Entries(1), Limit::Depth(7), Limit::Entries(2)]);
        assert_eq!((changed.entries, changed.depth), (2, 7));
        assert_eq!(changed.bytes, Limits::default().bytes);
    }
}
