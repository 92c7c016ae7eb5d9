//! Whole-system tests: the real binary over real sockets.

mod demo;
