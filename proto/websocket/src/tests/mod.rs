//! Frames by hand, cut at every byte, and what two halves say to each other.

mod frames;
mod offers;
mod pairs;
