//! Whole-system tests: the real binary over real sockets.

mod api;
mod approval;
mod attacks;
mod bench;
mod bench_ends;
mod bench_peer;
mod browser;
mod by_hand;
mod console;
mod demo;
mod deviating;
mod deviations;
mod disk;
mod harness;
mod hosts;
mod idle;
mod levels;
mod netns;
mod network;
mod path;
mod refusals;
mod restart;
mod rogue;
mod wire;
