//! Which cores the shards run on: the affinity mask, the container's CPU quota, and what the operator asks
//! for.
//!
//! Read once, before any shard starts; never follows later changes of the mask or of the quota.

use std::fmt;
use std::fs;
use std::num::NonZero;
use std::path::{Path, PathBuf};

use crate::preflight::StartError;
use crate::sys;

/// The most CPUs and shards that can be named, as many as the kernel's `cpu_set_t` holds.
const MOST: usize = libc::CPU_SETSIZE as usize;

/// One CPU for each shard, in order of shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    cpus: Vec<usize>,
}

/// Why a list of CPUs cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidCpus {
    /// Not a list like `0,2-3`.
    Syntax {
        /// The part that is not a number or a range.
        part: String,
    },
    /// A range that ends before it begins.
    Backwards {
        /// The range.
        part: String,
    },
    /// This process may not run there.
    NotInMask {
        /// The CPU.
        cpu: usize,
        /// Where it may run.
        mask: Vec<usize>,
    },
    /// The same CPU twice.
    Twice {
        /// The CPU.
        cpu: usize,
    },
}

impl fmt::Display for InvalidCpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { part } => {
                write!(f, "{part:?} is not a CPU or a range of CPUs: write a list like `0,2-3`")
            }
            Self::Backwards { part } => write!(f, "the range of CPUs {part:?} runs backwards"),
            Self::NotInMask { cpu, mask } => write!(
                f,
                "this process may not run on CPU {cpu}, only on {mask:?}: \
                 `taskset` or the container's cpuset says so"
            ),
            Self::Twice { cpu } => write!(f, "CPU {cpu} is listed twice"),
        }
    }
}

impl std::error::Error for InvalidCpus {}

impl Topology {
    /// As many shards as the process may use CPUs: those of its mask, or fewer if its cgroup has a quota
    /// (rounded up).
    ///
    /// # Errors
    /// The affinity mask cannot be read.
    pub fn detect() -> Result<Self, StartError> {
        let mask = affinity()?;
        let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let quota = quota(Path::new("/sys/fs/cgroup"), &membership);
        Ok(Self::choose(mask, quota))
    }

    /// A shard on each CPU of a list like `0,2-3`, in that order.
    ///
    /// # Errors
    /// [`StartError::Cpus`] when it is no such list, or this process may not run there.
    pub fn from_list(list: &str) -> Result<Self, StartError> {
        Ok(Self { cpus: parse_cpus(list, &affinity()?)? })
    }

    /// That many shards on the same CPUs: the first ones when they are fewer, several a CPU when they are
    /// more (which is allowed, and slower). At most 1,024.
    #[must_use]
    pub fn with_shards(self, shards: NonZero<usize>) -> Self {
        Self { cpus: self.cpus.iter().copied().cycle().take(shards.get().min(MOST)).collect() }
    }

    /// The CPU of each shard. Never empty.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    fn choose(mut mask: Vec<usize>, quota: Option<usize>) -> Self {
        mask.truncate(quota.unwrap_or(MOST).max(1));
        Self { cpus: mask }
    }
}

/// The affinity mask; the kernel keeps it from being empty.
fn affinity() -> Result<Vec<usize>, StartError> {
    sys::affinity().map_err(|error| StartError::Other { what: "read the CPU affinity mask", error })
}

/// A list like `0,2-3`, every CPU in `mask` and none twice.
fn parse_cpus(list: &str, mask: &[usize]) -> Result<Vec<usize>, InvalidCpus> {
    let mut cpus = Vec::new();
    for part in list.split(',') {
        let part = part.trim();
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| match text.parse() {
            // `parse` would take a sign.
            Ok(cpu) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(cpu),
            _ => Err(InvalidCpus::Syntax { part: part.to_owned() }),
        };
        let (first, last): (usize, usize) = (number(first)?, number(last)?);
        if first > last {
            return Err(InvalidCpus::Backwards { part: part.to_owned() });
        }
        // A huge range ends at its first CPU that is not in the mask.
        for cpu in first..=last {
            if !mask.contains(&cpu) {
                return Err(InvalidCpus::NotInMask { cpu, mask: mask.to_vec() });
            }
            if cpus.contains(&cpu) {
                return Err(InvalidCpus::Twice { cpu });
            }
            cpus.push(cpu);
        }
    }
    Ok(cpus)
}

/// The tightest CPU quota from this process's cgroup up to the root, in whole CPUs; `None` without one.
/// `membership` is the text of `/proc/self/cgroup`.
fn quota(mount: &Path, membership: &str) -> Option<usize> {
    let mut tightest = None;
    let mut note = |cpus: Option<usize>| {
        tightest = [tightest, cpus].into_iter().flatten().min();
    };
    for line in membership.lines() {
        // hierarchy:controllers:path; version 2 is hierarchy 0 without controllers.
        let mut parts = line.splitn(3, ':');
        let (Some(id), Some(names), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        if id == "0" && names.is_empty() {
            for directory in upwards(mount, path) {
                note(fs::read_to_string(directory.join("cpu.max")).ok().and_then(|t| quota_v2(&t)));
            }
        } else if names.split(',').any(|name| name == "cpu") {
            for directory in
                upwards(&mount.join(names), path).chain(upwards(&mount.join("cpu"), path))
            {
                let read = |name| fs::read_to_string(directory.join(name)).ok();
                let texts = read("cpu.cfs_quota_us").zip(read("cpu.cfs_period_us"));
                note(texts.and_then(|(quota, period)| quota_v1(&quota, &period)));
            }
        }
    }
    tightest
}

/// `path` below `mount`, and its parents down to `mount` itself. (In a container the path may be the
/// host's, which is not there; its parents are then read, and the mount is the container's own group.)
fn upwards(mount: &Path, path: &str) -> impl Iterator<Item = PathBuf> + use<> {
    let mount = mount.to_path_buf();
    let path = PathBuf::from(path.trim_start_matches('/'));
    let parents: Vec<PathBuf> = path.ancestors().map(|part| mount.join(part)).collect();
    parents.into_iter()
}

/// The text of `cpu.max`, "quota period" in microseconds or "max period", as whole CPUs, rounded up.
fn quota_v2(text: &str) -> Option<usize> {
    let (quota, period) = text.trim().split_once(' ')?;
    whole_cpus(quota.parse().ok()?, period.trim().parse().ok()?)
}

/// The texts of `cpu.cfs_quota_us` (-1 for none) and `cpu.cfs_period_us`, as whole CPUs, rounded up.
fn quota_v1(quota: &str, period: &str) -> Option<usize> {
    whole_cpus(quota.trim().parse().ok()?, period.trim().parse().ok()?)
}

fn whole_cpus(quota: u64, period: u64) -> Option<usize> {
    if period == 0 {
        return None;
    }
    usize::try_from(quota.div_ceil(period).max(1)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_round_up() {
        for (text, cpus) in [
            ("max 100000\n", None),
            ("99999 100000\n", Some(1)),
            ("100000 100000\n", Some(1)),
            ("100001 100000\n", Some(2)),
            ("150000 100000", Some(2)),
            ("1000 100000", Some(1)),
            ("0 100000", Some(1)),
            ("100000 0", None),
            ("100000", None),
            ("-1 100000", None),
            ("", None),
            ("many few", None),
        ] {
            assert_eq!(quota_v2(text), cpus, "{text:?}");
        }
        assert_eq!(quota_v1("-1\n", "100000\n"), None);
        assert_eq!(quota_v1("250000\n", "100000\n"), Some(3));
        assert_eq!(quota_v1("", ""), None);
    }

    #[test]
    fn the_tightest_group_counts() {
        let root = std::env::temp_dir().join(format!("trilane-cgroup-{}", std::process::id()));
        let deep = root.join("a/b");
        let old = root.join("cpu,cpuacct/c");
        fs::create_dir_all(&deep).unwrap();
        fs::create_dir_all(&old).unwrap();
        assert_eq!(quota(&root, "0::/a/b\n"), None);
        fs::write(deep.join("cpu.max"), "400000 100000\n").unwrap();
        assert_eq!(quota(&root, "0::/a/b\n"), Some(4));
        fs::write(root.join("a/cpu.max"), "300000 100000\n").unwrap();
        assert_eq!(quota(&root, "0::/a/b\n"), Some(3));
        // A path of the host's, not there in the container: what is there still counts.
        fs::write(root.join("cpu.max"), "900000 100000\n").unwrap();
        assert_eq!(quota(&root, "0::/elsewhere/x\n"), Some(9));
        fs::write(old.join("cpu.cfs_quota_us"), "150000\n").unwrap();
        fs::write(old.join("cpu.cfs_period_us"), "100000\n").unwrap();
        let both = "5:cpu,cpuacct:/c\n3:memory:/m\nnonsense\n0::/a/b\n";
        assert_eq!(quota(&root, both), Some(2));
        fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn at_least_one_shard_and_no_more_than_the_mask() {
        let mask = || vec![1, 3, 5];
        for (quota, cpus) in
            [(None, 3), (Some(0), 1), (Some(1), 1), (Some(2), 2), (Some(3), 3), (Some(4), 3)]
        {
            assert_eq!(Topology::choose(mask(), quota).cpus(), &mask()[..cpus]);
        }
        let three = Topology { cpus: mask() };
        for (shards, cpus) in [
            (1, &[1][..]),
            (2, &[1, 3]),
            (3, &[1, 3, 5]),
            (4, &[1, 3, 5, 1]),
            (7, &[1, 3, 5, 1, 3, 5, 1]),
        ] {
            let shards = NonZero::new(shards).unwrap();
            assert_eq!(three.clone().with_shards(shards).cpus(), cpus);
        }
        for (asked, had) in [(MOST - 1, MOST - 1), (MOST, MOST), (MOST + 1, MOST)] {
            let shards = NonZero::new(asked).unwrap();
            assert_eq!(three.clone().with_shards(shards).cpus().len(), had);
        }
    }

    #[test]
    fn lists_of_cpus() {
        let mask: Vec<usize> = (0..6).collect();
        assert_eq!(parse_cpus("0,2-3", &mask), Ok(vec![0, 2, 3]));
        assert_eq!(parse_cpus(" 5 , 1 ", &mask), Ok(vec![5, 1]));
        assert_eq!(parse_cpus("4-4", &mask), Ok(vec![4]));
        for bad in ["", ",", "0,", "a", "+1", "0-", "-1", "1-2-3", "0x1", "99999999999999999999"] {
            assert!(matches!(parse_cpus(bad, &mask), Err(InvalidCpus::Syntax { .. })), "{bad:?}");
        }
        let backwards = InvalidCpus::Backwards { part: "3-2".into() };
        assert_eq!(parse_cpus("3-2", &mask), Err(backwards));
        assert_eq!(parse_cpus("1,0-2", &mask), Err(InvalidCpus::Twice { cpu: 1 }));
        for (list, cpu) in [("6", 6), ("4-6", 6), ("0-18446744073709551615", 6)] {
            let error = InvalidCpus::NotInMask { cpu, mask: mask.clone() };
            assert_eq!(parse_cpus(list, &mask), Err(error), "{list:?}");
        }
    }

    #[test]
    fn this_machine_has_a_topology() {
        let found = Topology::detect().unwrap();
        assert!(!found.cpus().is_empty());
        let text = found.cpus()[0].to_string();
        assert_eq!(Topology::from_list(&text).unwrap().cpus(), &found.cpus()[..1]);
        assert!(matches!(Topology::from_list("70000"), Err(StartError::Cpus(_))));
    }
}
