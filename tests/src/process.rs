//! What the system says of a process.

/// How many bytes a field of `/proc/<id>/status` counts: `VmRSS`, what is resident, or `VmHWM`, the most that was.
pub fn memory_bytes(id: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let value = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}
