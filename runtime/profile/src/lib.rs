//! Where a process spends its time and its memory, by samples of its stacks.
//!
//! [`cpu`] has a clock a thread, which says when it has run for another hundredth of a second; what it was doing is written into `samples`,
//! where whoever asked takes it out. [`heap`] is an allocator that notes one allocation in so many bytes. [`symbols`] tells what addresses mean. It knows no
//! HTTP and no form of a profile. `unsafe` is in `sys` and `heap::allocator`, nowhere else.
#![deny(unsafe_code)]

pub mod cpu;
pub mod heap;
mod samples;
pub mod symbols;
mod sys;

pub use cpu::{CpuError, CpuProfile, CpuSampler, CpuStack};
pub use heap::{Amount, HeapStack, Sampled};
pub use symbols::{Symbol, resolve};
