//! What a process may ask of the kernel for its memory. Nothing here is done unless a program asks for it.

use std::io;

use crate::sys;

/// Has the kernel give the whole process no huge pages on its own account, from now on. An allocator takes and gives
/// memory by 2 MiB then no more: with 10,000 idle connections each costs 553 bytes instead of 629, and a process that
/// does little has 8 MiB resident instead of 17 (mimalloc, see benches/README.md). What asks for huge pages by name
/// (`MAP_HUGETLB`) still gets them.
///
/// For programs, not for libraries: it is the process's setting, and its children's.
///
/// # Errors
/// The kernel was built without huge pages, or a sandbox forbids the call: nothing is lost but the memory.
pub fn refuse_huge_pages() -> io::Result<()> {
    sys::refuse_huge_pages()
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;

    #[test]
    fn the_kernel_has_heard_it() {
        super::refuse_huge_pages().unwrap();
        let status = read_to_string("/proc/self/status").unwrap();
        assert!(status.lines().any(|line| line.starts_with("THP_enabled:") && line.ends_with('0')));
    }
}
