//! QR codes in a terminal.

use tacit_protocol::Failure;

use crate::api::qr_code;

/// Light modules around a code, without which cameras do not find it.
const QUIET: usize = 4;

/// A text as a QR code of half blocks, light on dark: two rows of modules a line.
pub(super) fn draw(text: &str) -> Result<String, Failure> {
    let code = qr_code(text)?;
    let size = code.rows.len();
    let is_dark = |row: usize, column: usize| {
        let inside = |place: usize| place.checked_sub(QUIET).filter(|place| *place < size);
        let (Some(row), Some(column)) = (inside(row), inside(column)) else { return false };
        code.rows[row].as_bytes().get(column) == Some(&b'1')
    };
    let full = size + 2 * QUIET;
    let mut drawn = String::new();
    for row in (0..full).step_by(2) {
        for column in 0..full {
            // Below the last row there is nothing to light.
            let below = row + 1 >= full || is_dark(row + 1, column);
            drawn.push(match (is_dark(row, column), below) {
                (false, false) => '█',
                (false, true) => '▀',
                (true, false) => '▄',
                (true, true) => ' ',
            });
        }
        drawn.push('\n');
    }
    Ok(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drawn_code_has_the_modules_of_the_code_and_a_quiet_zone() {
        let text = "tacit15eo7hkbs3e4akdni7xvobfjkz7i";
        let code = qr_code(text).expect("a code");
        let mut rows = vec![String::new(); 2];
        let mut modules = Vec::new();
        for line in draw(text).expect("drawn").lines() {
            rows.iter_mut().for_each(String::clear);
            for c in line.chars() {
                let (upper, lower) = match c {
                    '█' => ('0', '0'),
                    '▀' => ('0', '1'),
                    '▄' => ('1', '0'),
                    ' ' => ('1', '1'),
                    other => panic!("{other:?}"),
                };
                rows[0].push(upper);
                rows[1].push(lower);
            }
            modules.extend(rows.iter().cloned());
        }
        let size = code.rows.len();
        assert!(modules[..QUIET].iter().all(|row| row.chars().all(|module| module == '0')));
        for (row, drawn) in code.rows.iter().zip(&modules[QUIET..]) {
            assert_eq!(row, &drawn[QUIET..QUIET + size]);
            assert!(drawn.ends_with("0000"));
        }
    }
}
