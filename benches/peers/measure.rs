// SPDX-License-Identifier: GPL-2.0-or-later
//! CPU time and memory of a closure or a child process, and their ratio to a peer's.

use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

/// What one run cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// User and system time of all threads.
    pub cpu: Duration,
    /// Time on the wall.
    pub wall: Duration,
    /// Peak resident memory, in KiB; only for processes.
    pub peak: u64,
}

/// One of several ways to the same end.
pub type Run<'a> = Box<dyn FnMut() -> Result<Cost> + 'a>;

/// Runs the two in turn, `runs` times after a warm-up, and returns the medians
/// of each, and the median of the ratio of their CPU times, pair by pair.
pub fn pair(runs: usize, mut ours: Run<'_>, mut peer: Run<'_>) -> Result<(Cost, Cost, f64)> {
    ours()?;
    peer()?;
    let mut a = Vec::new();
    let mut b = Vec::new();
    for _ in 0..runs {
        a.push(ours()?);
        b.push(peer()?);
    }
    let mut ratios: Vec<f64> = a
        .iter()
        .zip(&b)
        .map(|(a, b)| a.cpu.as_secs_f64() / b.cpu.as_secs_f64().max(1e-9))
        .collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios.get(runs / 2).copied().context("no runs")?;
    Ok((median(&a), median(&b), ratio))
}

/// The median of each figure.
pub fn median(costs: &[Cost]) -> Cost {
    let middle = |mut all: Vec<u128>| {
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or(0) as u64
    };
    Cost {
        cpu: Duration::from_nanos(middle(costs.iter().map(|c| c.cpu.as_nanos()).collect())),
        wall: Duration::from_nanos(middle(costs.iter().map(|c| c.wall.as_nanos()).collect())),
        peak: middle(costs.iter().map(|c| u128::from(c.peak)).collect()),
    }
}

/// What `work` costs this process.
pub fn closure(work: impl FnOnce() -> Result<()>) -> Result<Cost> {
    let (cpu, wall) = (own_cpu()?, Instant::now());
    work()?;
    Ok(Cost {
        wall: wall.elapsed(),
        cpu: own_cpu()? - cpu,
        peak: 0,
    })
}

/// What `times` runs of `command` cost, one after the other; each must end with
/// one of the exit codes `fine`.
pub fn process(times: u32, fine: &[i32], mut command: impl FnMut() -> Command) -> Result<Cost> {
    let wall = Instant::now();
    let mut total = Cost::default();
    for _ in 0..times {
        let mut command = command();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        let (status, usage) = wait(child.id())?;
        ensure!(fine.contains(&status), "{command:?} ended with {status}");
        total.cpu += time(usage.ru_utime) + time(usage.ru_stime);
        total.peak = total.peak.max(usage.ru_maxrss as u64);
    }
    total.wall = wall.elapsed();
    Ok(total)
}

fn own_cpu() -> Result<Duration> {
    // SAFETY: all-zero is a valid timespec, and the call fills it.
    let mut now = unsafe { std::mem::zeroed::<libc::timespec>() };
    // SAFETY: `now` is ours.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut now) };
    ensure!(status == 0, "clock_gettime: {}", io::Error::last_os_error());
    Ok(Duration::new(now.tv_sec as u64, now.tv_nsec as u32))
}

fn wait(pid: u32) -> Result<(i32, libc::rusage)> {
    // SAFETY: all-zero is a valid rusage, and the call fills it.
    let mut usage = unsafe { std::mem::zeroed::<libc::rusage>() };
    let mut status = 0;
    // SAFETY: the child is ours and has not been waited for.
    let got = unsafe { libc::wait4(pid as i32, &raw mut status, 0, &raw mut usage) };
    ensure!(got > 0, "wait4: {}", io::Error::last_os_error());
    let code = if libc::WIFEXITED(status) {
        libc::WEXITSTATUS(status)
    } else {
        -libc::WTERMSIG(status)
    };
    Ok((code, usage))
}

fn time(value: libc::timeval) -> Duration {
    Duration::new(value.tv_sec as u64, value.tv_usec as u32 * 1000)
}
