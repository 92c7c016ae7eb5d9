//! QR codes, for tickets that are handed over by a camera.

use axum::Json;
use qrcode::{Color, EcLevel};
use tacit_protocol::api::{QrCode, QrRequest};
use tacit_protocol::{Code, Failure};

use super::answer::{ApiFailure, Body};

/// A text, such as a ticket, as a QR code.
#[utoipa::path(post, path = "/v1/qr", request_body = QrRequest, responses((status = OK, body = QrCode)))]
pub(super) async fn draw(Body(request): Body<QrRequest>) -> Result<Json<QrCode>, ApiFailure> {
    Ok(Json(code(&request.text)?))
}

/// A text as a QR code.
///
/// # Errors
/// `USAGE_QR` if it is too long.
pub(crate) fn code(text: &str) -> Result<QrCode, Failure> {
    let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::L).map_err(|cause| {
        let message = format!("a text of {} bytes makes no QR code: {cause}", text.len());
        Failure::new(Code::new("USAGE_QR"), message, "hand it over as text.")
    })?;
    let colors = code.to_colors();
    let row = |row: &[Color]| row.iter().map(|color| color.select('1', '0')).collect();
    Ok(QrCode { rows: colors.chunks(code.width()).map(row).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_square_with_its_three_corners_and_a_text_that_is_too_long_is_refused() {
        let code = code("tacit15eo7hkbs3e4akdni7xvobfjkz7i").expect("a code");
        let size = code.rows.len();
        assert!(size > 20 && code.rows.iter().all(|row| row.len() == size), "{size}");
        let edge = "1111111";
        let corners =
            [code.rows[0].starts_with(edge), code.rows[0].ends_with(edge), code.rows[size - 1].starts_with(edge)];
        assert_eq!(corners, [true; 3]);
        let long = super::code(&"x".repeat(3_000)).expect_err("a refusal");
        assert_eq!(long.code.as_str(), "USAGE_QR");
    }
}
