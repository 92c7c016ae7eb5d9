//! Whole-system tests: the real binary over real sockets.

mod api;
mod approval;
mod attacks;
mod backup;
mod bench;
mod bench_ends;
mod bench_peer;
mod browser;
mod by_hand;
mod console;
mod demo;
mod deploy;
mod deviating;
mod deviations;
mod disk;
mod harness;
mod idle;
mod levels;
mod operator;
mod path;
mod refusals;
mod restart;
mod rogue;
mod wire;
