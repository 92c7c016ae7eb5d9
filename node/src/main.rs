//! The `tacit` binary.

fn main() -> std::process::ExitCode {
    tacit_node::cli::main()
}
