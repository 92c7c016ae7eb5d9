//! What tests need of the machine besides the binary. Where it is not there something stays unchecked, which `cargo test`
//! does not show of a test that passes: a run that is to check everything names what must be there.

/// Variable with the names of what must be there, with commas: tools such as `helm`, and `netns` for network namespaces.
const REQUIRE: &str = "TACIT_TEST_REQUIRE";

/// Whether a tool is here. It is not asked for its version: not all say it in the same way.
pub(crate) fn has(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|at| at.join(tool).is_file())
}

/// Says that something is not checked, because what it needs is not there.
///
/// # Panics
/// If the run requires that to be there.
pub(crate) fn not_checked(needs: &str, what: &str) {
    let required = std::env::var(REQUIRE).unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name.trim() == needs),
        "{REQUIRE} names {needs}, which is not here: {what} cannot be checked. Install it, or leave it out of {REQUIRE}."
    );
    println!("\nNOT CHECKED: {what}; there is no {needs}.\n");
}
