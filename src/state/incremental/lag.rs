//! `lag`: a start some way before the newest value, for rows that appear late.

use serde_json::{Value, json};

use crate::config::LastValue;
use crate::schema::TimeForm;

/// The value that lies `lag` before `value`, or after it if the least value counts. As in dlt, the unit is a day if
/// values are days (what `initial_value` is, if there is one, decides), else a second; of numbers it is one. The form
/// of a text is kept. `None`: it is neither a number nor a time.
pub(super) fn lagged(lag: f64, value: &Value, initial: Option<&Value>, func: LastValue) -> Option<Value> {
    let signed = if func == LastValue::Max { -lag } else { lag };
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Some(json!(moved(whole, signed))),
            None => Some(json!(number.as_f64()? + signed)),
        },
        Value::String(text) => {
            let (form, micros) = TimeForm::read(text)?;
            let declared = initial.and_then(Value::as_str).and_then(TimeForm::read).map(|(form, _)| form);
            let moved = if declared.unwrap_or(form).is_date() {
                TimeForm::move_days(micros, signed, func == LastValue::Min && !form.is_date())
            } else {
                moved(micros, signed * 1e6)
            };
            Some(Value::from(form.write(moved)))
        }
        _ => None,
    }
}

/// A whole number plus any, without what is behind the point. Whole lags are exact at any size.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "whole parts are added as such"
)]
fn moved(value: i64, by: f64) -> i64 {
    if by.fract() == 0.0 { value.saturating_add(by as i64) } else { (value as f64 + by) as i64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lag_moves_the_start_in_the_unit_and_form_of_the_values() {
        use LastValue::{Max, Min};
        for (lag, value, initial, func, expected) in [
            (10.0, json!(100), None, Max, json!(90)),
            (10.0, json!(100), None, Min, json!(110)),
            (0.5, json!(100), None, Max, json!(99)),
            (0.5, json!(1.25), None, Max, json!(0.75)),
            (2.0, json!("2024-03-01"), None, Max, json!("2024-02-28")),
            (2.0, json!("20240301"), None, Min, json!("20240303")),
            (1.5, json!("2024-03-03"), None, Max, json!("2024-03-01")),
            (3600.0, json!("2024-03-01T00:30:00Z"), None, Max, json!("2024-02-29T23:30:00Z")),
            (0.25, json!("2024-03-01T00:00:00.500Z"), None, Max, json!("2024-03-01T00:00:00.250Z")),
            (60.0, json!("2024-03-01T00:00:30+02:00"), None, Max, json!("2024-02-29T23:59:30+02:00")),
            // What the first start says of the unit counts.
            (
                1.0,
                json!("2024-03-02T10:00:00Z"),
                Some(json!("2024-01-01")),
                Max,
                json!("2024-03-01T00:00:00Z"),
            ),
            (
                1.0,
                json!("2024-03-02T10:00:00Z"),
                Some(json!("2024-01-01")),
                Min,
                json!("2024-03-03T23:59:59Z"),
            ),
        ] {
            assert_eq!(lagged(lag, &value, initial.as_ref(), func), Some(expected), "{lag} {value} {func:?}");
        }
        for value in [json!("x"), json!(null), json!(true), json!("12")] {
            assert_eq!(lagged(1.0, &value, None, Max), None, "{value}");
        }
    }
}
