//! What the numbers were measured on, and what the process has used of it.

/// One line: processor, cores, system.
pub(crate) fn describe() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim()));
    let family =
        cpus.lines().find_map(|line| line.strip_prefix("model\t")?.split_once(':').map(|(_, name)| name.trim()));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{} (model {}), {cores} cores, {} {}",
        model.unwrap_or("unknown processor"),
        family.unwrap_or("?"),
        std::env::consts::OS,
        kernel.trim()
    )
}

/// Processor seconds of all threads of this process so far, in user and system mode; zero where there is no `/proc`.
pub(crate) fn cpu_seconds() -> f64 {
    cpu_seconds_of("self")
}

/// The same of another process.
pub(crate) fn cpu_seconds_of(process: &str) -> f64 {
    /// What Linux counts `/proc/PID/stat` in, on every architecture Rust supports.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The command name may hold anything, so fields are counted from behind its closing parenthesis.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
    let ticks: f64 = fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum();
    ticks / TICKS_PER_SECOND
}

/// How busy the machine is, all processes counted: the load averages of 1, 5 and 15 minutes.
pub(crate) fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}
