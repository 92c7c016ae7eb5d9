//! Whole-system tests: the real binary over real sockets.

mod api;
mod approval;
mod attacks;
mod by_hand;
mod demo;
mod disk;
mod harness;
mod refusals;
mod restart;
