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
mod described;
mod deviating;
mod deviations;
mod disk;
mod harness;
mod idle;
mod levels;
mod open_api;
mod path;
mod python;
mod refusals;
mod restart;
mod rogue;
mod tokens;
mod watched;
mod wire;
