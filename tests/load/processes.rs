//! What the kernel knows of a process.

use std::fs;

/// Returns the CPU time of a process so far, in microseconds. The kernel counts in units of 10 ms.
pub fn cpu_micros(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    parse_ticks(&stat) * 10_000.0
}

/// Returns the memory of a process in MB, with its share of what it has in common with others (PSS).
pub fn memory_mb(process: u32) -> f64 {
    let map = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).unwrap_or_default();
    field(&map, "Pss:") / 1024.0
}

/// Returns the bytes that a process has passed to write calls, to files and sockets.
pub fn written_bytes(process: u32) -> f64 {
    let io = fs::read_to_string(format!("/proc/{process}/io")).unwrap_or_default();
    field(&io, "wchar:")
}

/// Returns the CPU time of this process, in microseconds.
pub fn own_cpu_micros() -> f64 {
    cpu_micros(std::process::id())
}

fn parse_ticks(stat: &str) -> f64 {
    // The second field, the name, may contain spaces and ends with the last parenthesis.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let times = fields.split_whitespace().skip(11).take(2);
    times.filter_map(|ticks| ticks.parse::<f64>().ok()).sum()
}

pub fn field(text: &str, name: &str) -> f64 {
    let value = |line: &str| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok();
    text.lines().find_map(value).unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_the_sum_of_user_and_system_time() {
        let stat = "42 (a) name) S 1 2 3 4 5 6 7 8 9 10 120 30 0 0 20";
        assert!((parse_ticks(stat) - 150.0).abs() < 0.01);
    }

    #[test]
    fn a_field_is_found_by_its_name() {
        let text = "Rss:    9000 kB\nPss:    2048 kB\nPss_Dirty: 7 kB\n";
        assert!((field(text, "Pss:") - 2048.0).abs() < 0.01);
        assert!(field(text, "Swap:").is_nan());
    }
}
