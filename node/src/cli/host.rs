//! What `tacit doctor` looks at on this machine.

use std::path::Path;

use tacit_protocol::api::Finding;

use super::doctor::line;

/// Room on the disk below which a node soon refuses to write, and below which that is worth a word.
const LEAST_DISK: u64 = 256 << 20;
const LITTLE_DISK: u64 = 4 << 30;
/// Memory below which jobs over small tables fail.
const LITTLE_MEMORY: u64 = 1 << 30;
/// The earliest time that a clock that was set can show: 2026-01-01.
const EARLIEST: u64 = 1_767_225_600;

/// Everything that is looked at.
pub(super) fn findings(dir: &Path) -> Vec<Finding> {
    vec![cores(), instructions(), open_files(), memory(), disk(dir), clock()]
}

fn cores() -> Finding {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let text = format!("{cores}; the engine uses all of them");
    line("cores", if cores >= 2 { "pass" } else { "warn" }, text)
}

fn instructions() -> Finding {
    #[cfg(target_arch = "x86_64")]
    let fast = std::arch::is_x86_feature_detected!("aes");
    #[cfg(not(target_arch = "x86_64"))]
    let fast = cfg!(target_feature = "aes");
    let level = tacit_simd::Level::detect().name();
    if fast {
        line("instructions", "pass", format!("AES, and {level} for arithmetic"))
    } else {
        let text = "the processor has no AES instructions: jobs are many times slower; use another machine";
        line("instructions", "warn", text)
    }
}

/// The limit of open files, from Linux's own table; elsewhere it is not checked.
fn open_files() -> Finding {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let row = limits.lines().find(|line| line.starts_with("Max open files"));
    let soft = row.and_then(|line| line.split_whitespace().nth(3)).and_then(|word| word.parse::<u64>().ok());
    match soft {
        Some(limit) if limit < 1_024 => {
            line("open files", "warn", format!("{limit}; raise it to 1024: `ulimit -n 1024`"))
        }
        Some(limit) => line("open files", "pass", limit.to_string()),
        None => line("open files", "pass", "not limited, or not known on this system"),
    }
}

/// The memory that is free for use, from Linux's own table.
fn memory() -> Finding {
    let table = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let row = table.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let free = row.and_then(|row| row.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).map(|kib| kib << 10);
    match free {
        Some(bytes) if bytes < LITTLE_MEMORY => {
            line("memory", "warn", format!("{} MiB free; jobs hold their tables in memory: free some", bytes >> 20))
        }
        Some(bytes) => line("memory", "pass", format!("{} MiB free", bytes >> 20)),
        None => line("memory", "pass", "not known on this system"),
    }
}

fn disk(dir: &Path) -> Finding {
    let Ok(disk) = rustix::fs::statvfs(dir) else {
        return line("disk", "warn", format!("{} cannot be looked at", dir.display()));
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let text = format!("{} MiB free under {}", free >> 20, dir.display());
    match free {
        0..LEAST_DISK => line("disk", "fail", format!("{text}; the node is about to refuse writes: free some")),
        LEAST_DISK..LITTLE_DISK => line("disk", "warn", format!("{text}; that is little for tables and backups")),
        _ => line("disk", "pass", text),
    }
}

/// Whether the clock was set, and keeps step with the one that nothing sets.
fn clock() -> Finding {
    use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
    const LOOK: Duration = Duration::from_millis(200);
    let (wall, steady) = (SystemTime::now(), Instant::now());
    if wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) < EARLIEST {
        return line("clock", "fail", "it shows a time before 2026: set it, for example by NTP");
    }
    std::thread::sleep(LOOK);
    let passed = steady.elapsed();
    let step = wall.elapsed().map_or(passed, |walked| walked.abs_diff(passed));
    if step > Duration::from_millis(50) {
        let fix = "let one program alone set it, and slowly (NTP)";
        return line("clock", "warn", format!("it went {} ms in a step: {fix}", step.as_millis()));
    }
    line("clock", "pass", "set, and without steps")
}
